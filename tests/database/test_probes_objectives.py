"""The probes of promises: proved, broken or too thin, on both sides of the bound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.attempts.outcome import Source
from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes.objectives import ASKED
from engine.runtime import Runtime
from tests.database.attempt_rows import attempt, write
from tests.database.releases import NOON, Lookout, ago, at_noon, rolled
from tests.sabotage import sabotage

HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    """An hour after the deployment: the half hour of POST-3 has just passed."""
    return at_noon(runtime).deployed(ago(hours=1))


def attempts(
    count: int, end: datetime = NOON, length: timedelta = HALF_HOUR, **more: Any
) -> Sequence[tuple[Any, ...]]:
    """So many, spread evenly over a stretch of time."""
    return [attempt(end - length * (number + 0.5) / count, **more) for number in range(count)]


def test_a_share_is_proved_by_enough_attempts_without_a_bad_one(
    look: Lookout, target: Target
) -> None:
    found = {0: look("slo.bound", "POST-3.2")}
    for more in (298, 1):
        write(target.app, *attempts(more))
        found[found[max(found)].numbers["of"] + more] = look("slo.bound", "POST-3.2")

    assert {count: each.verdict.value for count, each in found.items()} == {
        0: "insufficient data",
        298: "insufficient data",
        299: "passing",
    }
    assert {each.numbers["needed"] for each in found.values()} == {299}
    assert all(each.witness.startswith("SELECT count(*) FILTER") for each in found.values())


def test_p95_is_proved_by_59(look: Lookout, target: Target) -> None:
    write(target.app, *attempts(58))
    thin = look("slo.bound", "POST-3.4")
    write(target.app, *attempts(1))

    found = look("slo.bound", "POST-3.4")

    assert (thin.verdict, found.verdict) == (Verdict.INSUFFICIENT, Verdict.PASSING)


# An attempt that breaks just this promise, as far as one can be broken without another.
BAD: dict[str, dict[str, Any]] = {
    "success_rate": {"outcome": 3, "error_code": 1},
    "error_rate": {"outcome": 3, "error_code": 1},
    "latency_p95": {"duration_us": 500_000},
    "latency_p99": {"duration_us": 1_000_000},
    "critical_error_rate": {"outcome": 5, "error_code": 18},
    "conflict_rate": {"outcome": 4, "error_code": 3},
    "rollback_rate": {"retries": 1},
}


@pytest.mark.parametrize(
    "box", [pytest.param(box, marks=sabotage("slo.bound", box)) for box in ASKED]
)
def test_too_many_bad_ones_break_a_promise(runtime: Runtime, target: Target, box: str) -> None:
    look = at_noon(runtime).deployed(ago(hours=30 if box.startswith("STABLE") else 1))
    kind = Source.LOAD if box.startswith("PRE") else Source.LIVE
    given: dict[str, Any] = {"source": kind.value}
    write(target.app, *attempts(260, **given), *attempts(40, **given, **BAD[ASKED[box].key]))

    found = look("slo.bound", box)

    assert found.verdict is Verdict.FAILING, found
    assert f"40 of 300 {kind.name.lower()}" in found.reason


def test_a_day_of_attempts_is_judged_by_day(runtime: Runtime, target: Target) -> None:
    look = at_noon(runtime).deployed(ago(hours=30))
    boxes = ("STABLE-1", "STABLE-4", "STABLE-5", "STABLE-6", "STABLE-7")
    write(target.app, *attempts(260, length=timedelta(hours=20)))
    before = {look("slo.bound", box).verdict for box in boxes}
    ten_hours = timedelta(hours=10)
    write(
        target.app,
        *attempts(20, length=ten_hours, outcome=5, error_code=18, retries=1),
        *attempts(20, length=ten_hours, outcome=4, error_code=3),
    )

    found = {box: look("slo.bound", box) for box in boxes}

    assert before == {Verdict.INSUFFICIENT}
    assert {each.verdict for each in found.values()} == {Verdict.FAILING}
    assert {box: each.numbers["bad"] for box, each in found.items()} == dict(
        zip(boxes, (40, 40, 20, 20, 20), strict=True)
    )


def test_what_was_proved_of_some_hours_is_no_day(runtime: Runtime, target: Target) -> None:
    look = at_noon(runtime).deployed(ago(hours=2))
    write(target.app, *attempts(299))
    rolled(target)
    some_hours = look("slo.bound", "STABLE-1")

    found = look.deployed(ago(hours=24))("slo.bound", "STABLE-1")

    assert some_hours.verdict is Verdict.INSUFFICIENT
    assert "more to come until" in some_hours.reason
    assert found.verdict is Verdict.PASSING, found


def test_nothing_is_said_before_a_deployment_and_before_the_time_of_a_phase(
    runtime: Runtime, target: Target
) -> None:
    write(target.app, *attempts(299))
    look = at_noon(runtime)
    before = look("slo.bound", "POST-3.2")

    early = look.deployed(ago(minutes=10))("slo.bound", "POST-3.2")

    assert (before.verdict, before.reason) == (Verdict.UNKNOWN, "Not deployed yet")
    assert early.verdict is Verdict.UNKNOWN
    assert early.reason.startswith("Its time opens at")


def test_attempts_outside_of_the_time_of_the_phase_do_not_count(
    look: Lookout, target: Target
) -> None:
    write(target.app, *attempts(299), *attempts(9, ago(minutes=35), outcome=5, error_code=6))

    assert look("slo.bound", "POST-3.2").verdict is Verdict.PASSING


def test_synthetic_attempts_may_speak_against_a_promise_and_never_for_it(
    look: Lookout, target: Target
) -> None:
    write(target.app, *attempts(400, source=Source.SYNTHETIC.value))
    proved = look("slo.bound", "POST-3.4")
    write(target.app, *attempts(99, source=Source.SYNTHETIC.value, duration_us=2_000_000))

    slow = look("slo.bound", "POST-3.4")

    assert proved.verdict is Verdict.INSUFFICIENT
    assert "synthetic: 0 of 400" in proved.reason
    assert slow.verdict is Verdict.FAILING
    assert "99 of 499 synthetic" in slow.reason


def test_the_baseline_is_unknown_without_a_load_run(look: Lookout, target: Target) -> None:
    write(target.app, *attempts(400))

    found = look("slo.bound", "PRE-3.17.1")

    assert found.verdict is Verdict.UNKNOWN
    assert "No load run" in found.reason


@pytest.mark.parametrize(
    ("count", "bad", "verdict"),
    [(298, 0, "insufficient data"), (299, 0, "passing"), (299, 30, "failing")],
)
def test_the_baseline_is_judged_by_load_alone(
    look: Lookout, target: Target, count: int, bad: int, verdict: str
) -> None:
    load: dict[str, Any] = {"source": Source.LOAD.value}
    write(
        target.app,
        *attempts(count - bad, **load),
        *attempts(bad, **load, outcome=5, error_code=6),
        *attempts(50, outcome=5, error_code=6),
    )

    assert look("slo.bound", "PRE-3.17.1").verdict.value == verdict


def test_every_box_that_asks_for_a_bound_has_its_objective(look: Lookout) -> None:
    items = look.readiness.release.items.values()

    assert {each.id for each in items if each.probe == "slo.bound"} == set(ASKED)


# --- all the time -----------------------------------------------------------------------------

TWO_HOURS = timedelta(hours=2)


@pytest.fixture
def later(runtime: Runtime) -> Lookout:
    """Two hours after the deployment."""
    return at_noon(runtime).deployed(ago(hours=2))


def test_no_bad_window_and_enough_attempts_keep_the_targets(later: Lookout, target: Target) -> None:
    # 0.1 % of conflicts takes 2,995 without one.
    write(target.app, *attempts(3_000, length=TWO_HOURS))

    found = later("slo.windows")

    assert found.verdict is Verdict.PASSING, found
    assert (found.numbers["windows"], found.numbers["bad"]) == (24, 0)


def test_few_attempts_prove_no_target_whatever_the_windows(later: Lookout, target: Target) -> None:
    write(target.app, *attempts(100, length=TWO_HOURS))

    found = later("slo.windows")

    assert found.verdict is Verdict.INSUFFICIENT
    assert "needs 299" in found.reason


@sabotage("slo.windows", "POST-4.2")
def test_five_bad_minutes_of_two_hours_show(later: Lookout, target: Target) -> None:
    write(
        target.app,
        *attempts(3_000, length=TWO_HOURS),
        *attempts(20, ago(minutes=50), timedelta(minutes=4), outcome=5, error_code=6),
    )

    found = later("slo.windows")

    assert found.verdict is Verdict.FAILING, found
    assert any("11:05" in each for each in found.numbers["badWindows"])


@sabotage("slo.windows", "POST-4.2")
def test_a_budget_that_burns_too_fast_shows_although_no_window_is_bad(
    later: Lookout, target: Target
) -> None:
    """Of 50 attempts two may fail by chance; of 1,200 not 48."""
    write(
        target.app,
        *attempts(1_152, length=TWO_HOURS),
        *attempts(48, length=TWO_HOURS, outcome=5, error_code=6),
    )

    found = later("slo.windows")

    assert found.verdict is Verdict.FAILING, found
    assert found.numbers["bad"] == 0
    assert "burns faster than" in found.reason


def test_two_hours_alike_are_stable(later: Lookout, target: Target) -> None:
    bad: dict[str, Any] = {"outcome": 5, "error_code": 6}
    write(
        target.app,
        *attempts(1_000, length=TWO_HOURS),
        *attempts(10, length=TWO_HOURS, **bad),
    )

    found = later("slo.stable")

    assert found.verdict is Verdict.PASSING, found
    assert found.numbers["first"] == found.numbers["second"] == {"errors": 5, "attempts": 505}


@sabotage("slo.stable", "POST-4.6")
def test_a_second_hour_with_more_errors_is_no_accident(later: Lookout, target: Target) -> None:
    bad: dict[str, Any] = {"outcome": 5, "error_code": 6}
    write(
        target.app,
        *attempts(1_000, length=TWO_HOURS),
        *attempts(1, ago(minutes=90), **bad),
        *attempts(15, **bad),
    )

    found = later("slo.stable")

    assert found.verdict is Verdict.FAILING, found
    assert "by chance in" in found.reason


@sabotage("slo.stable", "POST-4.6")
def test_a_code_that_came_only_in_the_second_hour_shows(later: Lookout, target: Target) -> None:
    write(
        target.app,
        *attempts(1_000, length=TWO_HOURS),
        *attempts(1, outcome=4, error_code=3),
    )

    found = later("slo.stable")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "QUOTE_CONFLICT_VERSION came only in the second half"


def test_two_thin_hours_cannot_be_told_apart(later: Lookout, target: Target) -> None:
    write(target.app, *attempts(100, length=TWO_HOURS))

    assert later("slo.stable").verdict is Verdict.INSUFFICIENT


def test_the_second_hour_has_to_pass_first(runtime: Runtime, target: Target) -> None:
    write(target.app, *attempts(3_000, length=TWO_HOURS))
    look = at_noon(runtime).deployed(ago(minutes=90))

    found = {probe: look(probe).verdict for probe in ("slo.windows", "slo.stable")}

    assert set(found.values()) == {Verdict.INSUFFICIENT}
