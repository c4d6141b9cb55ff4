"""What every Data Access record starts with: the envelope's metadata and the visitor's header."""

import dataframely as dy

from contact_analytics.lib.schema import field, instant

NAMESPACE = "com.liveperson.dataaccess."


class DataAccessRecord(dy.Schema):
    """`metaData` of the envelope: a session is one envelope."""

    account_id = field(dy.String, "LivePerson account", section="metaData")
    schema_version = field(dy.String, "Version of the vendor's Avro schema", section="metaData", bare=True)
    start_time = instant("Start of the session", section="metaData", inferred=True)
    end_time = instant("End of the session; null for agent activity and web sessions", section="metaData")


class VisitorRecord(DataAccessRecord):
    """A record with the visitor's header; its ids are empty texts in engagements and surveys."""

    visit_id = field(dy.String, "Visitor session; empty in engagements and surveys", section="header")
    visitor_id = field(dy.String, "Visitor; empty in engagements and surveys", section="header", personal=True)
    context_id = field(dy.String, "Context of the visitor", section="header")
