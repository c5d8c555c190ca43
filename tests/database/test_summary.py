"""The last minutes in numbers: equal to what a plain reading of the ledger gives, and cheap."""

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

from engine.attempts import summary
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Source
from engine.attempts.summary import BUCKET, Bucket, Limits, Percentiles, Slower, Summary
from engine.clock import uuid7
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from tests.dashboard.attempts import CLOCK, END, START, WINDOW, add, attempt, mixed_attempts


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


def read(connection: psycopg.Connection[Any], **more: Any) -> Summary:
    given: dict[str, Any] = {"end": END, "window": WINDOW, "limits": Limits()}
    return summary.read(connection, **given | more)


def test_an_empty_window_has_no_rate_and_no_percentile(
    connection: psycopg.Connection[Any],
) -> None:
    found = read(connection)

    assert found.attempts == 0
    assert found.success_rate is None
    assert found.service_success_rate is None
    assert found.percentiles is None
    assert found.slower == Slower(0, 0)
    assert not any((found.errors, found.errors_before_agent, found.newest, found.tallies))
    assert {bucket.attempts for bucket in found.buckets} == {0}
    assert {bucket.percentiles for bucket in found.buckets} == {None}


@pytest.mark.parametrize("operation", [None, *Operation])
def test_numbers_equal_a_plain_reading_of_the_ledger(
    connection: psycopg.Connection[Any], target: Target, operation: Operation | None
) -> None:
    add(connection, *mixed_attempts(1_500))
    with psycopg.connect(target.owner, row_factory=dict_row) as plain:
        everything = plain.execute("SELECT * FROM ledger").fetchall()
    rows = [
        row
        for row in everything
        if START <= row["started_at"] < END
        and (operation is None or row["operation"] == operation.name)
    ]
    live = [row for row in rows if row["source"] == "live"]
    ours_too = {"failed", "indeterminate"}
    counted = [
        row for row in live if row["agent_id"] != UNKNOWN_AGENT or row["outcome"] in ours_too
    ]
    durations = [row["duration_us"] for row in counted]

    found = read(connection, operation=operation)

    assert found.attempts == len(counted) > 50
    assert found.other_sources == len(rows) - len(live) > 0
    succeeded = sum(row["outcome"] in {"committed", "replayed"} for row in counted)
    assert found.success_rate == succeeded / len(counted)
    ours = sum(row["outcome"] in ours_too for row in counted)
    assert found.service_success_rate == (len(counted) - ours) / len(counted)
    assert found.percentiles == percentiles_of(durations)
    assert found.slower == Slower(
        sum(each >= 500_000 for each in durations), sum(each >= 1_000_000 for each in durations)
    )
    assert codes_of(found.errors) == Counter(
        row["error_code"] for row in counted if row["error_code"]
    )
    refused = [row for row in live if row not in counted]
    assert codes_of(found.errors_before_agent) == Counter(row["error_code"] for row in refused)
    assert sum(tally.count for tally in found.tallies) == len(live)
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
        assert bucket.percentiles == (percentiles_of(inside) if inside else None)


def test_the_window_takes_its_first_instant_and_leaves_the_one_after_it(
    connection: psycopg.Connection[Any],
) -> None:
    tick = timedelta(microseconds=1)
    add(
        connection,
        attempt(START - tick, correlation_id="before"),
        attempt(START, correlation_id="first"),
        attempt(END - tick, correlation_id="last"),
        attempt(END, correlation_id="after"),
    )

    found = read(connection)

    assert [each.correlation_id for each in found.newest] == ["last", "first"]
    assert found.attempts == 2


def test_buckets_stand_on_whole_tens_of_seconds_and_have_no_gaps(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, attempt(START), attempt(END - timedelta(seconds=1)))

    found = read(connection)

    first = START.replace(second=10, microsecond=0)
    assert [bucket.started_at for bucket in found.buckets] == [
        first + number * BUCKET for number in range(30)
    ]
    # The window cuts off the first one's beginning, so it is left out; its attempt is counted.
    assert [bucket.attempts for bucket in found.buckets] == [0] * 29 + [1]
    assert found.attempts == 2
    assert [bucket.is_complete for bucket in found.buckets] == [True] * 29 + [False]


def test_a_window_that_ends_with_a_bucket_holds_whole_buckets_only(
    connection: psycopg.Connection[Any],
) -> None:
    end = END.replace(second=0, microsecond=0)
    add(connection, attempt(end - WINDOW), attempt(end))

    found = read(connection, end=end)

    assert len(found.buckets) == 30
    assert found.buckets[0] == Bucket(
        end - WINDOW, 1, Percentiles(10_000, 10_000, 10_000), is_complete=True
    )
    assert found.buckets[-1].is_complete


def test_percentiles_are_nearest_rank(connection: psycopg.Connection[Any]) -> None:
    add(connection, *(attempt(duration_us=each * 1_000) for each in range(1, 11)))

    found = read(connection)

    assert found.percentiles == Percentiles(5_000, 10_000, 10_000)


def test_limits_are_reached_by_the_duration_that_equals_them(
    connection: psycopg.Connection[Any],
) -> None:
    add(connection, *(attempt(duration_us=each) for each in (499_999, 500_000, 1_000_000)))

    assert read(connection).slower == Slower(p95=2, p99=1)


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

    assert found.service_failures == found.unsuccessful == 1
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

    assert (found.attempts, found.service_failures) == (2, 1)
    assert found.service_success_rate == found.success_rate == 0.5
    assert codes_of(found.errors) == Counter(["QUOTE_PERSISTENCE_FAILED"])
    assert found.errors[0].is_ours
    assert codes_of(found.errors_before_agent) == Counter(["AUTHENTICATION_FAILED"])
    assert found.buckets[-1].attempts == 2


def test_an_empty_ledger_is_told_from_a_quiet_window(
    connection: psycopg.Connection[Any],
) -> None:
    assert read(connection).is_ledger_empty

    add(connection, attempt(START - WINDOW))

    assert not read(connection).is_ledger_empty
    assert not read(connection, operation=Operation.EXPIRE).is_ledger_empty


def test_whether_the_ledger_is_empty_is_not_asked_while_the_window_is_not(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(connection, attempt(source=Source.LOAD.value))
    monkeypatch.setattr(summary, "ANY_ATTEMPT_SQL", "not to be asked")

    assert not read(connection).is_ledger_empty


def test_the_sessions_time_zone_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    add(connection, *mixed_attempts(200))
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


def test_only_the_days_of_the_window_are_scanned(connection: psycopg.Connection[Any]) -> None:
    today = END.astimezone(UTC).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    yesterday = midnight - timedelta(days=1)

    assert scanned(plan(connection, END)) == {f"attempt_{today:%Y%m%d}"}
    across = plan(connection, midnight + timedelta(minutes=2))
    assert scanned(across) == {f"attempt_{today:%Y%m%d}", f"attempt_{yesterday:%Y%m%d}"}


def test_a_large_day_is_not_read_from_end_to_end(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            """
            INSERT INTO attempt (
                agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
                retries, path, source, correlation_id
            )
            SELECT md5((n %% 2000)::text)::uuid, %s::timestamptz - n * interval '0.4 seconds',
                gen_random_uuid(), 1, 9, 9, 1, 1, 0, 1, 1, 'REQ-' || n
            FROM generate_series(60000, 1, -1) AS n
            """,
            [END],
        )
        owner.execute("VACUUM ANALYZE attempt")

    text = plan(connection, END)

    assert "Seq Scan" not in text
    assert "Bitmap Index Scan" in text
    # The first line with buffers is of the whole plan; the last would be of the planning.
    (read_blocks,) = re.findall(r"shared hit=(\d+)", text)[:1]
    size = connection.execute("SELECT pg_relation_size(%s) / 8192", [partition(END)]).fetchone()
    assert size is not None
    assert int(read_blocks) < size[0] / 5
    # Whether there is any attempt at all is known from the first page that has one.
    any_attempt = "\n".join(
        line
        for (line,) in connection.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {summary.ANY_ATTEMPT_SQL}".encode()
        )
    )
    assert int(re.findall(r"shared hit=(\d+)", any_attempt)[0]) < 5


def plan(connection: psycopg.Connection[Any], end: datetime) -> str:
    """How the statement runs under the pool's own settings: a plan made for any window."""
    connection.execute("SET plan_cache_mode = force_generic_plan")
    values = summary.parameters(end, WINDOW, Limits(), None)
    names = list(values)
    numbered = re.sub(
        r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", summary.SUMMARY_SQL
    )
    connection.execute("DEALLOCATE ALL")
    connection.execute(f"PREPARE planned AS {numbered}".encode())
    marks = ", ".join(["%s"] * len(values))
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(
        f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE planned ({marks})".encode(),
        list(values.values()),
    )
    return "\n".join(line for (line,) in cursor)


def scanned(text: str) -> set[str]:
    return set(re.findall(r"Scan (?:using \w+ )?on (\w+) attempt", text))


def partition(instant: datetime) -> str:
    return f"attempt_{instant.astimezone(UTC):%Y%m%d}"


def percentiles_of(durations: Sequence[int]) -> Percentiles:
    """The smallest value that at least this share of the values does not exceed."""
    in_order = sorted(durations)
    p50, p95, p99 = (in_order[math.ceil(share * len(in_order)) - 1] for share in (0.5, 0.95, 0.99))
    return Percentiles(p50, p95, p99)


def codes_of(errors: Sequence[summary.ErrorCount]) -> Counter[str]:
    names = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
    counts: Counter[str] = Counter()
    for error in errors:
        counts[names[error.error_code]] += error.count
    return counts
