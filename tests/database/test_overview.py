"""The overview's numbers against plain readings of the ledger, whoever holds the attempts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row

from engine.attempts.outcome import UNKNOWN_AGENT, Outcome
from engine.clock import FrozenClock, uuid7
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Traffic
from engine.rollups.roller import roll
from engine.rollups.selection import Filter
from engine.slo import overview
from engine.slo.objectives import LIMITS
from engine.slo.overview import Bucket, ErrorCount, Overview, Percentiles
from tests.dashboard.attempts import (
    CLOCK,
    END,
    FIRST,
    LAST,
    START,
    WINDOW,
    add,
    attempt,
    mixed_attempts,
)

BUCKET = timedelta(seconds=10)


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


def read(connection: psycopg.Connection[Any], **more: Any) -> Overview:
    given: dict[str, Any] = {"now": END, "length": WINDOW, "wanted": Filter()}
    return overview.read(connection, **given | more)


def roll_all(connection: psycopg.Connection[Any], now: datetime = END) -> None:
    """Takes what is there into the rollups."""
    assert roll(connection, FrozenClock(now), LIMITS) is not None


def test_an_empty_window_has_no_rate_and_no_percentile(
    connection: psycopg.Connection[Any],
) -> None:
    found = read(connection)

    assert found.attempts == 0
    assert found.success_rate is None
    assert found.service_success_rate is None
    assert found.percentiles is None
    assert not any((found.errors, found.errors_before_agent, found.newest, found.others))
    assert {bucket.attempts for bucket in found.buckets} == {0}
    assert {bucket.percentiles for bucket in found.buckets} == {None}


@pytest.mark.parametrize("rolled", ["nothing", "half", "everything"])
@pytest.mark.parametrize("operation", [None, Operation.UPDATE, Operation.EXPIRE])
def test_numbers_equal_a_plain_reading_of_the_ledger(
    connection: psycopg.Connection[Any], target: Target, operation: Operation | None, rolled: str
) -> None:
    attempts = mixed_attempts(1_500)
    add(connection, *attempts[:700])
    if rolled == "half":
        roll_all(connection)
    add(connection, *attempts[700:])
    if rolled == "everything":
        roll_all(connection)
    with psycopg.connect(target.owner, row_factory=dict_row) as plain:
        everything = plain.execute("SELECT * FROM ledger").fetchall()
    rows = [
        row
        for row in everything
        if FIRST <= row["started_at"] < LAST
        and (operation is None or row["operation"] == operation.name)
    ]
    live = [row for row in rows if row["source"] == "live"]
    ours_too = {"failed", "indeterminate"}
    counted = [
        row for row in live if row["agent_id"] != UNKNOWN_AGENT or row["outcome"] in ours_too
    ]
    durations = [row["duration_us"] for row in counted]

    found = read(connection, wanted=Filter(operation))

    assert found.window == (FIRST, LAST)
    assert found.attempts == len(counted) > 50
    assert found.others == len(rows) - len(live) > 0
    succeeded = sum(row["outcome"] in {"committed", "replayed"} for row in counted)
    assert found.success_rate == succeeded / len(counted)
    ours = sum(row["outcome"] in ours_too for row in counted)
    assert found.service_success_rate == (len(counted) - ours) / len(counted)
    assert_close(found.percentiles, durations)
    assert found.counts.over_p95 == sum(each >= 500_000 for each in durations)
    assert found.counts.over_p99 == sum(each >= 1_000_000 for each in durations)
    assert codes_of(found.errors) == Counter(
        row["error_code"] for row in counted if row["error_code"]
    )
    refused = [row for row in live if row not in counted]
    assert codes_of(found.errors_before_agent) == Counter(row["error_code"] for row in refused)
    newest = sorted(live, key=lambda row: (row["started_at"], row["id"]), reverse=True)[:20]
    assert [each.correlation_id for each in found.newest] == [
        row["correlation_id"] for row in newest
    ]
    for bucket in found.buckets:
        inside = [
            row["duration_us"]
            for row in counted
            if bucket.started_at <= row["started_at"] < bucket.started_at + BUCKET
        ]
        assert bucket.attempts == len(inside)
        assert_close(bucket.percentiles, inside)
    assert found.by_length[WINDOW].attempts == found.attempts
    assert found.by_length[timedelta(days=30)].attempts == len(
        [
            row
            for row in everything
            if row["source"] == "live"
            and (row["agent_id"] != UNKNOWN_AGENT or row["outcome"] in ours_too)
            and row["started_at"] < LAST
            and (operation is None or row["operation"] == operation.name)
        ]
    )
    tail = {"nothing": 1_500, "half": 800, "everything": 0}
    assert found.rolling.tail == tail[rolled]


@pytest.mark.parametrize("traffic", [Traffic.SYNTHETIC, Traffic.DRILL, Traffic.LOAD])
def test_other_traffic_is_looked_at_by_itself(
    connection: psycopg.Connection[Any], traffic: Traffic
) -> None:
    add(connection, attempt(source=traffic.value, correlation_id="REQ-THIS"), attempt())

    found = read(connection, wanted=Filter(traffic=traffic))

    assert (found.attempts, found.others) == (1, 1)
    assert [each.correlation_id for each in found.newest] == ["REQ-THIS"]


def test_the_window_is_widened_to_tens_of_seconds(connection: psycopg.Connection[Any]) -> None:
    tick = timedelta(microseconds=1)
    add(
        connection,
        attempt(FIRST - tick, correlation_id="before"),
        attempt(FIRST, correlation_id="first"),
        attempt(END, correlation_id="last"),
        attempt(LAST, correlation_id="after"),
    )

    found = read(connection)

    assert [each.correlation_id for each in found.newest] == ["last", "first"]
    assert found.attempts == 2


def test_buckets_stand_on_whole_tens_of_seconds_and_have_no_gaps(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, attempt(START), attempt(END - timedelta(seconds=1)))

    found = read(connection)

    assert [bucket.started_at for bucket in found.buckets] == [
        FIRST + number * BUCKET for number in range(31)
    ]
    assert [bucket.attempts for bucket in found.buckets] == [1] + [0] * 29 + [1]
    assert [bucket.is_complete for bucket in found.buckets] == [True] * 30 + [False]


def test_a_window_that_ends_with_a_bucket_holds_whole_buckets_only(
    connection: psycopg.Connection[Any],
) -> None:
    end = END.replace(second=0, microsecond=0)
    add(connection, attempt(end - WINDOW), attempt(end))

    found = read(connection, now=end)

    assert len(found.buckets) == 30
    first = found.buckets[0]
    assert first == Bucket(end - WINDOW, BUCKET, 1, first.percentiles, is_complete=True)
    assert found.buckets[-1].is_complete


def test_limits_are_reached_by_the_duration_that_equals_them(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, *(attempt(duration_us=each) for each in (499_999, 500_000, 1_000_000)))

    counts = read(connection).counts

    assert (counts.over_p95, counts.over_p99) == (2, 1)


def test_a_sent_quote_is_the_callers_own_doing(connection: psycopg.Connection[Any]) -> None:
    add(
        connection,
        attempt(),
        attempt(code=ErrorCode.QUOTE_ALREADY_SENT),
        attempt(code=ErrorCode.QUOTE_CONFLICT_VERSION),
        attempt(code=ErrorCode.INTERNAL_ERROR),
    )

    found = read(connection)

    assert found.success_rate == 0.25
    assert found.service_success_rate == 0.75
    assert {each.error_code: each.is_ours for each in found.errors} == {
        TAXONOMY[ErrorCode.QUOTE_ALREADY_SENT].number: False,
        TAXONOMY[ErrorCode.QUOTE_CONFLICT_VERSION].number: False,
        TAXONOMY[ErrorCode.INTERNAL_ERROR].number: True,
    }


def test_what_nobody_could_resolve_counts_against_us(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, attempt(code=ErrorCode.DATABASE_TIMEOUT, outcome=Outcome.INDETERMINATE.value))

    found = read(connection)

    assert found.counts.service_failures == found.counts.unsuccessful == 1
    assert found.errors[0].is_ours


def test_an_outage_counts_against_us_also_before_an_agent_is_known(
    connection: psycopg.Connection[Any],
) -> None:
    lately = END - timedelta(seconds=1)
    add(
        connection,
        attempt(lately),
        attempt(lately, ErrorCode.QUOTE_PERSISTENCE_FAILED, agent_id=UNKNOWN_AGENT),
        attempt(lately, ErrorCode.AUTHENTICATION_FAILED, agent_id=UNKNOWN_AGENT),
    )

    found = read(connection)

    assert (found.attempts, found.counts.service_failures) == (2, 1)
    assert found.service_success_rate == found.success_rate == 0.5
    assert codes_of(found.errors) == Counter(["QUOTE_PERSISTENCE_FAILED"])
    assert found.errors[0].is_ours
    assert codes_of(found.errors_before_agent) == Counter(["AUTHENTICATION_FAILED"])
    assert found.buckets[-1].attempts == 2


def test_a_killed_process_tells_no_duration(connection: psycopg.Connection[Any]) -> None:
    killed = attempt(code=ErrorCode.QUOTE_PERSISTENCE_FAILED, duration_us=0)
    add(connection, killed, attempt(duration_us=10_000))

    found = read(connection)

    assert (found.attempts, found.counts.timed) == (2, 1)
    assert_close(found.percentiles, [10_000])


def test_an_empty_ledger_is_told_from_a_quiet_window(
    connection: psycopg.Connection[Any],
) -> None:
    assert read(connection).is_ledger_empty

    add(connection, attempt(START - WINDOW))

    assert not read(connection).is_ledger_empty
    assert not read(connection, wanted=Filter(Operation.EXPIRE)).is_ledger_empty


def test_the_sessions_time_zone_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    add(connection, *mixed_attempts(200))
    roll_all(connection)
    in_utc = read(connection)

    connection.execute("SET timezone = 'Asia/Kathmandu'")

    assert read(connection) == in_utc


def test_the_newest_are_the_newest_also_within_one_instant(
    connection: psycopg.Connection[Any],
) -> None:
    rows = [
        attempt(id=uuid7(number, b"0123456789"), correlation_id=f"REQ-{number:02}")
        for number in range(25)
    ]
    add(connection, *rows)

    found = read(connection)

    assert [each.correlation_id for each in found.newest] == [
        f"REQ-{number:02}" for number in range(24, 4, -1)
    ]


def test_a_recent_attempt_says_what_its_row_says(connection: psycopg.Connection[Any]) -> None:
    row = attempt(
        START + timedelta(milliseconds=120),
        ErrorCode.DATABASE_TIMEOUT,
        quote_id=CLOCK.uuid7(),
        retries=2,
        correlation_id="<b>*no markup*</b>",
    )
    add(connection, row)

    (found,) = read(connection).newest

    assert msgspec.structs.asdict(found) == {
        "started_at": row.started_at,
        "correlation_id": "<b>*no markup*</b>",
        "operation": Operation.UPDATE,
        "outcome": Outcome.FAILED,
        "error_code": TAXONOMY[ErrorCode.DATABASE_TIMEOUT].number,
        "duration_us": 10_000,
        "retries": 2,
        "quote_id": row.quote_id,
        "is_agent_known": True,
    }


def test_a_code_of_a_newer_release_counts_against_us(connection: psycopg.Connection[Any]) -> None:
    row = attempt(code=ErrorCode.INTERNAL_ERROR)
    row.error_code = 99
    add(connection, row)

    assert read(connection).errors == (ErrorCount(99, is_ours=True, count=1),)


@pytest.mark.parametrize("days", [1, 90])
def test_the_newest_of_a_long_window_are_looked_for_in_its_last_hours_only(
    connection: psycopg.Connection[Any], target: Target, days: int
) -> None:
    fill(target, 20_000)
    roll_all(connection)
    asked = noting(connection)

    found = read(connection, length=timedelta(days=days))

    assert len(found.newest) == 20
    (statement,) = [each for each in asked if "ORDER BY started_at DESC" in each]
    since = re.search(r"started_at >= '([^']+)'", statement)
    assert since is not None
    assert END - datetime.fromisoformat(since[1]) < timedelta(minutes=1)


def test_rare_attempts_of_long_ago_are_found_without_reading_what_came_since(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    fill(target, 20_000)
    early = END - timedelta(hours=2)
    add(connection, *[attempt(early, source=4, correlation_id="REQ-RARE") for _ in range(3)])
    roll_all(connection)
    asked = noting(connection)

    found = read(connection, length=timedelta(days=30), wanted=Filter(traffic=Traffic.LOAD))

    assert [each.correlation_id for each in found.newest] == ["REQ-RARE"] * 3
    (statement,) = [each for each in asked if "ORDER BY started_at DESC" in each]
    instants = [datetime.fromisoformat(each) for each in re.findall(r"'(20[^']+)'", statement)]
    assert max(instants) - min(instants) <= timedelta(seconds=10)


def test_a_large_day_is_not_read_from_end_to_end(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    fill(target, 20_000)
    roll_all(connection)
    size = connection.execute("SELECT pg_relation_size(%s) / 8192", [partition(END)]).fetchone()
    assert size is not None
    asked = noting(connection)
    read(connection)

    for statement in [each for each in asked if re.search(r"FROM attempt\b", each)]:
        text = "\n".join(
            line
            for (line,) in connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement}".encode()
            )
        )
        # The first line with buffers is of the whole plan; the last would be of the planning.
        blocks = re.findall(r"shared hit=(\d+)", text)[:1]
        assert int(blocks[0] if blocks else 0) < size[0] / 4, text


def fill(target: Target, rows: int) -> None:
    """Attempts before the window's end, one every 0.4 seconds."""
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            """
            INSERT INTO attempt (
                agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
                retries, path, source, correlation_id
            )
            SELECT md5((n %% 2000)::text)::uuid, %s::timestamptz - n * interval '0.4 seconds',
                gen_random_uuid(), 1, 9, 9, 1, 1, 0, 1, 1, 'REQ-' || n
            FROM generate_series(%s, 1, -1) AS n
            """,
            [END, rows],
        )
        owner.execute("VACUUM ANALYZE attempt")


def noting(connection: psycopg.Connection[Any]) -> list[str]:
    """The statements that the connection is given from now on."""
    asked: list[str] = []
    original = connection.execute

    def execute(query: Any, *more: Any, **options: Any) -> Any:
        asked.append(text_of(query, connection))
        return original(query, *more, **options)

    connection.execute = execute  # type: ignore[method-assign]
    return asked


def text_of(query: Any, connection: psycopg.Connection[Any]) -> str:
    if isinstance(query, str | bytes):
        return query if isinstance(query, str) else query.decode()
    text: str = query.as_string(connection)
    return text


def partition(instant: datetime) -> str:
    return f"attempt_{instant.astimezone(UTC):%Y%m%d}"


def assert_close(found: Percentiles | None, durations: Sequence[int]) -> None:
    """Within 1 % of the smallest value that at least this share of the values does not exceed."""
    if not durations:
        assert found is None
        return
    assert found is not None
    in_order = sorted(durations)
    exact = [in_order[math.ceil(share * len(in_order)) - 1] for share in (0.5, 0.95, 0.99)]
    assert list(found) == pytest.approx(exact, rel=0.0101, abs=1)


def codes_of(errors: Sequence[ErrorCount]) -> Counter[str]:
    names = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
    counts: Counter[str] = Counter()
    for error in errors:
        counts[names[error.error_code]] += error.count
    return counts
