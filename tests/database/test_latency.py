"""How long attempts take, by the rollups: equal to what a plain reading of the ledger gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import psycopg
import pytest

from engine.attempts.ledger import AttemptRow
from engine.attempts.outcome import UNKNOWN_AGENT, Path
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.rollups import latency, slowest
from engine.rollups.bands import BANDS
from engine.rollups.counts import Traffic
from engine.rollups.grid import Tier, Window, window_until
from engine.rollups.histogram import INDEX_SQL, bucket_of
from engine.rollups.roller import roll
from engine.rollups.selection import Filter
from engine.rollups.series import looking
from engine.slo.objectives import LIMITS
from tests.dashboard.attempts import END, add, attempt, mixed_attempts

_NUMBER: Final = 15
_LIVE: Final = Filter()
_FILTERS: Final = (
    _LIVE,
    Filter(operation=Operation.UPDATE),
    Filter(traffic=Traffic.LOAD),
    Filter(operation=Operation.SEND, path=Path.HARDENED),
    Filter(traffic=None, path=Path.LEGACY),
)


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


def roll_up(connection: psycopg.Connection[Any]) -> None:
    assert roll(connection, FrozenClock(END), LIMITS) is not None


def search(
    connection: psycopg.Connection[Any], wanted: Filter, length: timedelta
) -> slowest.Search:
    with looking(connection) as look:
        return slowest.search(connection, look, window_until(END, length), wanted, _NUMBER)


def longest(connection: psycopg.Connection[Any], wanted: Filter, length: timedelta) -> list[int]:
    found = slowest.fetch(connection, search(connection, wanted, length))
    return [each.duration_us for each in found]


def expected(rows: list[AttemptRow], window: Window, wanted: Filter) -> list[AttemptRow]:
    """Slowest first, from the rows themselves."""
    traffic = {1: Traffic.LIVE, 2: Traffic.SYNTHETIC, 3: Traffic.DRILL, 4: Traffic.LOAD}
    found = [
        row
        for row in rows
        if window.start <= row.started_at < window.end
        and wanted.operation in {None, row.operation}
        and wanted.path in {None, row.path}
        and (
            wanted.traffic is None
            or (
                wanted.traffic is traffic[row.source]
                # Refused before an agent was known: traffic of its own.
                and not (row.source == 1 and row.agent_id == UNKNOWN_AGENT and row.outcome == 3)
            )
        )
        and row.duration_us
    ]
    return sorted(found, key=lambda row: -row.duration_us)


def long_ago(count: int) -> list[AttemptRow]:
    """Attempts of three weeks, of which the rollups keep hours only for the oldest."""
    return [
        attempt(
            END - timedelta(minutes=1 + number * number * 30_000 // (count * count)),
            duration_us=1_000 + number * 7_919 % 900_001,
            operation=1 + number % 7,
            path=1 + number % 2,
            retries=number % 3,
            database_us=500,
        )
        for number in range(count)
    ]


def test_an_empty_window_has_no_duration(connection: psycopg.Connection[Any]) -> None:
    with looking(connection) as look:
        found = latency.read(look, END, timedelta(minutes=5), _LIVE)

    assert found.present.counts.attempts == found.before.counts.attempts == 0
    assert found.present.by_operation == {}
    assert found.courses == {}
    assert {bucket.counts.attempts for bucket in found.course} == {0}
    assert longest(connection, _LIVE, timedelta(minutes=5)) == []


@pytest.mark.parametrize("is_rolled", [False, True])
@pytest.mark.parametrize("wanted", _FILTERS)
def test_durations_equal_a_plain_reading_of_the_ledger(
    connection: psycopg.Connection[Any],
    wanted: Filter,
    is_rolled: bool,  # noqa: FBT001
) -> None:
    rows = mixed_attempts(1_000)
    add(connection, *rows)
    if is_rolled:
        roll_up(connection)

    with looking(connection) as look:
        found = latency.read(look, END, timedelta(minutes=5), wanted)

    for spell in (found.present, found.before):
        durations = [row.duration_us for row in expected(rows, spell.window, wanted)]
        assert spell.counts.histogram == Counter(map(bucket_of, durations))
        for operation, counts in spell.by_operation.items():
            one = wanted._replace(operation=operation)
            assert counts.timed == len(expected(rows, spell.window, one))
    for operation, course in found.courses.items():
        one = wanted._replace(operation=operation)
        whole = Window(course[0].start, found.present.window.end)
        assert sum(each.counts.timed for each in course) == len(expected(rows, whole, one))


@pytest.mark.parametrize("rolled", ["nothing", "half", "everything"])
@pytest.mark.parametrize("wanted", _FILTERS)
def test_the_slowest_attempts_are_those_of_a_plain_reading(
    connection: psycopg.Connection[Any], wanted: Filter, rolled: str
) -> None:
    rows = [*mixed_attempts(600), *long_ago(700)]
    half = rows[::2] if rolled == "half" else rows
    add(connection, *half)
    if rolled != "nothing":
        roll_up(connection)
    if rolled == "half":
        add(connection, *rows[1::2])

    for length in (timedelta(minutes=5), timedelta(hours=6), timedelta(days=7), timedelta(days=30)):
        slow = expected(rows, window_until(END, length), wanted)[:_NUMBER]
        assert longest(connection, wanted, length) == [row.duration_us for row in slow]


def test_only_a_few_narrow_spans_of_the_ledger_are_read(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, *long_ago(700))
    roll_up(connection)

    found = search(connection, _LIVE, timedelta(days=30))

    assert len(found.spans) == _NUMBER
    assert {span.tier for span in found.spans} <= {Tier.TEN_SECONDS, Tier.MINUTE, Tier.HOUR}
    assert found.at_least_us == min(span.longest_us for span in found.spans) > 1
    recent = search(connection, _LIVE, timedelta(days=7))
    assert {span.tier for span in recent.spans} <= {Tier.TEN_SECONDS, Tier.MINUTE}


def test_a_search_changes_when_an_attempt_comes_late(connection: psycopg.Connection[Any]) -> None:
    """Whoever remembers what a search found must not be shown what it was before."""
    slow = attempt(END - timedelta(minutes=2), duration_us=900_000)
    add(connection, slow, attempt(END - timedelta(minutes=3)))
    before = search(connection, _LIVE, timedelta(hours=1))

    add(connection, attempt(slow.started_at, duration_us=5))

    assert search(connection, _LIVE, timedelta(hours=1)) != before


def test_an_attempt_tells_where_its_time_went(connection: psycopg.Connection[Any]) -> None:
    quote = attempt().id
    add(
        connection,
        attempt(
            END - timedelta(minutes=1),
            duration_us=30_000,
            database_us=21_000,
            retries=2,
            quote_id=quote,
            correlation_id="REQ-SLOW",
        ),
        attempt(END - timedelta(minutes=1), duration_us=0),
    )

    (found,) = slowest.fetch(connection, search(connection, _LIVE, timedelta(minutes=5)))

    assert found.correlation_id == "REQ-SLOW"
    assert (found.duration_us, found.database_us, found.retries) == (30_000, 21_000, 2)
    assert found.operation is Operation.UPDATE
    assert found.quote_id == quote


def test_what_retention_has_dropped_is_told_and_not_searched(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    gone = attempt(END - timedelta(days=4), duration_us=700_000)
    add(connection, gone, attempt(END - timedelta(days=1), duration_us=20_000))
    roll_up(connection)
    day = (END - timedelta(days=3)).date()
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO dropped_partition (name, day, rows, detached_at) VALUES ('x', %s, 1, %s)",
            [day, END],
        )

    found = search(connection, _LIVE, timedelta(days=7))

    assert found.dropped is not None
    assert found.dropped.until.date() == day + timedelta(days=1)
    assert found.dropped.longest_us == 700_000
    assert longest(connection, _LIVE, timedelta(days=7)) == [20_000]
    assert search(connection, _LIVE, timedelta(days=1)).dropped is None


def test_the_databases_buckets_are_cut_where_the_bands_are(
    connection: psycopg.Connection[Any],
) -> None:
    """A cell's number comes from the database's buckets, its rows from the bands' edges."""
    row = f"SELECT {INDEX_SQL.format(us='%s')}"
    of: Callable[[int], int] = lambda us: connection.execute(row, [us]).fetchall()[0][0]  # noqa: E731

    for band in BANDS[1:]:
        assert of(band.at_least_us - 1) < of(band.at_least_us) == bucket_of(band.at_least_us)
        assert of(band.at_least_us - 1) == bucket_of(band.at_least_us - 1)


def test_a_finer_row_that_is_gone_hides_no_attempt(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    """Rows of a tier are dropped some time after they are due."""
    hour = (END - timedelta(days=10)).replace(minute=0, second=0, microsecond=0)
    add(connection, attempt(hour, duration_us=800_000))
    add(connection, *(attempt(hour + timedelta(minutes=minute)) for minute in range(1, 30)))
    roll_up(connection)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            "DELETE FROM attempt_rollup WHERE tier = %s AND bucket = %s", [Tier.MINUTE, hour]
        )

    assert longest(connection, _LIVE, timedelta(days=30))[0] == 800_000
