"""What tables of Khoros Care's exports have in common.

The vendor's column lists are in admin documentation that is not public, and each company chooses its columns. So only
a few are documented; others were seen in another client's tables, and the rest is assumed from what the documentation
speaks of. All are typed where they come, null where they do not, and what comes by other names is kept in `_extra`.
"""

from datetime import timedelta
from typing import Any

import dataframely as dy

from contact_analytics.lib.checks import EXPORT_CHECKS
from contact_analytics.lib.dataset import Check, Dataset
from contact_analytics.lib.schema import field

DOCUMENTATION = "https://developer.khoros.com/khoroscaredevdocs/docs/about-analytics-reports"
# Metrics are near-real-time, which the vendor puts no number to.
_LATENESS = timedelta(minutes=30)


class Row(dy.Schema):
    """A row without a key of the vendor's."""

    row_id = field(
        dy.String,
        "Digest of what the row holds; rows that hold the same are numbered. Another one when a field changes",
        key=True,
        derived=True,
    )


class OfConversation(Row):
    """A row about a conversation."""

    conversation_id = field(dy.String, "Conversation; joins conversation", inferred=True)
    network = field(dy.String, "Social network", inferred=True, also=("provider",))
    priority = field(dy.Int64, "Priority of the conversation, 0 to 5", inferred=True)
    work_queue = field(dy.String, "Work queue", inferred=True)
    author_uuid = field(dy.String, "Author; joins author", inferred=True)
    author_handle = field(dy.String, "Author's handle on the network", inferred=True, personal=True)


def seconds(meaning: str, **facts: Any) -> Any:
    """A span. Its unit is documented nowhere: `H:MM:SS` is read as seconds, a number stays as it is."""
    return field(dy.Float64, meaning, duration=True, unit="s if sent as H:MM:SS, else as sent", **facts)


def report(
    name: str,
    schema: type[dy.Schema],
    grain: str,
    event_time: str = "",
    checks: tuple[Check, ...] = (),
    **options: Any,
) -> Dataset:
    """The table of an export. The vendor publishes no retention."""
    return Dataset(
        vendor="khoros_care",
        name=name,
        schema=schema,
        grain=grain,
        documentation=DOCUMENTATION,
        event_time=event_time,
        retention=None,
        lateness=_LATENESS,
        day_of="the vendor's report",
        checks=(*EXPORT_CHECKS, *checks),
        **options,
    )
