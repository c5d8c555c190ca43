"""Ticks: one series over all processes, what one decides commits at once, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest

from engine.alerting import records, worst
from engine.alerting.evaluator import Evaluator
from engine.alerting.rules import Rule
from engine.alerting.worst import Worst
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.rollups.counts import Counts
from engine.rollups.series import Look
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench

_TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    with alert_bench(settings, target) as opened:
        yield opened


def numbers(bench: Bench) -> list[int]:
    return [each["number"] for each in bench.rows("SELECT number FROM alert_tick ORDER BY number")]


def test_the_first_tick_has_number_one_and_every_rule_a_state(bench: Bench) -> None:
    judged = bench.tick()

    (tick,) = bench.rows("SELECT * FROM alert_tick")
    assert (judged.number, tick["number"]) == (1, 1)
    assert tick["rules"] == len(bench.rows("SELECT 1 FROM alert_state")) == len(judged.verdicts)
    assert tick["due_at"] == tick["started_at"] == bench.clock.now()
    assert len(tick["rules_digest"]) == 32
    assert bench.states() == {}
    assert bench.outbox() == []


def test_a_tick_before_its_time_is_not_taken_and_a_late_one_says_by_how_much(bench: Bench) -> None:
    bench.tick()
    bench.clock.advance(timedelta(seconds=9))
    assert bench.evaluator.tick() is None
    bench.tick(3)
    bench.tick(8)
    bench.tick(60)
    bench.tick(10)

    ticks = bench.rows("SELECT number, started_at - due_at AS lag FROM alert_tick ORDER BY number")
    assert [each["number"] for each in ticks] == [1, 2, 3, 4, 5]
    assert [each["lag"].total_seconds() for each in ticks] == [0, 2, 0, 50, 0]


def test_run_asks_nobody_before_its_time(bench: Bench) -> None:
    bench.tick()
    bench.runtime.alert_pool.close()

    assert bench.evaluator.run() == 0


def test_of_evaluators_that_meet_one_takes_each_tick(bench: Bench) -> None:
    runtime, crowd, rounds = bench.runtime, 3, 6
    evaluators = [Evaluator(runtime.read_pool, runtime.settings, bench.clock) for _ in range(crowd)]
    meet = Barrier(crowd, timeout=30)

    def take(evaluator: Evaluator) -> int:
        meet.wait()
        return evaluator.tick() is not None

    with ThreadPoolExecutor(crowd) as threads:
        for _ in range(rounds):
            bench.clock.advance(timedelta(seconds=10))
            assert sum(threads.map(take, evaluators)) == 1

    assert numbers(bench) == list(range(1, rounds + 1))


@pytest.mark.parametrize("apart", [0.2, 5, 30])
def test_evaluators_whose_clocks_are_apart_take_one_series_of_ticks(
    bench: Bench, apart: float
) -> None:
    ahead = FrozenClock(bench.clock.now() + timedelta(seconds=apart))
    runtime = bench.runtime
    evaluators = [
        Evaluator(runtime.alert_pool, runtime.settings, each) for each in (ahead, bench.clock)
    ]

    def pass_by(seconds: int, *present: Evaluator) -> None:
        for _ in range(seconds * 2):
            for each in (bench.clock, ahead):
                each.advance(timedelta(seconds=0.5))
            for evaluator in present:
                evaluator.run()

    pass_by(60, *evaluators)
    assert len(numbers(bench)) == 6
    assert bench.rows("SELECT 1 FROM alert WHERE rule_id = 'WATCH-001'") == []
    # The one that is behind takes over.
    pass_by(60, evaluators[1])
    assert 10 <= len(numbers(bench)) <= 12
    assert bench.rows("SELECT 1 FROM alert WHERE rule_id = 'WATCH-001'") == []


def test_a_tick_that_fails_leaves_nothing_and_the_next_one_has_its_number(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.tick()
    bench.save(10)
    bench.fail(ErrorCode.DATABASE_TIMEOUT)

    def broken(*_: object) -> None:
        raise psycopg.OperationalError("the line broke")

    with monkeypatch.context() as patch:
        patch.setattr("engine.alerting.evaluator.put_in", broken)
        with pytest.raises(psycopg.OperationalError):
            bench.tick()
    assert numbers(bench) == [1]
    assert bench.states() == {}
    assert bench.rows("SELECT 1 FROM alert") == bench.outbox() == []

    bench.tick()
    assert numbers(bench) == [1, 2]
    assert bench.states()["CRITICAL-003"] == "firing"
    assert len(bench.outbox("CRITICAL-003")) == 2


def test_an_evaluator_that_is_killed_at_any_statement_leaves_all_of_its_tick_or_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    bench.save(10)
    bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.clock.advance(timedelta(seconds=10))
    program = [sys.executable, "-m", "tests.database.alert_program"]
    arguments = [bench.runtime.target.app, str(tmp_path), bench.clock.now().isoformat()]

    ended = subprocess.run(  # noqa: S603  # this interpreter, our own program
        [*program, *arguments], capture_output=True, text=True, check=True, cwd=_TOP
    )

    *killed, lived = map(json.loads, ended.stdout.splitlines())
    assert not lived.pop("killed")
    assert all(each.pop("killed") for each in killed)
    nothing = dict.fromkeys(lived, 0)
    # The last kills come after the commit: the tick is there, and the next one is due later.
    assert [each for each in killed if each not in (nothing, lived)] == []
    assert len([each for each in killed if each == nothing]) > 10
    assert (lived["alert_tick"], lived["alert_outbox"]) == (1, 2)
    assert numbers(bench) == [1]


def test_numbers_that_cannot_be_counted_are_unknown_and_the_watchdog_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save(10)
    bench.tick()
    assert bench.rows("SELECT state FROM alert_state WHERE rule_id = 'HIGH-002'") == [
        {"state": "inactive"}
    ]

    monkeypatch.setattr("engine.alerting.evaluator._COUNTING_MS", 1)
    with psycopg.connect(bench.runtime.target.owner) as owner:
        owner.execute("LOCK attempt_rollup IN ACCESS EXCLUSIVE MODE")
        bench.clock.advance(timedelta(seconds=30))
        bench.seen()
        judged = bench.evaluator.tick()

    assert judged is not None
    (tick,) = bench.rows("SELECT * FROM alert_tick WHERE number = 2")
    assert tick["unknown"] == len([each for each in judged.verdicts if each.rule.is_silenceable])
    assert bench.states()["WATCH-001-ROLLER"] == "firing"


@pytest.mark.parametrize("table", ["attempt", "attempt_rollup"])
def test_a_table_that_is_locked_makes_numbers_unknown_and_the_watchdog_goes_on(
    bench: Bench, table: str
) -> None:
    bench.save(10)
    bench.tick()

    with psycopg.connect(bench.runtime.target.owner) as owner:
        owner.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE".encode())
        bench.clock.advance(timedelta(seconds=30))
        bench.seen()
        assert bench.evaluator.run() == 1

    assert bench.states()["WATCH-001-ROLLER"] == "firing"


def test_counting_that_is_slow_each_time_costs_no_tick(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of it takes so long that it would be cut off by itself."""
    bench.save(10)
    bench.tick()
    rolled = Look._rolled

    def slow(look: Look, *asked: Any) -> dict[int, Counts]:
        bench.clock.advance(timedelta(seconds=3.5))
        return rolled(look, *asked)

    monkeypatch.setattr(Look, "_rolled", slow)
    bench.clock.advance(timedelta(seconds=30))
    bench.seen()
    assert bench.evaluator.run() == 1

    assert bench.states()["WATCH-001-ROLLER"] == "firing"
    (tick,) = bench.rows("SELECT ended_at - started_at AS took FROM alert_tick WHERE number = 2")
    assert tick["took"] < timedelta(seconds=10)


def test_pointing_at_attempts_that_is_slow_each_time_costs_no_tick(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.save(10)
    bench.tick()
    find = worst.find

    def slow(*asked: Any) -> Worst | None:
        bench.clock.advance(timedelta(seconds=3.5))
        return find(*asked)

    monkeypatch.setattr(worst, "find", slow)
    bench.fail(ErrorCode.DATABASE_TIMEOUT, 100)
    bench.tick()

    assert bench.states()["CRITICAL-003"] == "firing"
    assert bench.alert("CRITICAL-003")["correlation_id"]
    monkeypatch.undo()
    bench.tick()
    assert numbers(bench) == [1, 2, 3]


def test_old_ticks_are_forgotten_but_never_the_newest(bench: Bench) -> None:
    for _ in range(3):
        bench.tick()
    bench.clock.advance(timedelta(days=90, seconds=-15))
    bench.tick()

    def forget() -> int:
        with psycopg.connect(bench.runtime.target.owner) as owner:
            return records.forget_old_ticks(owner, bench.clock.now())

    assert (forget(), forget()) == (2, 0)
    assert numbers(bench) == [3, 4]
    bench.clock.advance(timedelta(days=200))
    forget()
    assert numbers(bench) == [4]


def test_what_was_told_long_ago_is_forgotten_but_no_alert_and_nothing_of_one_that_still_fires(
    bench: Bench,
) -> None:
    bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()
    counted = "SELECT count(*) AS of_alerts FROM alert_transition WHERE alert_id IS NOT NULL"

    def forget() -> tuple[int, int, int]:
        with psycopg.connect(bench.runtime.target.owner) as owner:
            owner.execute("UPDATE alert_outbox SET state = 'delivered'")
            owner.execute(
                """
                INSERT INTO alert_delivery SELECT id, 1, made_at, made_at, 'sent' FROM alert_outbox
                ON CONFLICT DO NOTHING
                """
            )
            records.forget_old_ticks(owner, bench.clock.now())
        silent = bench.rows("SELECT 1 FROM alert_transition WHERE alert_id IS NULL")
        return len(bench.outbox()), len(bench.rows("SELECT 1 FROM alert_delivery")), len(silent)

    told, tries, silent = forget()
    assert told == tries > 0 < silent
    kept = bench.rows(counted)
    bench.clock.advance(timedelta(days=91))
    assert forget() == (told, tries, 0)
    with psycopg.connect(bench.runtime.target.owner) as owner:
        owner.execute("UPDATE alert SET resolved_at = fired_at")
    assert forget() == (0, 0, 0)
    assert bench.rows(counted) == kept
    assert bench.alert("CRITICAL-003")["resolved_at"] is not None


def test_a_tick_that_fails_by_a_mistake_of_ours_is_tried_again_when_the_next_is_due(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(_connection: object) -> list[Rule]:
        raise ValueError("of ours")

    monkeypatch.setattr(bench.evaluator, "_rules_of", mistaken)
    with pytest.raises(ValueError, match="of ours"):
        bench.evaluator.run()
    assert bench.evaluator.run() == 0
    bench.clock.advance(timedelta(seconds=10))
    with pytest.raises(ValueError, match="of ours"):
        bench.evaluator.run()
    monkeypatch.undo()
    bench.clock.advance(timedelta(seconds=10))
    assert bench.evaluator.run() == 1
