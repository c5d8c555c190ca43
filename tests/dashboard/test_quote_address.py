"""The address of a quote's page: it says again what it said, and nothing else is believed."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import quote_address
from dashboard.quote_address import Asked, Span

AGENT, QUOTE = UUID(int=7), UUID(int=8)
_NAMES = (
    *("agent", "quote", "older", "newer", "unchanged", "versions_before", "between"),
    "attempts_before",
)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(QUOTE),
        Asked(QUOTE, AGENT),
        Asked(QUOTE, AGENT, between=Span(None, 1)),
        Asked(QUOTE, AGENT, between=Span(7, None)),
        Asked(
            QUOTE,
            AGENT,
            older=1,
            newer=2**31 - 1,
            is_all_shown=True,
            versions_before=9,
            between=Span(4, 6),
            attempts_before=(datetime(2026, 11, 25, 21, 4, 10, 123456, tzinfo=UTC), AGENT),
        ),
    ],
)
def test_what_an_address_says_is_read_again(asked: Asked) -> None:
    address = urlsplit(quote_address.href(asked))

    assert address.path == "quote"
    assert quote_address.read(dict(parse_qsl(address.query))) == asked


def test_no_parameter_has_a_filters_name() -> None:
    filters = {"operation", "traffic", "path", "window", "refresh", "code", "percentile"}

    assert filters.isdisjoint(_NAMES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agent", "x"),
        ("quote", ""),
        ("quote", str(QUOTE)[:-1]),
        ("older", "0"),
        ("older", "-1"),
        ("newer", "1.5"),
        ("newer", "\uff12"),
        ("newer", "9" * 400),
        ("unchanged", "yes"),
        ("versions_before", "2147483648"),
        ("between", ".."),
        ("between", "5"),
        ("between", "0..5"),
        ("between", "4..5..6"),
        ("attempts_before", "2026-11-25_x"),
        ("attempts_before", f"1_{AGENT}x"),
        ("attempts_before", f"99999999999999999_{AGENT}"),
    ],
)
def test_what_cannot_be_read_is_named_and_left_out(name: str, value: str) -> None:
    said = {"agent": str(AGENT), "quote": str(QUOTE)} | {name: value}

    asked = quote_address.read(said)

    assert asked.unread == (name,)
    assert name not in asked.parameters()


@given(st.dictionaries(st.sampled_from(_NAMES), st.text(max_size=60)))
def test_anything_may_stand_in_an_address(said: dict[str, str]) -> None:
    asked = quote_address.read(said)

    assert set(asked.unread) <= set(said)
    assert quote_address.read(asked.parameters()) == Asked(
        **{name: getattr(asked, name) for name in Asked.__dataclass_fields__ if name != "unread"}
    )
