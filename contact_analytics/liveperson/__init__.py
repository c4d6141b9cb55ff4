"""LivePerson Conversational Cloud.

APIs: Data Access (hourly files of agent activity, engagements, surveys and web sessions).
Credentials: an API key (OAuth 1.0a, four values) or an OAuth 2.0 client, enabled by LivePerson for each account.
Retention: the vendor deletes a file 30 days after it was made; a session's file appears up to 6 hours after it closed.
Quirks: Avro's JSON encoding, links on a sibling host, an empty window answered with an error status.
"""
