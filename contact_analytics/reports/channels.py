"""What reports call the channels of LivePerson's messaging."""

import polars as pl

from contact_analytics.settings import has_table

CONVERSATIONS = "liveperson.conversations"
HAS_CONVERSATIONS = has_table(CONVERSATIONS)
# What Data Access calls a conversation that is messaging.
MESSAGING = "MESSAGING"
NOT_STATED = "not stated"
# The vendor's codes whose names say little; others are names already.
_NAMES = {"SHARK": "Web", "WEB": "Web", "APP": "App", "AGENT": "Agent", "FACEBOOK": "Facebook"}


def messaging_channel() -> pl.Expr:
    """The channel of a conversation by its `source`."""
    return pl.col("source").replace(_NAMES)
