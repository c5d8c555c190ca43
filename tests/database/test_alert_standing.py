"""How alerting stands: ticks and their gaps, what fires, channels, and the watcher outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg.sql import SQL
from pydantic import SecretStr

from engine.alerting.channel_status import _COUNTED
from engine.alerting.channels.addresses import Receiver
from engine.alerting.channels.channel import ChannelName, FailureReason
from engine.alerting.channels.posting import Answer, NoAnswer
from engine.alerting.heartbeat import Heartbeat
from engine.alerting.journal import _TESTS
from engine.alerting.loading import own_rules
from engine.alerting.states import RuleState
from engine.alerting.status import (
    _CHANNELS,
    AlertingStatus,
    ChannelStanding,
    read_status,
)
from engine.clock import Clock
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench
from tests.database.databases import run

URL = "https://watcher.example/ping/secret-of-ours"


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    watched = settings.model_copy(update={"alert_heartbeat_url": SecretStr(URL)})
    with alert_bench(watched, target) as opened:
        yield opened


def standing(bench: Bench) -> AlertingStatus:
    with psycopg.connect(bench.runtime.target.app, autocommit=True) as connection:
        return read_status(connection, bench.runtime.settings, own_rules(), bench.clock.now())


class Watcher:
    """A watcher outside that answers as it is told to."""

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, receiver: Receiver, _clock: Clock) -> Answer | NoAnswer:
        self.asked.append(receiver.url)
        return self.answers.pop(0)


def heartbeat(bench: Bench, watcher: Watcher) -> Heartbeat:
    return Heartbeat(bench.runtime.alert_pool, bench.runtime.settings, bench.clock, ask=watcher)


def test_before_the_first_tick_nothing_is_known_and_nothing_is_good(bench: Bench) -> None:
    status = standing(bench)

    assert (status.rules, status.firing, status.channels) == ((), (), ())
    assert (status.ticks.number, status.ticks.count, status.ticks.missing) == (None, 0, 0)
    assert status.ticks.lag_p99_s is None
    assert not status.ticks.is_alive(bench.clock.now())


def test_ticks_are_counted_with_their_lag_and_a_missing_number_shows(bench: Bench) -> None:
    for after in (10, 10, 13, 7, 10):
        bench.tick(after)
    whole = standing(bench)
    with psycopg.connect(bench.runtime.target.owner) as owner:
        owner.execute("DELETE FROM alert_tick WHERE number IN (2, 3)")

    gone = standing(bench)
    assert (whole.ticks.count, whole.ticks.missing, whole.ticks.lag_max_s) == (5, 0, 3)
    assert (gone.ticks.count, gone.ticks.missing) == (3, 2)
    assert whole.ticks.number == 5
    assert whole.ticks.age(bench.clock.now()) == timedelta(0)
    assert whole.ticks.is_alive(bench.clock.now() + timedelta(seconds=20))
    assert not whole.ticks.is_alive(bench.clock.now() + timedelta(seconds=21))


def test_what_fires_comes_with_the_rule_and_the_channels_with_what_waits(bench: Bench) -> None:
    bench.save(100)
    bench.tick()
    bench.fail(ErrorCode.DATABASE_TIMEOUT, 60)
    bench.tick()
    status = standing(bench)

    (alert,) = [each for each in status.firing if each.rule_id == "CRITICAL-003"]
    assert [each.severity for each in status.firing] == sorted(
        (each.severity for each in status.firing), reverse=True
    )
    (rule,) = [each for each in status.rules if each.rule_id == "CRITICAL-003"]
    assert rule.rule is not None
    assert (rule.state, rule.alert_id) == (RuleState.FIRING, alert.id)
    assert [each.rule_id for each in status.rules] == [each.id for each in own_rules()]
    assert {each.channel: each.waiting for each in status.channels}["telegram"] == 1
    assert status.watchers == 1
    assert {each.rule_id for each in status.in_state(RuleState.UNKNOWN)} >= {"HIGH-005"}


def test_channels_come_with_what_the_last_day_brought_and_with_what_waits_from_before(
    bench: Bench,
) -> None:
    now = bench.clock.now()
    hour, days = now - timedelta(hours=1), now - timedelta(days=3)
    with psycopg.connect(bench.runtime.target.app) as connection:
        for channel, state, made_at, ended_at in (
            ("telegram", "delivered", days, days), ("telegram", "failed", days, days),
            ("telegram", "waiting", days, None), ("telegram", "sending", hour, None),
            ("webhook", "delivered", days, hour), ("webhook", "delivered", hour, now),
            ("webhook", "failed", hour, hour), ("webhook", "dropped", hour, hour),
            ("webhook", "not configured", hour, None), ("webhook", "not configured", hour, hour),
            ("webhook", "not configured", days, None),
        ):  # fmt: skip
            connection.execute(_INSERT, [channel, made_at, state, ended_at])

    telegram, webhook = standing(bench).channels
    assert telegram == ChannelStanding("telegram", 2, days, 0, 0, 0, days)
    assert webhook == ChannelStanding("webhook", 0, None, 2, 1, 2, now)


@pytest.mark.parametrize("query", [_CHANNELS, _COUNTED], ids=["status", "channels"])
def test_how_channels_stand_costs_the_same_however_much_is_kept(bench: Bench, query: str) -> None:
    target, now = bench.runtime.target, bench.clock.now()
    with psycopg.connect(target.owner) as owner:
        owner.execute(_MANY, [now, now])
        owner.execute("ANALYZE alert_outbox")
    run(target.owner, "VACUUM alert_outbox")

    with psycopg.connect(target.app) as connection:
        asked = {"channels": list(ChannelName), "since": now - timedelta(minutes=1)}
        plan = "\n".join(
            line
            for (line,) in connection.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF) {query}".encode(), asked
            ).fetchall()
        )
    assert "Seq Scan" not in plan, plan
    assert "alert_outbox_came_to_idx" in plan, plan
    # 200 that wait, 156 that were set aside, and 6 of a minute.
    assert max(float(each) for each in _ROWS_READ.findall(plan)) < 400, plan


def test_the_newest_tests_are_found_by_an_index_however_much_is_kept(bench: Bench) -> None:
    target, now = bench.runtime.target, bench.clock.now()
    with psycopg.connect(target.owner) as owner:
        owner.execute(_MANY, [now, now])
        owner.execute("ANALYZE alert_outbox")

    with psycopg.connect(target.app) as connection:
        plan = "\n".join(
            line for (line,) in connection.execute(SQL("EXPLAIN ") + _TESTS).fetchall()
        )
    assert "using alert_outbox_tests_idx" in plan, plan
    assert "Sort" not in plan, plan


_ROWS_READ = re.compile(r"(?:Scan.*actual rows=|Rows Removed by Filter: )([\d.]+)")
_INSERT = """
    INSERT INTO alert_outbox (
        id, alert_id, kind, channel, escalates_to, urgency, body, made_at, state, tries, ended_at,
        is_perhaps_repeated
    )
    VALUES (
        gen_random_uuid(), gen_random_uuid(), 'firing', %s, '{}', 3, '{}', %s, %s, 1, %s, false
    )
"""
_MANY = """
    -- One each ten seconds; 200 of them wait, and one of 50 was set aside.
    INSERT INTO alert_outbox (
        id, alert_id, kind, channel, escalates_to, urgency, body, made_at, state, tries, reason,
        ended_at, is_perhaps_repeated
    )
    SELECT gen_random_uuid(), gen_random_uuid(), 'firing', 'webhook', '{}', 3, '{}',
        %s::timestamptz - n * interval '10 seconds', state, 1,
        'timeout',
        CASE WHEN state = 'delivered' THEN %s::timestamptz - n * interval '10 seconds' END, false
    FROM generate_series(1, 8000) AS n
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN n > 7800 THEN 'waiting'
            WHEN n %% 50 = 0 THEN 'not configured'
            ELSE 'delivered'
        END
    ) AS came (state)
"""


def test_the_watcher_hears_of_the_newest_tick_once(bench: Bench) -> None:
    watcher = Watcher(Answer(200, {}, b"OK"))
    beating = heartbeat(bench, watcher)
    beating.beat(1)
    beating.beat(2)

    assert [beating.run(), beating.run()] == [1, 0]
    assert watcher.asked == [URL]
    told = standing(bench).heartbeat
    assert (told.tick, told.reason) == (2, None)
    assert told.acknowledged_at == bench.clock.now()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(503, {}, b"later"), "answered with status 503"),
        (NoAnswer(FailureReason.TIMEOUT), "timeout"),
        (NoAnswer(FailureReason.UNREACHABLE), "unreachable"),
    ],
)
def test_a_watcher_that_does_not_hear_shows_with_the_reason_and_when_it_heard_last(
    bench: Bench, answer: Answer | NoAnswer, reason: str
) -> None:
    beating = heartbeat(bench, Watcher(Answer(200, {}, b"OK"), answer))
    beating.beat(1)
    beating.run()
    heard_at = bench.clock.now()
    bench.clock.advance(timedelta(seconds=10))
    beating.beat(2)

    assert beating.run() == 0
    told = standing(bench).heartbeat
    assert (told.tick, told.reason, told.acknowledged_at) == (2, reason, heard_at)


def test_a_watcher_with_a_malformed_address_is_not_asked_and_its_address_not_told(
    settings: Settings, target: Target
) -> None:
    wrong = settings.model_copy(update={"alert_heartbeat_url": SecretStr("ftp://secret-of-ours")})
    with alert_bench(wrong, target) as bench:
        beating = heartbeat(bench, Watcher())
        beating.beat(1)
        beating.run()
        told = standing(bench).heartbeat

    assert told.reason is not None
    assert "ALERT_HEARTBEAT_URL" in told.reason
    assert "secret" not in told.reason


def test_without_a_watcher_that_is_said_and_nobody_is_asked(
    settings: Settings, target: Target
) -> None:
    with alert_bench(settings, target) as bench:
        beating = heartbeat(bench, Watcher())
        beating.beat(1)
        assert beating.run() == 0
        assert not standing(bench).heartbeat.is_configured
