"""A tick holds an absence against the weeks before, as far as the ledger reaches back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NoReturn

import psycopg
import pytest

from engine.alerting import readings
from engine.alerting.backtest import backtest
from engine.alerting.loading import own_rules
from engine.alerting.remembered import remembered
from engine.database.target import Target
from engine.rollups.grid import Tier, ceiling
from engine.rollups.series import Look
from engine.settings import Settings
from tests.database.alerting import Bench, Row, alert_bench
from tests.database.attempt_rows import attempt, write

MINUTE = timedelta(minutes=1)
WEEK = timedelta(days=7)
RULE = next(rule for rule in own_rules() if rule.id == "HIGH-002")


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    with alert_bench(settings, target) as opened:
        opened.clock.advance(ceiling(opened.clock.now(), Tier.MINUTE) - opened.clock.now())
        yield opened


def came(target: Target, since: datetime, minutes: int, by_minute: int) -> None:
    """Attempts that went well, some in each minute."""
    step = MINUTE / by_minute
    write(target.app, *(attempt(since + number * step) for number in range(minutes * by_minute)))


def stops(bench: Bench, *ticks: int) -> None:
    """Somebody saves, and then nobody, with ticks so many minutes later."""
    bench.save(20)
    for before, minute in pairwise((0, *ticks)):
        bench.tick(60 * (minute - before))


def state(bench: Bench) -> Row:
    (found,) = bench.rows("SELECT * FROM alert_state WHERE rule_id = 'HIGH-002'")
    return found


def test_nobody_comes_where_somebody_did_a_week_ago_and_a_backtest_says_the_same(
    bench: Bench, target: Target
) -> None:
    start = bench.clock.now()
    came(target, start - WEEK - timedelta(hours=3), 1, 1)
    came(target, start - WEEK, 40, 11)

    stops(bench, *range(1, 23))

    alert = bench.alert("HIGH-002")
    assert alert["fired_at"] == start + 21 * MINUTE
    assert (alert["error_code"], alert["numbers"]["usual"]) == ("NO_DATA", 165)
    assert alert["message"] == (
        "Success rate: There were no attempts in 5 min."
        " Nothing has been known for 15 min, in which 165 attempts are usual."
    )
    assert {each["channel"] for each in bench.outbox("HIGH-002")} == {"telegram", "webhook"}
    with psycopg.connect(target.app, autocommit=True) as connection:
        found = backtest(connection, RULE, now=bench.clock.now(), days=1)
    # The one before it, a week long, ended with the first attempts of today.
    (longer, firing) = found.firings
    assert longer.ended is not None
    assert longer.ended.at == start + MINUTE
    assert firing.began.at == alert["fired_at"]
    assert alert["message"].endswith(firing.began.reason)
    assert firing.began.numbers == alert["numbers"]


@pytest.mark.parametrize(
    ("ago", "by_minute", "reason"),
    [
        # Two weeks ago some came, and a week ago nobody did.
        (2 * WEEK, 11, "Nothing has been known for 16 min, in which 0 attempts are usual"),
        (WEEK, 3, "Nothing has been known for 16 min, in which 48 attempts are usual"),
        (timedelta(hours=20), 11, "what is usual is known after a day of attempts."),
    ],
)
def test_nobody_is_told_where_nobody_came_either_or_few_or_nothing_is_known_yet(
    bench: Bench, target: Target, ago: timedelta, by_minute: int, reason: str
) -> None:
    start = bench.clock.now()
    came(target, start - ago - timedelta(minutes=90), 1, 1)
    came(target, start - ago, 40, by_minute)

    stops(bench, 1, 6, 22)

    found = state(bench)
    assert found["state"] == "unknown"
    assert reason in found["reason"]
    assert bench.rows("SELECT 1 FROM alert WHERE rule_id = 'HIGH-002'") == []


def test_attempts_that_no_rollup_holds_are_known_too(bench: Bench, target: Target) -> None:
    start = bench.clock.now()
    bench.save(20)
    for minutes in (1, 6, 21):
        bench.clock.advance(start + minutes * MINUTE - bench.clock.now())
        if minutes == 21:
            came(target, start - WEEK - timedelta(hours=3), 1, 1)
            came(target, start - WEEK, 40, 11)
        bench.evaluator.tick()

    assert state(bench)["state"] == "firing"
    assert bench.alert("HIGH-002")["numbers"]["usual"] == 165


def test_nothing_is_asked_while_attempts_come_or_are_missing_for_a_short_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> NoReturn:
        raise AssertionError("nobody has to know")

    monkeypatch.setattr(readings, "usual", asked)

    stops(bench, 1, 6, 20)
    assert state(bench)["state"] == "unknown"
    with pytest.raises(AssertionError, match="nobody has to know"):
        bench.tick(60)


def test_what_is_usual_takes_no_others_numbers_along_when_it_takes_too_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(look: Look, *_: object) -> NoReturn:
        look._connection.execute("SELECT pg_sleep(60)")  # in the snapshot of the tick
        raise AssertionError("it was not cut off")

    stops(bench, 1, 6, 20)
    monkeypatch.setattr(readings, "usual", slow)
    monkeypatch.setattr("engine.alerting.evaluator._USUAL_MS", 50)
    bench.tick(60)

    found = state(bench)
    assert (found["state"], found["numbers"]["attempts"]) == ("unknown", 0)
    assert found["reason"].endswith("what is usual could not be read.")
    (calm,) = bench.rows("SELECT state FROM alert_state WHERE rule_id = 'CRITICAL-003'")
    assert calm == {"state": "inactive"}


def test_it_is_remembered_that_numbers_could_not_be_read(
    bench: Bench, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread() -> bool:
        with psycopg.connect(target.app) as connection:
            return remembered(connection, bench.clock.now()).memories["HIGH-002"].is_unread

    stops(bench, 1, 6)
    assert not unread()
    with monkeypatch.context() as patch:
        patch.setattr("engine.alerting.evaluator._COUNTING_MS", 1)
        with psycopg.connect(target.owner) as owner:
            owner.execute("LOCK attempt_rollup IN ACCESS EXCLUSIVE MODE")
            bench.clock.advance(MINUTE)
            bench.evaluator.tick()
    assert unread()
    assert state(bench)["unknown_since"] == bench.clock.now()
    bench.tick(60)
    assert not unread()
