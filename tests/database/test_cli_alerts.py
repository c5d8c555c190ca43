"""`saveguard alerts …` and what `saveguard attempts` says of an evaluation, at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from engine.access.audit import Actor, Way
from engine.alerting.channel_tests import put_tests
from engine.alerting.channels.channel import ChannelName
from engine.alerting.tables import AlertOutbox
from engine.clock import SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench
from tests.database.shell import Shell

RULE = "CRITICAL-003"


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    """A bench whose clock is as far as the commands' own."""
    with alert_bench(settings, target) as opened:
        opened.clock.advance(timedelta(seconds=-20))
        yield opened


def test_status_says_that_nobody_has_looked_and_that_nobody_outside_would_notice(
    saveguard: Shell,
) -> None:
    ended = saveguard("alerts", "status")

    assert ended.code == 1
    assert ended.out.splitlines() == [
        "UNKNOWN whether anything fires: nobody evaluates the rules.",
        "",
        "Evaluator: has never looked",
        (
            "Heartbeat: NOT CONFIGURED: nobody outside notices when all of this stops"
            " (ALERT_HEARTBEAT_URL)"
        ),
        "NO CHANNEL IS CONFIGURED here: unless what serves has one, nobody is told",
        "Apprise: NOT CONFIGURED here: ALERT_APPRISE_URLS is not set",
        "Telegram: NOT CONFIGURED here: TELEGRAM_BOT_TOKEN is not set",
        "Webhook: NOT CONFIGURED here: ALERT_WEBHOOK_URL is not set",
        "Silences that hold: 0",
    ]


def test_status_tells_what_fires_and_exits_1_until_somebody_mutes_it(
    saveguard: Shell, bench: Bench
) -> None:
    bench.save(20)
    bench.tick()
    assert saveguard("alerts", "status").code == 0
    (given,) = bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()

    said = saveguard("alerts", "status")
    facts = saveguard("alerts", "status", "--json").facts
    assert said.code == 1
    (line,) = [each for each in said.out.splitlines() if each.startswith("CRITICAL  CRITICAL-003")]
    assert "Database timeouts: 1 of 21 attempts" in line
    assert given in line
    assert (
        "Webhook: NOT CONFIGURED here: ALERT_WEBHOOK_URL is not set;"
        " 0 delivered, 0 failed in a day, 1 waiting"
    ) in said.out.splitlines()
    assert facts["not_configured_here"].keys() == {"telegram", "webhook", "apprise"}
    assert [each["severity"] for each in facts["firing"] if each["rule_id"] == RULE] == ["CRITICAL"]
    assert facts["ticks"]["missing"] == 0

    silenced = saveguard(
        "alerts", "silence", "add", "--rule", "*", "--for", "2 h", "--reason", "drill"
    )
    assert silenced.code == 0
    bench.tick()
    assert saveguard("alerts", "status").code == 0


def test_status_says_until_when_an_alert_is_held_back_and_by_which(
    saveguard: Shell, bench: Bench
) -> None:
    bench.save(20)
    for _ in range(20):
        bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()
    since = bench.alert("BURN-service_success_rate-1")["fired_at"]

    said = saveguard("alerts", "status").out.splitlines()

    (line,) = [each for each in said if " BURN-service_success_rate-1 " in each]
    until = f"{since + timedelta(minutes=30):%Y-%m-%d %H:%M}"
    assert f", held back by CRITICAL-003 until {until}" in line
    assert " UTC: Service success rate: budget burns 14.4 times too fast: the budget" in line


def test_status_says_what_a_rule_says_by_now_beneath_what_it_said_when_it_began(
    saveguard: Shell, bench: Bench
) -> None:
    def beneath() -> str:
        said = saveguard("alerts", "status").out.splitlines()
        (place,) = [place for place, each in enumerate(said) if " CRITICAL-003 " in each]
        return said[place + 1]

    bench.save(20)
    bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()
    at_once = beneath()
    bench.save(79)
    bench.tick()

    assert "now:" not in at_once
    assert beneath().startswith("          now: Database timeouts: 1 of 100 attempts in 5 min")


def test_status_says_how_many_rules_cannot_say_while_nothing_fires(
    saveguard: Shell, bench: Bench
) -> None:
    bench.tick()
    bench.tick()

    first = saveguard("alerts", "status").out.splitlines()[0]

    assert first.startswith("Nothing fires. ")
    assert first.endswith(" rules cannot say.")


def test_silences_are_previewed_made_listed_and_ended(saveguard: Shell, bench: Bench) -> None:
    bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()
    matcher = ("--rule", RULE, "--severity", "critical")

    assert RULE in saveguard("alerts", "silence", "preview", *matcher).out
    nothing = saveguard("alerts", "silence", "preview", "--rule", RULE, "--severity", "high")
    assert nothing.out == "It would have hidden nothing.\n"
    made = saveguard("alerts", "silence", "add", *matcher, "--for", "2 h", "--reason", "a drill")
    (listed,) = saveguard("alerts", "silence", "list", "--json").facts
    assert made.out.startswith(f"silence {listed['id']} of rule {RULE}, severity CRITICAL holds")
    assert listed["reason"] == "a drill"
    assert saveguard("alerts", "silence", "end", listed["id"]).code == 0
    assert saveguard("alerts", "silence", "list", "--json").facts == []
    assert len(saveguard("alerts", "silence", "list", "--all", "--json").facts) == 1


def test_a_silence_that_is_refused_says_why(saveguard: Shell) -> None:
    asked = ("alerts", "silence", "add", "--for", "2 h", "--reason", "a drill")

    assert "cannot be silenced" in saveguard.refused(*asked, "--rule", "WATCH-001")
    assert "Say which alerts" in saveguard.refused(*asked)


def test_an_alert_is_taken_in_hand_at_a_terminal(saveguard: Shell, bench: Bench) -> None:
    bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()
    alert_id = str(bench.alert(RULE)["id"])

    said = saveguard("alerts", "ack", alert_id, "--as", "expected", "--remark", "we know")

    assert said.code == 0
    assert bench.alert(RULE)["disposition"] == "expected"
    assert "in hand: " in saveguard("alerts", "status").out
    unknown = str(SystemClock().uuid7())
    assert "There is no such alert" in saveguard.refused("alerts", "ack", unknown)


def test_the_correlation_id_of_an_alert_without_an_attempt_is_found(
    saveguard: Shell, bench: Bench
) -> None:
    bench.tick()
    bench.clock.advance(timedelta(seconds=5))
    judged = bench.tick(30)
    given = bench.alert("WATCH-001")["correlation_id"]

    told = saveguard("attempts", f"alert with {given} in it")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(
        f"{given} is the evaluation in which alert rule WATCH-001 went from unknown to firing at"
    )
    assert f"by tick {judged.number}: " in told.out
    (fact,) = saveguard("attempts", given, "--json").facts
    assert (fact["taken_for"], fact["rule_id"], fact["after"]) == (
        "evaluation", "WATCH-001", "firing",
    )  # fmt: skip


def test_the_correlation_id_of_a_channels_test_is_found(saveguard: Shell, bench: Bench) -> None:
    runtime = bench.runtime
    with session_of(runtime.target) as session:
        ana = Actor(None, "ana", Way.TERMINAL, None, "correlation")
        put_tests(session, runtime.settings, runtime.clock, ana, ChannelName)
        made = select(AlertOutbox.body).where(AlertOutbox.channel == ChannelName.TELEGRAM)
        given = session.exec(made).one()["correlationId"]

    told = saveguard("attempts", f"[TEST] {given}")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"{given} is the test of channel telegram that was made at ")
    (fact,) = saveguard("attempts", given, "--json").facts
    assert (fact["taken_for"], fact["channel"], fact["state"]) == (
        "channel test", "telegram", "waiting",
    )  # fmt: skip


def test_of_an_attempt_that_an_alert_points_at_both_are_told(
    saveguard: Shell, bench: Bench
) -> None:
    bench.save(20)
    bench.tick()
    (given,) = bench.fail(ErrorCode.DATABASE_TIMEOUT)
    bench.tick()

    told = saveguard("attempts", given)
    assert told.code == 0
    assert "DATABASE_TIMEOUT" in told.out
    assert (
        f"{given} is the attempt that was shown when alert rule {RULE} went from inactive to firing"
        in told.out
    )
