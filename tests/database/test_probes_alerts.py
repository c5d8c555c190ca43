"""The probes of alerts: what fires, what has fired, and whether somebody has seen to each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.runtime import Runtime
from tests.database.databases import run
from tests.database.releases import ago, at_noon
from tests.database.watched import alerted, put_out, ticked
from tests.sabotage import sabotage

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
# A rule that counts attempts and had some.
CALM = """
    INSERT INTO alert_state
    VALUES ('HIGH-002', 'inactive', now(), NULL, NULL, NULL, NULL, false, 1, 'calm', '{}')
"""
UNKNOWING = CALM.replace("'inactive'", "'unknown'")


def test_where_nothing_fires_and_somebody_looked_it_is_quiet(
    runtime: Runtime, target: Target
) -> None:
    look = at_noon(runtime).deployed(ago(minutes=10))
    ticked(target, 20 * MINUTE)
    run(target.owner, CALM)
    alerted(target, fired_at=ago(minutes=15), resolved_at=ago(minutes=5))

    found = look("alerts.quiet")

    assert found.verdict is Verdict.PASSING, found
    assert found.reason.startswith("No alert fires or has begun in 61 ticks, so far")


@sabotage("alerts.quiet", "POST-1.7")
@pytest.mark.parametrize(
    "alert",
    [
        {},
        {"fired_at": ago(minutes=15)},
        {"fired_at": ago(minutes=9), "resolved_at": ago(minutes=8)},
        {"severity": "MEDIUM", "muted_by": Jsonb({"silence": "one"})},
    ],
    ids=["fires", "began before and fires", "came and went", "silenced"],
)
def test_an_alert_in_the_first_quarter_of_an_hour_is_not_quiet(
    runtime: Runtime, target: Target, alert: dict[str, Any]
) -> None:
    look = at_noon(runtime).deployed(ago(minutes=10))
    ticked(target, 20 * MINUTE)
    run(target.owner, CALM)
    alerted(target, **alert)

    found = look("alerts.quiet")

    assert found.verdict is Verdict.FAILING, found
    assert "CRITICAL-003" in found.reason


def test_where_nobody_looks_or_no_rule_knows_enough_silence_proves_nothing(
    runtime: Runtime, target: Target
) -> None:
    look = at_noon(runtime).deployed(ago(minutes=10))
    nobody = look("alerts.quiet"), look("alerts.critical", "STABLE-8")
    ticked(target, 20 * MINUTE)
    run(target.owner, UNKNOWING)
    unknowing = look("alerts.quiet")
    run(target.owner, "DELETE FROM alert_tick WHERE number = 100")
    blind = look("alerts.quiet")

    assert {each.verdict for each in (*nobody, blind)} == {Verdict.UNKNOWN}
    assert unknowing.verdict is Verdict.INSUFFICIENT
    assert "1 ticks are missing, so that nothing could fire" in blind.reason


def test_a_day_without_a_critical_alert_is_green_and_half_a_day_too_little(
    runtime: Runtime, target: Target
) -> None:
    ticked(target, DAY)
    alerted(target, fired_at=ago(hours=2), severity="HIGH")
    look = at_noon(runtime)
    at_once = look.deployed(ago(minutes=45))("alerts.critical", "POST-3.6")
    half = look.deployed(ago(hours=12))("alerts.critical", "STABLE-8")
    whole = look.deployed(ago(hours=24))("alerts.critical", "STABLE-8")

    assert at_once.verdict is Verdict.PASSING, at_once
    assert half.verdict is Verdict.INSUFFICIENT, half
    assert whole.verdict is Verdict.PASSING, whole


@sabotage("alerts.critical", "POST-3.6", "STABLE-8")
def test_a_critical_alert_is_red_also_when_it_is_over(runtime: Runtime, target: Target) -> None:
    ticked(target, DAY)
    alerted(target, fired_at=ago(minutes=40), resolved_at=ago(minutes=20))
    look = at_noon(runtime)
    early = look.deployed(ago(minutes=55))("alerts.critical", "POST-3.6")
    late = look.deployed(ago(hours=25))("alerts.critical", "STABLE-8")

    assert (early.verdict, late.verdict) == (Verdict.FAILING, Verdict.FAILING)
    assert "which is over" in late.reason


SEEN_TO: dict[str, Any] = {
    "fired_at": ago(hours=5),
    "told_at": ago(hours=5),
    "acknowledged_at": ago(hours=4),
    "acknowledged_by": "on-call",
    "resolved_at": ago(hours=3),
    "disposition": "real",
}


def test_alerts_that_were_told_and_seen_to_are_all_tracked(
    runtime: Runtime, target: Target
) -> None:
    look = at_noon(runtime).deployed(ago(hours=48))
    ticked(target, 48 * HOUR)
    put_out(target, alert_id=alerted(target, **SEEN_TO))
    in_a_group = alerted(target, **SEEN_TO)
    put_out(target, body=Jsonb({"others": [{"alertId": str(in_a_group)}]}))
    alerted(target, **SEEN_TO | {"told_at": None, "muted_by": Jsonb({"cause": "WATCH-001"})})

    found = look("alerts.census")
    run(target.owner, "DELETE FROM alert_tick WHERE number = 100")
    blind = look("alerts.census")

    assert found.verdict is Verdict.PASSING, found
    assert found.reason == "3 alerts since the deployment, 0 without owner or disposition"
    assert blind.verdict is Verdict.UNKNOWN


@sabotage("alerts.census", "POST-8.3")
@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"acknowledged_at": None, "resolved_at": None}, "delivered", "nobody has it in hand"),
        ({"disposition": None}, "delivered", "nobody has said what it was"),
        ({}, "failed", "no channel has taken it"),
    ],
    ids=["no owner", "no disposition", "untold"],
)
def test_an_alert_that_nobody_has_seen_to_is_red(
    runtime: Runtime, target: Target, changes: dict[str, Any], state: str, words: str
) -> None:
    look = at_noon(runtime).deployed(ago(hours=30))
    ticked(target, MINUTE)
    put_out(target, alert_id=alerted(target, **SEEN_TO | changes), state=state)

    found = look("alerts.census")

    assert found.verdict is Verdict.FAILING, found
    assert words in found.reason
