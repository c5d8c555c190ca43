"""What the tables of a quote's page make of values."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dashboard import quote_tables
from engine.quotes.difference import difference
from tests.unit.examples import stored_quote


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(milliseconds=150), "150 ms later"),
        (timedelta(seconds=-1), "1 second earlier"),
        (timedelta(minutes=90), "1.5 hours later"),
        (timedelta(days=1), "1 day later"),
        (timedelta(days=-40), "40 days earlier"),
    ],
)
def test_an_instant_that_moved_says_by_how_much_in_a_unit_that_is_read_at_a_glance(
    span: timedelta, told: str
) -> None:
    quote = stored_quote()
    moved = msgspec.structs.replace(quote, created_at=quote.created_at + span)

    shown = quote_tables.fields(quote, moved, difference(quote, moved), is_all_shown=False)

    assert list(shown["Difference"]) == [told]
