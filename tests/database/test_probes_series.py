"""The probes of numbers over time: every minute there, kept, and what the ledger says."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes.series import gaps
from engine.runtime import Runtime
from tests.database.attempt_rows import attempt, write
from tests.database.databases import run
from tests.database.releases import NOON, Lookout, ago, at_noon, rolled
from tests.sabotage import sabotage

_MINUTE = timedelta(minutes=1)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    """Just over two hours after the deployment: the two hours of POST-4 have passed for good."""
    return at_noon(runtime).deployed(ago(minutes=121))


def every_minute(target: Target, *but: int) -> None:
    """An attempt in each of the two hours' minutes but some, and the roller ran."""
    write(
        target.app,
        *(
            attempt(ago(minutes=121 - number, seconds=-1))
            for number in range(121)
            if number not in but
        ),
    )
    rolled(target)


def test_two_hours_of_which_each_minute_has_attempts_are_complete(
    look: Lookout, target: Target
) -> None:
    every_minute(target)

    found = look("window.complete")

    assert found.verdict is Verdict.PASSING, found
    assert found.reason == "All 120 minutes have live attempts"


def test_minutes_without_attempts_are_told_and_prove_nothing(look: Lookout, target: Target) -> None:
    every_minute(target, 7, 8, 9, 50)

    found = look("window.complete")

    assert found.verdict is Verdict.INSUFFICIENT
    assert found.reason.startswith("4 of 120 minutes had no live attempt")
    assert [each.rpartition(" ")[0][-2:].strip() for each in found.numbers["gaps"]] == ["3", "1"]


@sabotage("window.complete", "POST-4.1")
def test_a_minute_with_requests_and_without_attempts_saw_nothing(
    look: Lookout, target: Target
) -> None:
    every_minute(target, 7)
    minute = ago(minutes=121 - 7).isoformat()
    run(
        target.owner,
        f"INSERT INTO edge_count VALUES ('{minute}', '{UUID(int=1)}', 1, 3, 0)",  # noqa: S608
    )

    found = look("window.complete")

    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("1 of 120 minutes have requests at an edge and no attempt")


@sabotage("window.complete", "POST-4.1", "POST-8.1")
@sabotage("ui.fresh", "POST-3.1")
def test_a_roller_that_stands_still_is_red(look: Lookout, target: Target) -> None:
    every_minute(target)
    run(target.owner, "UPDATE rollup_state SET rolled_at = rolled_at - interval '2 minutes'")

    found = [look("window.complete"), look("ui.fresh")]
    look.deployed(ago(hours=30))
    found.append(look("window.complete", "POST-8.1"))

    assert {each.verdict for each in found} == {Verdict.FAILING}, found
    assert all(each.reason.startswith("The roller ran last") for each in found)


def test_two_hours_have_to_pass(runtime: Runtime, target: Target) -> None:
    look = at_noon(runtime).deployed(ago(minutes=70))
    every_minute(target)

    found = look("window.complete")

    assert found.verdict is Verdict.INSUFFICIENT
    assert "so far" in found.reason


def test_minutes_that_follow_on_each_other_are_one_gap() -> None:
    minutes = [NOON + number * _MINUTE for number in (0, 1, 2, 7, 9, 10)]

    assert [(first.minute, count) for first, count in gaps(minutes)] == [(0, 3), (7, 1), (9, 2)]
    assert list(gaps([])) == []


# --- performance over time --------------------------------------------------------------------


@pytest.fixture
def after_two_days(runtime: Runtime) -> Lookout:
    return at_noon(runtime).deployed(ago(hours=48))


def every_hour(target: Target, *but: int) -> None:
    """An attempt in each of two days' hours but some, and the roller ran."""
    write(
        target.app,
        *(
            attempt(ago(hours=48 - number, minutes=-30), duration_us=4_000)
            for number in range(48)
            if number not in but
        ),
    )
    rolled(target)


def test_hours_that_are_kept_are_told_beside_the_week_before(
    after_two_days: Lookout, target: Target
) -> None:
    write(target.app, attempt(ago(days=4), duration_us=2_000))
    every_hour(target)

    found = after_two_days("perf.series")

    assert found.verdict is Verdict.PASSING, found
    assert len(found.numbers["hours"]) == 48
    assert "P95 4.0 ms, 2.0 ms in the week before" in found.reason


def test_hours_without_attempts_tell_nothing(after_two_days: Lookout, target: Target) -> None:
    every_hour(target, 5)

    found = after_two_days("perf.series")

    assert found.verdict is Verdict.INSUFFICIENT
    assert found.reason == "1 of 48 hours had no live attempt"


@sabotage("perf.series", "POST-8.4")
def test_hours_that_nobody_keeps_are_red(after_two_days: Lookout, target: Target) -> None:
    every_hour(target)
    run(target.owner, "UPDATE rollup_state SET rolled_at = rolled_at - interval '1 hour'")

    assert after_two_days("perf.series").verdict is Verdict.FAILING


# --- what screens show ------------------------------------------------------------------------


def test_numbers_of_this_minute_that_equal_the_rows_are_green(
    look: Lookout, target: Target
) -> None:
    write(target.app, *(attempt(ago(seconds=20)) for _ in range(5)))
    rolled(target)

    found = look("ui.fresh")

    assert found.verdict is Verdict.PASSING, found
    assert found.numbers["newestBucketAgeSeconds"] == 20


@sabotage("ui.fresh", "POST-3.1")
def test_a_number_that_is_not_what_the_rows_say_is_red(look: Lookout, target: Target) -> None:
    write(target.app, *(attempt(ago(seconds=20)) for _ in range(5)))
    rolled(target)
    run(target.owner, "UPDATE attempt_rollup SET attempts = attempts + 1")

    found = look("ui.fresh")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "attempts: 6 shown, 5 counted"


def test_an_hour_without_attempts_cannot_be_fresh(look: Lookout, target: Target) -> None:
    rolled(target)
    nothing = look("ui.fresh")
    write(target.app, attempt(ago(minutes=3)))

    old = look("ui.fresh")

    assert nothing.verdict is old.verdict is Verdict.INSUFFICIENT
    assert old.reason == "The newest attempt is of 180 s ago"


def test_nothing_is_fresh_before_a_deployment(runtime: Runtime) -> None:
    found = at_noon(runtime)("ui.fresh")

    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, "Not deployed yet")
