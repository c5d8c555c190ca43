"""The probes of monitoring: rules, ticks, and who would notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from engine.alerting import rules_in_force
from engine.alerting.loading import own_rules
from engine.attempts.outcome import Source
from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes import alert_rules
from engine.runtime import Runtime
from tests.database.attempt_rows import attempt, write
from tests.database.databases import run
from tests.database.releases import NOON, Lookout, ago, at_noon
from tests.database.test_probes_processes import seen
from tests.database.watched import heard, ticked, watches
from tests.sabotage import sabotage

MINUTE = timedelta(minutes=1)
FIFTEEN = 15 * MINUTE
OUTSIDE = {"alert_heartbeat_url": SecretStr("https://watcher.example/ping")}


@pytest.fixture
def watched(runtime: Runtime, target: Target) -> Lookout:
    """A release of a system that is watched, and has been for a quarter of an hour."""
    ticked(target, FIFTEEN)
    heard(target)
    changed = runtime.settings.model_copy(update=OUTSIDE)
    return at_noon(_with(runtime, settings=changed)).deployed(NOON - FIFTEEN)


def _with(runtime: Runtime, **changes: Any) -> Runtime:
    return replace(runtime, **changes)


def test_a_system_that_is_watched_is_green(watched: Lookout, target: Target) -> None:
    seen(target, "one", "2026.48")
    watches(target, "one")

    found = {
        name: watched(*name)
        for name in (
            ("rules.lint", "PRE-4.4"),
            ("mon.boot", "PRE-4.2"),
            ("mon.heartbeat", "PRE-4.1"),
            ("mon.ticks", "PRE-4.3"),
            ("mon.ticks", "POST-1.3"),
        )
    }

    assert {each.verdict for each in found.values()} == {Verdict.PASSING}, found


@sabotage("rules.lint", "PRE-4.4")
def test_a_rule_that_was_put_out_of_force_is_red(watched: Lookout, target: Target) -> None:
    run(
        target.owner,
        "INSERT INTO alert_rule_change VALUES (gen_random_uuid(), 'HIGH-005', now(), 'ops', NULL,"
        """ 'noisy', '{"enabled": false}')""",
    )

    found = watched("rules.lint")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "1 of 37 rules are not as the release has them: HIGH-005"


@sabotage("rules.lint", "PRE-4.4")
def test_a_release_without_the_rule_of_a_code_is_red(
    watched: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = tuple(each for each in own_rules() if each.id != "HIGH-005")
    for module in (alert_rules, rules_in_force):
        monkeypatch.setattr(module, "own_rules", lambda: fewer)

    found = watched("rules.lint")

    assert found.verdict is Verdict.FAILING
    assert "findings in 36 rules" in found.reason


@sabotage("rules.lint", "PRE-4.4")
def test_an_evaluator_of_other_rules_is_red_and_none_at_all_unknown(
    runtime: Runtime, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_rules, "findings_of", lambda *_: ())
    look = at_noon(runtime)
    nobody = look("rules.lint")
    ticked(target, MINUTE, digest=b"another")

    other = look("rules.lint")

    assert (nobody.verdict, other.verdict) == (Verdict.UNKNOWN, Verdict.FAILING)
    assert "looked at other rules" in other.reason


@sabotage("mon.heartbeat", "PRE-4.1")
def test_an_evaluator_that_stands_still_or_is_of_another_release_or_never_ran_is_red(
    runtime: Runtime, target: Target
) -> None:
    look = at_noon(runtime)
    never = look("mon.heartbeat")
    ticked(target, MINUTE, until=ago(seconds=21))
    still = look("mon.heartbeat")
    run(target.owner, "DELETE FROM alert_tick")
    ticked(target, MINUTE, release="2026.47")
    other = look("mon.heartbeat")

    found = [never, still, other]
    assert [each.verdict for each in found] == [Verdict.FAILING] * 3
    assert [each.reason for each in found] == [
        "The evaluator has never run: there is no tick",
        "Tick 7 was 21 s ago, longer than 20 s: the evaluator stands still",
        "Tick 7 was 0 s ago, of 2026.47, which is not 2026.48",
    ]


def _a_tick_is_gone(target: Target) -> None:
    run(target.owner, "DELETE FROM alert_tick WHERE number = 40")


def _it_stood_still(target: Target) -> None:
    """Numbers follow each other all the same: the next tick takes the next one."""
    run(target.owner, "DELETE FROM alert_tick WHERE number BETWEEN 40 AND 42")
    run(target.owner, "UPDATE alert_tick SET number = number - 3 WHERE number > 42")


def _it_was_late(target: Target) -> None:
    run(target.owner, "UPDATE alert_tick SET due_at = started_at - interval '11 seconds'")


def _it_never_ran(target: Target) -> None:
    run(target.owner, "DELETE FROM alert_tick")


def _nobody_heard(target: Target) -> None:
    heard(target, ago(seconds=31), "timeout")


@sabotage("mon.ticks", "PRE-4.3", "POST-1.3")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_a_tick_is_gone, "1 ticks are missing"),
        (_it_stood_still, "blind for 40 s, longer than 20 s"),
        (_it_was_late, "11.0 s late or later, of 10 s"),
        (_it_never_ran, "did not look at all"),
        (_nobody_heard, "has not heard of the ticks for 31 s (timeout)"),
    ],
    ids=["gap", "stood still", "late", "never", "unheard"],
)
def test_ticks_that_are_not_what_they_should_be_are_red(
    watched: Lookout, target: Target, fault: Callable[[Target], None], words: str
) -> None:
    fault(target)

    for box in ("PRE-4.3", "POST-1.3"):
        found = watched("mon.ticks", box)
        assert found.verdict is Verdict.FAILING, found
        assert words in found.reason


@sabotage("mon.ticks", "PRE-4.3")
def test_ticks_that_nobody_would_miss_are_red(watched: Lookout, runtime: Runtime) -> None:
    found = watched("mon.ticks", settings=runtime.settings)

    assert found.verdict is Verdict.FAILING
    assert "ALERT_HEARTBEAT_URL is not set" in found.reason


def test_a_quarter_of_an_hour_has_to_pass_before_it_is_told(
    runtime: Runtime, target: Target
) -> None:
    changed = runtime.settings.model_copy(update=OUTSIDE)
    look = at_noon(_with(runtime, settings=changed)).deployed(ago(minutes=5))
    ticked(target, 5 * MINUTE)
    heard(target)

    first = look("mon.ticks", "PRE-4.3")
    assert look("mon.ticks", "POST-1.3").verdict is Verdict.INSUFFICIENT
    assert first.verdict is Verdict.INSUFFICIENT
    assert first.reason.startswith("Ticks 1 to 31 without a gap, so far: all is told at 12:10 UTC")


def test_a_new_evaluator_was_not_blind_before_its_first_tick_but_one_that_stopped_was(
    runtime: Runtime, target: Target
) -> None:
    changed = runtime.settings.model_copy(update=OUTSIDE)
    look = at_noon(_with(runtime, settings=changed))
    ticked(target, 5 * MINUTE)
    heard(target)
    new = look("mon.ticks", "PRE-4.3")
    run(target.owner, "UPDATE alert_tick SET number = number + 1000")

    again = look("mon.ticks", "PRE-4.3")

    assert (new.verdict, again.verdict) == (Verdict.INSUFFICIENT, Verdict.FAILING)
    assert "blind for 600 s" in again.reason


def test_a_process_that_saves_as_a_canary_alone_need_not_watch(
    watched: Lookout, target: Target
) -> None:
    run(target.owner, "INSERT INTO origin VALUES (77, 'staging', '2026.48', 'look', now(), false)")
    write(target.app, attempt(ago(seconds=30), origin_id=77, source=Source.SYNTHETIC.value))
    canary = watched("mon.boot")
    write(target.app, attempt(ago(seconds=30), origin_id=77))

    assert canary.numbers["processes"] == 0, canary
    assert watched("mon.boot").numbers["processes"] == 1


def test_a_process_that_was_stopped_in_order_need_not_watch_any_more(
    watched: Lookout, target: Target
) -> None:
    seen(target, "one", "2026.48")
    seen(target, "two", "2026.48")
    watches(target, "one")
    watches(target, "two", ago(minutes=2), ended_at=ago(minutes=2))
    stopped = watched("mon.boot")
    watches(target, "two", ago(minutes=1))

    assert (stopped.verdict, stopped.numbers["processes"]) == (Verdict.PASSING, 1), stopped
    assert watched("mon.boot").numbers["withoutWatchdog"] == ["two"]


@sabotage("mon.boot", "PRE-4.2")
def test_a_process_without_a_watchdog_is_red(watched: Lookout, target: Target) -> None:
    nothing = watched("mon.boot")
    seen(target, "one", "2026.48")
    seen(target, "two", "2026.48")
    watches(target, "one")
    watches(target, "two", ago(seconds=31))

    found = watched("mon.boot")

    assert (nothing.verdict, found.verdict) == (Verdict.INSUFFICIENT, Verdict.FAILING)
    assert found.numbers["withoutWatchdog"] == ["two"]
