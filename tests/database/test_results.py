"""Test results that somebody imports: put down for the boxes that they decide, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import pytest

from engine.access.roles import Role
from engine.clock import Clock, SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.readiness.assessment import State, Verdict
from engine.readiness.looking import Readiness
from engine.readiness.results import import_results, suites
from engine.settings import Settings
from tests.database.people import account, acting, trail
from tests.database.releases import lead, readiness_of, released
from tests.sabotage import sabotage, seen

COMMIT: Final = "0123abc"
LOCKING: Final = next(each for each in suites() if each.name == "locking")


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


class Desk:
    """Where results are brought."""

    def __init__(self, target: Target, settings: Settings, clock: Clock) -> None:
        self.target, self.settings, self.clock = target, settings, clock
        _, self.actor = lead(target, clock)
        self.release_id = released(target, clock, self.actor, commit=f"{COMMIT}def0")

    def readiness(self) -> Readiness:
        return readiness_of(self.target, self.settings, self.clock, self.release_id)

    def state(self, box: str) -> State:
        return self.readiness().standings[box].state

    def bring(self, xml: bytes, commit: str = COMMIT, **more: Any) -> Any:
        release = more.get("release") or self.readiness().release
        actor = more.get("actor") or self.actor
        with session_of(self.target) as session:
            found = import_results(session, self.clock, self.settings, actor, release, xml, commit)
        for box, each in found.items() if isinstance(found, Mapping) else ():
            seen(str(release.items[box].probe), box, each.verdict)
        return found


@pytest.fixture
def desk(target: Target, settings: Settings, clock: Clock) -> Desk:
    return Desk(target, settings, clock)


def results_of(*suite_names: str, without: str = "", inside: str = "") -> bytes:
    """Results in which each path and sabotage of some suites has one test.

    Args:
        suite_names: which.
        without: a path that has none.
        inside: what stands in the first of them, for example a failure.
    """
    cases: list[str] = []
    for suite in suites():
        if suite.name in suite_names:
            for path in suite.paths:
                if path != without:
                    file = path if path.endswith(".py") else f"{path}/test_of.py"
                    cases.append(_case(f"{file}::test_it"))
            cases += [_case(each) for each in suite.sabotage]
    if inside:
        cases[0] = cases[0].replace("/>", f">{inside}</testcase>")
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


def _case(test_id: str) -> str:
    file, _, name = test_id.partition("::")
    dotted = file.removesuffix(".py").replace("/", ".")
    return f'<testcase classname="{dotted}" name="{name}"/>'


def test_results_turn_the_boxes_green_that_they_decide_and_no_others(desk: Desk) -> None:
    found = desk.bring(results_of(*(each.name for each in suites())))

    standings = desk.readiness().standings
    boxes = {box for each in suites() for box in each.boxes}
    assert set(found) == boxes
    green = {box for box, each in standings.items() if each.state is State.PASSING}
    assert green == boxes | {"READY-2"}  # which follows from them
    evidence = standings["PRE-3.2"].evidence
    assert evidence is not None
    assert evidence.numbers["sabotage"] == 1
    assert evidence.runner == desk.actor.name
    (event,) = [each for each in trail(desk.target) if each["action"] == "probe run"]
    assert event["outcome"] == "done"
    assert event["details"]["results"] == evidence.numbers["sha256"]


@pytest.mark.parametrize("inside", ["<failure/>", "<error/>", "<skipped/>"])
def test_a_test_that_did_not_pass_turns_its_box_red(desk: Desk, inside: str) -> None:
    desk.bring(results_of("locking"))
    assert desk.state("PRE-3.2") is State.PASSING

    desk.bring(results_of("locking", inside=inside))

    assert desk.state("PRE-3.2") is State.FAILING


@sabotage("runs.unit", "PRE-3.1")
@sabotage("runs.integration", "PRE-3.8")
@sabotage("runs.suite+sabotage", "PRE-3.2", "PRE-3.3", "PRE-3.4", "PRE-3.5", "PRE-3.6", "PRE-3.7")
@sabotage("sec.canary", "PRE-8.1")
@sabotage("sec.sqli", "PRE-8.2")
@sabotage("sec.xss", "PRE-8.3")
@sabotage("ui.oracle", "PRE-4.8")
def test_a_failure_in_a_suite_turns_its_boxes_red(desk: Desk) -> None:
    for suite in suites():
        found = desk.bring(results_of(suite.name, inside="<failure/>"))

        assert {found[box].verdict for box in suite.boxes} == {Verdict.FAILING}, suite.name


def test_a_suite_without_tests_is_not_green(desk: Desk) -> None:
    desk.bring(results_of("state"))

    assert desk.state("PRE-3.2") is State.INSUFFICIENT


def test_a_file_of_a_suite_that_is_missing_turns_its_box_red(desk: Desk) -> None:
    desk.bring(results_of("locking", without=LOCKING.paths[0]))

    assert desk.state("PRE-3.2") is State.FAILING


def test_results_may_come_in_several_files(desk: Desk) -> None:
    desk.bring(results_of("locking"))
    desk.bring(results_of("state"))

    assert desk.state("PRE-3.2") is State.PASSING
    assert desk.state("PRE-3.3") is State.PASSING


def refused(answer: object, code: ErrorCode) -> Refusal:
    assert isinstance(answer, Refusal)
    assert answer.code is code
    return answer


@pytest.mark.parametrize(
    ("xml", "commit", "words"),
    [
        (results_of("locking"), "9999999", "not of"),
        (results_of("locking"), COMMIT[:6], "not of"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><testsuites/>', COMMIT, "document type"),
        (b"no XML", COMMIT, "no XML"),
    ],
    ids=["another commit", "half a commit", "entities", "no xml"],
)
def test_what_cannot_be_results_of_this_release_is_refused_and_that_is_written_down(
    desk: Desk, xml: bytes, commit: str, words: str
) -> None:
    before = desk.readiness().standings

    refusal = refused(desk.bring(xml, commit), ErrorCode.QUOTE_VALIDATION_FAILED)

    assert words in refusal.message
    after = desk.readiness().standings
    assert {box: each.state for box, each in after.items()} == {
        box: each.state for box, each in before.items()
    }
    (event,) = [each for each in trail(desk.target) if each["action"] == "probe run"]
    assert event["outcome"] == "refused"


def test_who_may_not_sign_brings_no_results(desk: Desk) -> None:
    viewer = acting(account(desk.target, desk.clock, Role.VIEWER))

    refused(desk.bring(results_of("locking"), actor=viewer), ErrorCode.AUTHORIZATION_FAILED)

    assert desk.state("PRE-3.2") is State.UNKNOWN


def test_a_release_with_fewer_tests_than_the_last_one_is_told_so(desk: Desk) -> None:
    desk.bring(results_of("unit", "integration"))
    next_id: UUID = released(
        desk.target, desk.clock, desk.actor, name="next", commit=f"{COMMIT}def0"
    )
    desk.release_id = next_id
    fewer = results_of("unit").replace(
        b'<testcase classname="tests.unit.test_of" name="test_it"/>', b""
    )
    one_more = results_of("unit")

    desk.bring(fewer)
    after_fewer = desk.state("PRE-3.1")
    desk.bring(one_more)

    assert after_fewer is State.FAILING
    assert desk.state("PRE-3.1") is State.PASSING


def test_a_file_with_a_part_of_the_tests_turns_no_red_box_of_its_commit_green(desk: Desk) -> None:
    more = results_of("locking").replace(
        b"</testsuite>", _case(f"{LOCKING.paths[0]}::test_more").encode() + b"</testsuite>"
    )
    red = more.replace(b'name="test_more"/>', b'name="test_more"><failure/></testcase>')
    desk.bring(red)

    desk.bring(results_of("locking"))
    after_a_part = desk.state("PRE-3.2")
    desk.bring(more)

    assert after_a_part is State.FAILING
    assert desk.state("PRE-3.2") is State.PASSING


def test_as_many_tests_are_wanted_as_ever_passed_and_not_as_ever_failed(desk: Desk) -> None:
    more = results_of("locking").replace(
        b"</testsuite>", _case(f"{LOCKING.paths[0]}::test_more").encode() + b"</testsuite>"
    )
    red = more.replace(b'name="test_more"/>', b'name="test_more"><failure/></testcase>')

    def next_release(name: str, commit: str) -> None:
        desk.release_id = released(desk.target, desk.clock, desk.actor, name=name, commit=commit)

    desk.bring(red)
    next_release("second", "aaaaaaaa")
    desk.bring(results_of("locking"), "aaaaaaaa")
    after_red = desk.state("PRE-3.2")
    desk.bring(more, "aaaaaaaa")
    next_release("third", "bbbbbbbb")
    desk.bring(results_of("locking"), "bbbbbbbb")

    assert after_red is State.PASSING
    assert desk.state("PRE-3.2") is State.FAILING
