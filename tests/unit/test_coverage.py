"""Two counts are compared: what is missing shows, what only looks like it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.attempts.edge_counts import Counted
from engine.rollups.grid import Tier, Window
from engine.slo.coverage import Coverage, CoverageState, compared, coverage

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
FIRST, SECOND = datetime(2026, 3, 1, 12, 1, tzinfo=UTC), datetime(2026, 3, 1, 12, 2, tzinfo=UTC)


def test_where_nothing_arrived_nothing_is_known() -> None:
    for nothing in (
        coverage({}, {}),
        coverage({FIRST: Counted(2, 2)}, {}),
        coverage({}, {FIRST: 0}),
    ):
        assert nothing == Coverage(0, 0, 0)
        assert nothing.state is CoverageState.UNKNOWN
        assert nothing.share is None


def test_rows_alone_prove_nothing() -> None:
    found = coverage({}, {FIRST: 4})

    assert (found.state, found.uncounted) == (CoverageState.UNKNOWN, 4)


def test_every_request_with_its_row_is_complete() -> None:
    found = coverage({FIRST: Counted(5, 1), SECOND: Counted(3, 0)}, {FIRST: 4, SECOND: 3})

    assert found == Coverage(7, 0, 0)
    assert (found.state, found.share) == (CoverageState.COMPLETE, 1.0)


def test_what_is_missing_is_counted() -> None:
    found = coverage({FIRST: Counted(5, 1), SECOND: Counted(6, 0)}, {FIRST: 3})

    assert (found.missing, found.state, found.share) == (7, CoverageState.MISSING, 0.3)


def test_a_killed_process_makes_no_gap_and_hides_none_of_another_minute() -> None:
    lost_its_count = {FIRST: Counted(3, 0), SECOND: Counted(9, 0)}

    assert coverage(lost_its_count, {FIRST: 7, SECOND: 9}) == Coverage(12, 0, 4)
    assert coverage(lost_its_count, {FIRST: 7, SECOND: 8}) == Coverage(12, 1, 4)


def test_one_who_left_whose_arrival_was_lost_is_nobody() -> None:
    assert coverage({FIRST: Counted(0, 1)}, {FIRST: 1}) == Coverage(0, 0, 1)


def test_only_what_is_over_is_compared() -> None:
    minutes = Window(
        datetime(2026, 3, 1, 12, 29, tzinfo=UTC), datetime(2026, 3, 1, 12, 33, tzinfo=UTC)
    )
    assert compared(NOW, timedelta(minutes=5)) == (minutes, Tier.MINUTE)
    assert compared(NOW, timedelta(days=14))[1] is Tier.MINUTE
    month, tier = compared(NOW, timedelta(days=30))
    assert (month.end, tier) == (datetime(2026, 3, 1, 12, tzinfo=UTC), Tier.HOUR)
    assert month.start == datetime(2026, 1, 30, 12, tzinfo=UTC)
    nothing = compared(NOW, timedelta(seconds=10))[0]
    assert nothing.start >= nothing.end
