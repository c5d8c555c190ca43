"""How alerting stands: ticks and their gaps, what fires, channels, and the watcher outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from pydantic import SecretStr

from engine.alerting.channels.addresses import Receiver
from engine.alerting.channels.channel import FailureReason
from engine.alerting.channels.posting import Answer, NoAnswer
from engine.alerting.heartbeat import Heartbeat
from engine.alerting.loading import own_rules
from engine.alerting.states import RuleState
from engine.alerting.status import AlertingStatus, read_status
from engine.clock import Clock
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench

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
