"""Windows and covers: whatever now is, every instant is covered once, by rows that are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from engine.rollups.grid import (
    Piece,
    Tier,
    Window,
    ceiling,
    charted_tier,
    cover,
    floor,
    oldest,
    starts,
    window_before,
    window_until,
)

NOW: Final = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  # the zone is the third argument's
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
LENGTH: Final = st.one_of(
    st.sampled_from(
        [timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=30)]
    ),
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=800)),
)


def check_covered(window: Window, now: datetime) -> tuple[Piece, ...]:
    """The pieces follow one on another, whole rows each, and none of them is forgotten already."""
    pieces = cover(window)
    assert pieces[0].start == window.start
    assert pieces[-1].end == window.end
    for piece, following in pairwise(pieces):
        assert piece.end == following.start
    for piece in pieces:
        assert piece.start < piece.end
        assert floor(piece.start, piece.tier) == piece.start
        assert floor(piece.end, piece.tier) == piece.end
        limit = oldest(piece.tier, now)
        assert limit is None or piece.start >= limit
    return pieces


@given(NOW, LENGTH)
def test_the_window_until_now_is_covered_by_rows_that_are_kept(
    now: datetime, length: timedelta
) -> None:
    window = window_until(now, length)

    pieces = check_covered(window, now)

    assert window.start <= now - length
    assert now <= window.end < now + Tier.TEN_SECONDS.length
    assert len(pieces) <= 7
    assert sum((p.end - p.start) // p.tier.length for p in pieces) <= 2 * (5 + 59 + 23) + 802


@given(NOW, LENGTH)
def test_the_window_before_ends_where_the_other_begins(now: datetime, length: timedelta) -> None:
    window = window_until(now, length)

    before = window_before(window, now)

    check_covered(before, now)
    assert before.end == window.start
    assert before.length >= window.length


@given(NOW, LENGTH)
def test_a_charted_window_has_a_readable_number_of_rows_all_of_which_are_kept(
    now: datetime, length: timedelta
) -> None:
    window = window_until(now, length)
    tier = charted_tier(window, now)

    places = starts(window, tier)

    assert len(places) <= 802
    assert places[0] <= window.start < places[0] + tier.length
    assert places[-1] < window.end <= places[-1] + tier.length
    limit = oldest(tier, now)
    assert limit is None or places[0] >= limit


@given(NOW, st.sampled_from(Tier))
def test_floor_and_ceiling_are_the_rows_around_an_instant(now: datetime, tier: Tier) -> None:
    below, above = floor(now, tier), ceiling(now, tier)

    assert below <= now <= above
    assert above - below in {timedelta(0), tier.length}
