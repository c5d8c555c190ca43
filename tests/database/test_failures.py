"""What went wrong, by code and shape: equal to a plain reading of the ledger, and cheap."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

from engine.attempts.outcome import UNKNOWN_AGENT, Path, Source
from engine.attempts.partitions import ensure_partitions, partition_name
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import failures, newest
from engine.rollups.counts import Traffic
from engine.rollups.failures import Failures, Moment
from engine.rollups.grid import Tier, Window, floor, window_until
from engine.rollups.newest import Visit
from engine.rollups.roller import roll
from engine.rollups.selection import Filter
from engine.rollups.series import looking
from engine.slo.objectives import LIMITS
from tests.dashboard.attempts import END, WINDOW, add, attempt, mixed_attempts

_DAY: Final = timedelta(days=1)
_TIMEOUT: Final = TAXONOMY[ErrorCode.DATABASE_TIMEOUT].number
_CODES: Final = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
_DAYS: Final = 5


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.owner, autocommit=True) as owner:
        ensure_partitions(owner, END - (_DAYS - 1) * _DAY)
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


def read(
    connection: psycopg.Connection[Any],
    length: timedelta = WINDOW,
    wanted: Filter = Filter(),  # noqa: B008  # a value
    code: ErrorCode | None = None,
) -> Failures:
    with looking(connection) as look:
        return failures.read(
            connection,
            look,
            now=END,
            window=window_until(END, length),
            wanted=wanted,
            code=code,
        )


def rolled(connection: psycopg.Connection[Any]) -> None:
    assert roll(connection, FrozenClock(END), LIMITS) is not None


def ledger(target: Target, window: Window, wanted: Filter) -> list[dict[str, Any]]:
    """The rows of a window, told apart by the words of the ledger alone."""
    with psycopg.connect(target.owner, row_factory=dict_row) as plain:
        rows = plain.execute("SELECT * FROM ledger ORDER BY started_at, id").fetchall()
    return [
        row
        for row in rows
        if window.start <= row["started_at"] < window.end
        and (wanted.operation is None or row["operation"] == wanted.operation.name)
        and (wanted.path is None or row["path"] == wanted.path.name.lower())
        and (wanted.traffic is None or traffic_of(row) is wanted.traffic)
    ]


def traffic_of(row: dict[str, Any]) -> Traffic:
    if row["source"] != "live":
        return Traffic[row["source"].upper()]
    is_refused = row["agent_id"] == UNKNOWN_AGENT and row["outcome"] == "rejected"
    return Traffic.UNKNOWN_CALLER if is_refused else Traffic.LIVE


def test_an_empty_ledger_has_no_failures(connection: psycopg.Connection[Any]) -> None:
    found = read(connection)

    assert found.counts.attempts == found.counts_before.attempts == 0
    assert not any((found.codes, found.shapes, found.newest))
    assert {counts.attempts for counts in found.by_path.values()} == {0}
    assert {bucket.counts.attempts for bucket in found.series} == {0}


@pytest.mark.parametrize("is_rolled", [False, True])
@pytest.mark.parametrize(
    ("length", "wanted", "count"),
    [
        (timedelta(minutes=5), Filter(), 60),
        (timedelta(minutes=5), Filter(), 1_500),
        (timedelta(hours=1), Filter(operation=Operation.UPDATE), 1_500),
        (timedelta(hours=1), Filter(traffic=Traffic.DRILL), 3_000),
        (timedelta(days=7), Filter(path=Path.LEGACY), 1_500),
        (timedelta(days=90), Filter(), 1_500),
    ],
)
def test_numbers_equal_a_plain_reading_of_the_ledger(
    connection: psycopg.Connection[Any],
    target: Target,
    length: timedelta,
    wanted: Filter,
    count: int,
    *,
    is_rolled: bool,
) -> None:
    rows = mixed_attempts(count)
    for number, row in enumerate(rows):
        row.path = 1 + number % 2
        row.changed_fields = ("adults", "notes,title", None)[number % 3]
        row.http_status = 500 if row.error_code else 200
        if number % 5 == 0 and row.started_at < END - timedelta(minutes=2):
            row.started_at -= (number // 5 % _DAYS) * _DAY
    rows = [row for row in rows if row.started_at < END]
    add(connection, *rows)
    if is_rolled:
        rolled(connection)
        more = [attempt(END - timedelta(seconds=1), ErrorCode.DATABASE_TIMEOUT) for _ in range(3)]
        add(connection, *more)
    window = window_until(END, length)
    everything = ledger(target, window, wanted)
    failed = [row for row in everything if row["error_code"]]

    found = read(connection, length, wanted)

    assert found.counts.attempts == len(everything)
    assert {_CODES[each.number]: each.count for each in found.codes} == Counter(
        row["error_code"] for row in failed
    )
    # What came late, for a day before the window, is known from the next run of the roller on.
    since = floor(window.start, Tier.DAY) if not is_rolled else datetime(2000, 1, 1, tzinfo=UTC)
    ever = ledger(target, Window(since, window.end), wanted)
    for code in found.codes:
        inside = [row for row in failed if row["error_code"] == _CODES[code.number]]
        assert code.first_seen == Moment(
            min(row["started_at"] for row in ever if row["error_code"] == _CODES[code.number])
        )
        assert code.last_seen == Moment(max(row["started_at"] for row in inside))
        assert code.sample is not None
        assert code.sample.attempts == len(inside)
        known = {row["agent_id"] for row in inside} - {UNKNOWN_AGENT}
        assert code.sample.agents == len(known)
        quotes = {row["quote_id"] for row in inside} - {None}
        assert code.sample.quotes == len(quotes)
        ids = [row["correlation_id"] for row in newest_first(inside)]
        assert list(code.sample.correlation_ids) == ids[:3]
    assert shapes_of(found) == shapes_in(failed)
    assert [each.correlation_id for each in found.newest] == [
        row["correlation_id"] for row in newest_first(failed)
    ][: failures.LISTED]
    assert sum(bucket.counts.attempts for bucket in found.series) >= len(everything)
    for path, counts in found.by_path.items():
        on_path = ledger(target, window, wanted._replace(path=path))
        assert counts.attempts == len(on_path)
    if wanted.traffic is Traffic.LIVE:
        refused = ledger(target, window, wanted._replace(traffic=Traffic.UNKNOWN_CALLER))
        assert found.unknown_caller is not None
        assert found.unknown_caller.attempts == len(refused)
    else:
        assert found.unknown_caller is None


def newest_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["started_at"], row["id"]), reverse=True)


def shapes_of(found: Failures) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {
        (
            _CODES[each.number],
            each.operation.name,
            each.path.name.lower(),
            each.changed_fields,
            each.http_status,
        ): (each.count, each.first_at, each.last_at, each.agents, each.quotes)
        for each in found.shapes
    }


def shapes_in(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    grouped: defaultdict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        changed = row["changed_fields"]
        key = (
            row["error_code"],
            row["operation"],
            row["path"],
            None if changed is None else ",".join(changed),
            row["http_status"],
        )
        grouped[key].append(row)
    by_last = sorted(
        grouped.items(), key=lambda each: max(row["started_at"] for row in each[1]), reverse=True
    )
    most = sorted(by_last, key=lambda each: -len(each[1]))[: failures.SHAPES]
    return {
        key: (
            len(alike),
            min(row["started_at"] for row in alike),
            max(row["started_at"] for row in alike),
            len({row["agent_id"] for row in alike} - {UNKNOWN_AGENT}),
            len({row["quote_id"] for row in alike} - {None}),
        )
        for key, alike in most
    }


def test_one_code_narrows_shapes_and_newest_and_leaves_the_rest(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, *mixed_attempts(600))

    found = read(connection, code=ErrorCode.DATABASE_TIMEOUT)

    assert {each.number for each in found.shapes} == {_TIMEOUT}
    assert {each.number for each in found.newest} == {_TIMEOUT}
    assert len(found.codes) > 3


def test_the_window_before_is_counted_apart(connection: psycopg.Connection[Any]) -> None:
    before = END - WINDOW - timedelta(minutes=1)
    add(
        connection,
        *(attempt(before, ErrorCode.DATABASE_TIMEOUT) for _ in range(3)),
        attempt(END - timedelta(minutes=1), ErrorCode.DATABASE_TIMEOUT),
    )

    found = read(connection)

    assert [(each.count, each.before) for each in found.codes] == [(1, 3)]
    assert found.codes[0].first_seen == Moment(before)


def test_the_sample_is_bounded_and_says_so(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "SAMPLED", 10)
    rows = [
        attempt(
            END - timedelta(minutes=1 + number % 7) - (number % 3) * _DAY,
            ErrorCode.DATABASE_TIMEOUT,
            correlation_id=f"REQ-{number}",
        )
        for number in range(60)
    ]
    add(connection, *rows)
    rolled(connection)

    found = read(connection, timedelta(days=7))

    latest = sorted(rows, key=lambda row: (row.started_at, row.id), reverse=True)
    (code,) = found.codes
    assert code.count == 60
    assert code.sample is not None
    assert code.sample.attempts == 10
    assert code.sample.last_at == latest[0].started_at
    assert sum(shape.count for shape in found.shapes) == 10


def test_a_day_that_retention_has_dropped_is_known_as_a_day(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    long_ago = END - 3 * _DAY
    gone = ErrorCode.INTERNAL_ERROR
    add(
        connection,
        attempt(long_ago, ErrorCode.DATABASE_TIMEOUT),
        attempt(long_ago, gone),
        attempt(END - timedelta(minutes=1), ErrorCode.DATABASE_TIMEOUT),
    )
    rolled(connection)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(f"DROP TABLE {partition_name(long_ago.date())}")

    timeout, internal = read(connection, timedelta(days=7)).codes

    day = datetime.combine(long_ago.date(), datetime.min.time(), UTC)
    assert timeout.count == 2
    assert timeout.first_seen == Moment(day, is_day=True)
    assert timeout.last_seen == Moment(END - timedelta(minutes=1))
    assert timeout.sample is not None
    assert timeout.sample.attempts == 1
    assert internal.first_seen == internal.last_seen == Moment(day, is_day=True)
    assert internal.sample is None


@pytest.mark.parametrize("traffic", [Traffic.LIVE, Traffic.DRILL])
def test_no_day_is_read_from_end_to_end(
    connection: psycopg.Connection[Any], target: Target, traffic: Traffic
) -> None:
    """The newest day has enough of the frequent code; the rare one lies on one other day."""
    fill(target)
    midnight = END.replace(hour=0, minute=0, second=0, microsecond=0)
    rare = TAXONOMY[ErrorCode.INTERNAL_ERROR].number
    add(connection, attempt(END - 3 * _DAY, ErrorCode.INTERNAL_ERROR, source=Source.DRILL.value))
    found = {midnight - number * _DAY: {_TIMEOUT: 180} for number in range(_DAYS)}
    found[midnight - 3 * _DAY][rare] = 1
    visits = newest.plan(found, {_TIMEOUT: 50, rare: 1})
    window = window_until(END, timedelta(days=30))

    plan = explained(
        connection, failures.sample_query(visits, window, Filter(traffic=traffic), None)
    )
    first = explained(
        connection,
        newest.oldest_rows(
            newest.first_days({_TIMEOUT: midnight - 4 * _DAY, rare: midnight - 3 * _DAY}),
            Filter(traffic=traffic),
        ),
    )

    days = [partition_name((midnight - number * _DAY).date()) for number in range(_DAYS)]
    assert "Seq Scan on attempt" not in plan + first
    assert "error_code" in plan
    assert [day for day in days if f" {day} " in plan] == [days[0], days[3]]
    assert [day for day in days if f" {day} " in first] == [days[3], days[4]]
    assert "attempt_default" not in plan + first


def fill(target: Target) -> None:
    """Some days of traffic of which 1.5 % time out."""
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            """
            INSERT INTO attempt (
                agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
                error_code, retries, path, source, correlation_id
            )
            SELECT
                gen_random_uuid(), %s - number * INTERVAL '7 seconds', gen_random_uuid(), 1,
                1000, 500, 2,
                CASE WHEN number %% 67 = 0 THEN 5 ELSE 1 END,
                CASE WHEN number %% 67 = 0 THEN %s END,
                0, 1, 1, 'REQ-' || number
            FROM generate_series(1, %s) AS number
            """,
            [END, _TIMEOUT, (_DAYS - 1) * 86_400 // 7],
        )
        owner.execute("ANALYZE attempt")


def explained(connection: psycopg.Connection[Any], query: Any) -> str:
    rows = connection.execute(psycopg.sql.SQL("EXPLAIN {}").format(query)).fetchall()
    return "\n".join(row for (row,) in rows)


def test_days_are_visited_until_there_is_enough() -> None:
    first, second, third = (END - number * _DAY for number in range(3))
    found = {third: {1: 50, 2: 1}, first: {1: 4}, second: {1: 6, 3: 9}}

    assert newest.plan(found, {1: 8, 2: 1}) == [
        Visit(first, {1: 8}),
        Visit(second, {1: 4}),
        Visit(third, {2: 1}),
    ]
    assert newest.plan(found, {}) == []
    assert newest.plan({}, {1: 8}) == []
