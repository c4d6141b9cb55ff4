"""What a table says about itself."""

from datetime import timedelta

import pytest

from contact_analytics.lib.dataset import in_words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(days=400), "400 days"),
        (timedelta(hours=36), "1.5 days"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=6), "6 hours"),
        (timedelta(minutes=90), "1.5 hours"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=10), "10 minutes"),
        (timedelta(seconds=30), "30 seconds"),
        (timedelta(), "0 seconds"),
    ],
)
def test_a_span_is_said_in_its_largest_unit(span: timedelta, words: str) -> None:
    """As in a check's description and in the data dictionary."""
    assert in_words(span) == words
