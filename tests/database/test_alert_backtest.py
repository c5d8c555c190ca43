"""A backtest says when a rule would have fired, by the rollups and the attempts behind them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from engine.alerting.backtest import backtest
from engine.alerting.changes import changed_rule
from engine.alerting.loading import own_rules
from engine.attempts.outcome import Outcome
from engine.attempts.partitions import ensure_partitions
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode, SetupError
from engine.rollups.roller import roll
from engine.slo.objectives import LIMITS
from tests.database.attempt_rows import CLOCK, attempt, write
from tests.database.shell import Shell, one_line

NOW = datetime(2031, 3, 30, 12, 34, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULES = {rule.id: rule for rule in own_rules()}


def timeout(at: datetime) -> tuple[Any, ...]:
    """An attempt that ran out of time in the database."""
    code = TAXONOMY[ErrorCode.DATABASE_TIMEOUT].number
    return attempt(at, outcome=Outcome.FAILED.value, error_code=code)


def stranger(at: datetime) -> tuple[Any, ...]:
    """An attempt with a key that opens nothing."""
    code = TAXONOMY[ErrorCode.AUTHENTICATION_FAILED].number
    return attempt(at, outcome=Outcome.REJECTED.value, error_code=code)


@pytest.fixture
def connection(target: Target) -> Any:
    with psycopg.connect(target.owner, autocommit=True) as owner:
        ensure_partitions(owner, NOW)
    with psycopg.connect(target.app, autocommit=True) as found:
        yield found


def hourly(target: Target, since: datetime) -> None:
    """One attempt that goes well, each hour."""
    count = (NOW - since) // timedelta(hours=1)
    write(target.app, *(attempt(since + number * timedelta(hours=1)) for number in range(count)))


@pytest.mark.parametrize("is_rolled", [False, True])
def test_a_rule_fires_where_the_ledger_has_what_it_looks_for(
    connection: psycopg.Connection[Any], target: Target, *, is_rolled: bool
) -> None:
    hourly(target, NOW - timedelta(days=2))
    at = NOW - timedelta(hours=5)
    write(target.app, timeout(at), timeout(at + 2 * MINUTE))
    if is_rolled:
        roll(connection, FrozenClock(NOW), LIMITS)
    read: list[tuple[int, int]] = []

    found = backtest(
        connection,
        RULES["CRITICAL-003"],
        now=NOW,
        days=1,
        progress=lambda done, of: read.append((done, of)),
    )

    (firing,) = found.firings
    # The look after the attempt; then two minutes, a window and as long as it keeps.
    assert firing.began.at == at.replace(second=0) + MINUTE
    assert firing.lasted == timedelta(minutes=2 + 5 + 5) - MINUTE
    assert firing.began.numbers["bad"] == 1
    assert (found.bad, found.attempts) == (2, 26)
    assert (found.until, found.since) == (
        NOW.replace(second=0),
        datetime(2031, 3, 29, 12, tzinfo=UTC),
    )
    assert found.by_minute_since == found.since
    assert found.looks == 24 * 60 + 34
    assert found.fired == firing.lasted
    assert read == [(each, len(read)) for each in range(1, len(read) + 1)]


def test_what_is_older_than_the_minutes_that_are_kept_is_looked_at_by_the_hour(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    old, new = NOW - timedelta(days=20), NOW - timedelta(days=3)
    write(target.app, timeout(old), timeout(new))
    roll(connection, FrozenClock(NOW), LIMITS)

    found = backtest(connection, RULES["CRITICAL-003"], now=NOW, days=30)

    assert [each.began.at for each in found.firings] == [
        old.replace(minute=0, second=0) + timedelta(hours=1),
        new.replace(second=0) + MINUTE,
    ]
    assert found.by_minute_since == datetime(2031, 3, 15, 13, tzinfo=UTC)
    assert (found.bad, found.attempts) == (2, 2)


def test_long_windows_are_full_at_the_first_look_and_what_began_earlier_counts(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    bad = NOW - timedelta(days=1, hours=3)
    write(target.app, *(timeout(bad + number * MINUTE) for number in range(170)))
    rule = RULES["BURN-service_success_rate-3"]

    found = backtest(connection, rule, now=NOW, days=1)

    (firing,) = found.firings
    assert firing.began.at < found.since
    assert (found.bad, found.attempts) == (24, 24)


def test_callers_that_nobody_knows_are_read_beside_the_live_ones(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    at = NOW - timedelta(hours=2)
    write(target.app, *(stranger(at) for _ in range(40)), attempt(at))

    found = backtest(connection, RULES["MEDIUM-003"], now=NOW, days=1)

    assert (found.bad, found.attempts) == (40, 41)
    assert len(found.firings) == 1


def test_an_edited_rule_is_tried_before_it_is_in_force(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    at = NOW - timedelta(hours=2)
    write(target.app, timeout(at), *(attempt(at) for _ in range(9)))
    lax = changed_rule(RULES["CRITICAL-003"], {"threshold": "50 %"})
    assert lax is not None

    assert len(backtest(connection, RULES["CRITICAL-003"], now=NOW, days=1).firings) == 1
    assert backtest(connection, lax, now=NOW, days=1).firings == ()


def test_an_empty_ledger_fires_nothing(connection: psycopg.Connection[Any]) -> None:
    for rule_id in ("HIGH-002", "CRITICAL-003", "BURN-latency_p95-4", "MEDIUM-003"):
        found = backtest(connection, RULES[rule_id], now=NOW, days=2)
        assert (found.firings, found.attempts) == ((), 0)


def test_the_watchdog_has_no_past(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(SetupError, match="no past is kept"):
        backtest(connection, RULES["WATCH-001-ROLLER"], now=NOW, days=1)


def test_the_command_says_when_it_would_have_fired(saveguard: Shell, target: Target) -> None:
    at = CLOCK.now() - timedelta(hours=3)
    write(target.app, timeout(at), attempt(at))

    said = saveguard("alerts", "rules", "backtest", "CRITICAL-003", "--days", "2")
    told = json.loads(
        saveguard("alerts", "rules", "backtest", "CRITICAL-003", "--days", "2", "--json").out
    )
    lax = saveguard(
        "alerts", "rules", "backtest", "CRITICAL-003", "--days", "2",
        "--set", "threshold=60 %", "--set", "least=2",
    )  # fmt: skip

    assert (said.code, said.err) == (0, "")
    assert "CRITICAL-003 fires when there are any database timeouts in 5 min" in said.out
    assert (
        "Database timeouts: 1 of 2 attempts in 5 min (50 %), and there should be none." in said.out
    )
    assert "1 alerts, 9 min in all" in said.out
    assert (told["bad"], told["attempts"], len(told["firings"])) == (1, 2, 1)
    assert told["firings"][0]["lasted_s"] == 540
    assert told["firings"][0]["numbers"]["bad"] == 1
    assert "it would not have fired" in lax.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["HIGH-999"], "there is no alert rule HIGH-999"),
        (["HIGH-005", "--set", "threshold"], "say NAME=VALUE"),
        (["HIGH-005", "--set", "threshold=2"], "no share"),
        (["HIGH-005", "--set", "colour=red"], "there is no field colour"),
        (["HIGH-005", "--set", "enabled=false"], "never fires"),
        (["WATCH-001"], "no past is kept"),
    ],
)
def test_the_command_refuses_in_one_line(
    saveguard: Shell, arguments: list[str], words: str
) -> None:
    ended = saveguard("alerts", "rules", "backtest", *arguments)

    assert ended.code == 2
    assert words in one_line(ended.err)
