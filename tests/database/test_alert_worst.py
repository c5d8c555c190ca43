"""The attempt that an alert points at: the newest of the most severe, or the slowest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from engine.alerting.loading import own_rules
from engine.alerting.worst import Worst, bad_of, find, newest_coded
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.series import looking
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench

_RULES = {rule.id: rule for rule in own_rules()}


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    with alert_bench(settings, target) as opened:
        yield opened


def worst(bench: Bench, rule_id: str) -> Worst | None:
    """What a rule points at ten seconds later, wherever the roller is."""
    now = bench.clock.now() + timedelta(seconds=10)
    bad = bad_of(_RULES[rule_id].condition)
    assert bad is not None
    with (
        psycopg.connect(bench.runtime.target.app, autocommit=True) as connection,
        looking(connection) as look,
    ):
        (counts,) = look.counts([bad.window(now)], bad.wanted)
        return find(connection, look, bad, counts, now)


def pointed(bench: Bench, rule_id: str) -> str | None:
    found = worst(bench, rule_id)
    return None if found is None else found.correlation_id


@pytest.mark.parametrize("is_rolled", [False, True])
def test_the_newest_of_the_most_severe_is_the_worst(bench: Bench, *, is_rolled: bool) -> None:
    bench.save(5)
    *_, critical = bench.fail(ErrorCode.QUOTE_PERSISTENCE_FAILED, 3)
    bench.clock.advance(timedelta(seconds=30))
    *_, validation = bench.fail(ErrorCode.QUOTE_VALIDATION_FAILED, 2, outcome=3)
    bench.fail(ErrorCode.QUOTE_PERSISTENCE_FAILED, 2, source=4)
    if is_rolled:
        bench.roll()

    assert pointed(bench, "HIGH-002") == critical
    assert pointed(bench, "CRITICAL-002") == critical
    assert pointed(bench, "MEDIUM-001") == validation
    assert pointed(bench, "HIGH-005") is None
    found = worst(bench, "HIGH-002")
    assert found is not None
    assert found.code is ErrorCode.QUOTE_PERSISTENCE_FAILED


def test_only_attempts_of_the_rules_operation_and_window_are_looked_at(bench: Bench) -> None:
    old = bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.clock.advance(timedelta(minutes=6))
    (created,) = bench.fail(ErrorCode.INTERNAL_ERROR, operation=Operation.CREATE.value)
    (updated,) = bench.fail(ErrorCode.INTERNAL_ERROR, operation=Operation.UPDATE.value)
    bench.clock.advance(timedelta(seconds=1))
    (newest,) = bench.fail(ErrorCode.INTERNAL_ERROR, operation=Operation.CREATE.value)

    assert pointed(bench, "HIGH-002-UPDATE") == updated
    assert pointed(bench, "HIGH-002") == newest
    assert {*old, created}.isdisjoint({pointed(bench, "HIGH-002")})


@pytest.mark.parametrize("is_rolled", [False, True])
def test_of_slow_attempts_the_slowest_is_the_worst(bench: Bench, *, is_rolled: bool) -> None:
    bench.save(20, duration_us=600_000)
    (slowest,) = bench.save(1, duration_us=9_000_000)
    bench.save(20, duration_us=1_100_000)
    if is_rolled:
        bench.roll()

    assert pointed(bench, "HIGH-003") == pointed(bench, "HIGH-004") == slowest


@pytest.mark.parametrize("is_rolled", [False, True])
def test_of_what_was_rolled_back_and_saved_after_all_the_newest_is_the_worst(
    bench: Bench, *, is_rolled: bool
) -> None:
    bench.save(3, retries=1)
    bench.clock.advance(timedelta(seconds=20))
    *_, newest = bench.save(3, retries=2)
    bench.clock.advance(timedelta(seconds=20))
    bench.save(50)
    if is_rolled:
        bench.roll()

    assert pointed(bench, "HIGH-001") == newest


def test_the_newest_with_a_code_is_found_by_its_index(bench: Bench) -> None:
    bench.save(400)
    bench.fail(ErrorCode.DATABASE_TIMEOUT, 100)
    bad = bad_of(_RULES["BURN-service_success_rate-4"].condition)
    assert bad is not None
    query = newest_coded(bad.window(bench.clock.now()), bad, [ErrorCode.DATABASE_TIMEOUT])
    with psycopg.connect(bench.runtime.target.owner) as connection:
        connection.execute("ANALYZE attempt")
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_bitmapscan = off")
        plan = connection.execute(b"EXPLAIN " + query.as_bytes(connection)).fetchall()

    told = "\n".join(line for (line,) in plan)
    assert "error_code_started_at" in told
    assert "Sort" not in told.partition("Append")[2]
    assert TAXONOMY[ErrorCode.DATABASE_TIMEOUT].number
