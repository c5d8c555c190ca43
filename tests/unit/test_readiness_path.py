"""The shortest path to green: the fewest actions, in the order of who can do them."""

from __future__ import annotations

from datetime import timedelta

from engine.readiness.assessment import Verdict, assess
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import Readiness
from engine.readiness.path import Action, ActionKind, path_to, path_to_phase
from engine.readiness.records import RecordKind, written_instant
from engine.readiness.standing import phase_standings
from engine.readiness.tables import ReadinessRecord
from tests.unit.readiness_records import (
    CLOCK,
    HOUR,
    NOW,
    THINGS,
    deployed,
    evidence,
    record,
    released,
)

MACHINES = {"PRE-1.1", "PRE-1.2", "PRE-1.3", "PRE-2.1", "PRE-2.2", "POST-3.2"}


def readiness(*records: ReadinessRecord, checklist: str | None = None) -> Readiness:
    first = released() if checklist is None else released(checklist=checklist)
    known = knowledge_of([first, *records])
    standings = assess(known.release.items, known.known(THINGS), NOW)
    return Readiness(known, standings, phase_standings(known, standings, NOW), NOW)


def path(now: Readiness, *phases: str) -> list[Action]:
    wanted = [each for each in now.phases if each.phase.id in phases]
    return list(path_to(now, wanted, MACHINES))


def kinds(steps: list[Action]) -> list[str]:
    return [each.kind.value for each in steps]


def test_one_run_looks_at_all_boxes_that_a_machine_can_look_at() -> None:
    steps = path(readiness(), "PRE-2")

    assert steps[0].kind is ActionKind.RUN
    assert steps[0].boxes == ("PRE-2.1", "PRE-2.2")


def test_a_stale_box_is_run_again_and_a_failing_one_is_mended() -> None:
    stale = evidence("PRE-2.2", NOW - 25 * HOUR)
    failing = evidence("PRE-2.1", NOW - HOUR, Verdict.FAILING)
    steps = path(readiness(stale, failing), "PRE-2")

    by_kind = {each.kind: each.boxes for each in steps}
    assert by_kind[ActionKind.RUN] == ("PRE-2.2",)
    assert by_kind[ActionKind.MEND] == ("PRE-2.1",)


def test_a_gate_is_looked_at_then_mended_or_vouched_for() -> None:
    def step(*records: ReadinessRecord) -> Action:
        now = readiness(deployed(NOW - 49 * HOUR), *records)
        steps = path_to(now, now.phases, {"PRE-6.1", "POST-8.5"})
        return next(each for each in steps if box in each.boxes)

    box = "PRE-6.1"
    assert step().kind is ActionKind.RUN
    assert step(evidence(box, NOW - HOUR)).kind is ActionKind.VOUCH
    red = step(evidence(box, NOW - HOUR, Verdict.FAILING))
    assert (red.kind, red.words) == (
        ActionKind.MEND,
        "Nobody can vouch for PRE-6.1 before this is mended: Two of two",
    )
    assert step(evidence(box, NOW - HOUR, Verdict.UNKNOWN)).kind is ActionKind.WAIT
    box = "POST-8.5"
    more = record(RecordKind.FEEDBACK, {"words": "Slow", "correlationIds": []}, NOW)
    assert step(evidence(box, NOW - HOUR), more).kind is ActionKind.RUN


def test_one_drill_answers_all_boxes_that_it_is_the_probe_of() -> None:
    steps = path(readiness(deployed(NOW - 40 * HOUR)), "POST-2")

    drills = [each.boxes for each in steps if each.kind is ActionKind.DRILL]
    assert ("POST-2.1", "POST-2.2", "POST-2.3") in drills


def test_a_drill_that_a_machine_looks_at_is_looked_at_then_run_then_looked_at_again() -> None:
    def step(*records: ReadinessRecord) -> Action:
        now = readiness(*records)
        return next(each for each in path_to(now, now.phases, {box}) if box in each.boxes)

    box = "PRE-4.7"
    nobody_tested = step(evidence(box, NOW - HOUR, Verdict.INSUFFICIENT))
    assert step().kind is ActionKind.RUN
    assert nobody_tested.kind is ActionKind.DRILL
    assert nobody_tested.words.startswith("Run the drill alert.nonce")
    assert step(evidence(box, NOW - 31 * 24 * HOUR)).kind is ActionKind.RUN
    assert step(evidence(box, NOW - HOUR, Verdict.FAILING)).kind is ActionKind.MEND


def test_what_nothing_looks_for_yet_takes_a_waiver_and_that_is_said() -> None:
    (step,) = [each for each in path(readiness(), "PRE-1") if each.kind is ActionKind.WAIVE]

    assert step.boxes == tuple(f"PRE-1.{number}" for number in range(4, 11))
    assert "Nothing looks for it yet" in step.words


def test_a_waiver_that_waits_for_somebody_is_agreed_to() -> None:
    body = {"reason": "Later", "expiresAt": written_instant(NOW + timedelta(days=1))}
    waiver = record(
        RecordKind.WAIVER,
        body,
        NOW,
        item_id="PRE-1.4",
        recorded_by="lia",
        account_id=CLOCK.uuid7(),
    )
    (step,) = [each for each in path(readiness(waiver), "PRE-1") if each.boxes == ("PRE-1.4",)]

    assert (step.kind, step.words) == (
        ActionKind.SECOND,
        "Agree to the waiver of PRE-1.4 that lia has asked for",
    )


def test_a_derived_box_is_what_it_follows_from_and_each_box_comes_once() -> None:
    steps = path(readiness(), "READY")

    boxes = [box for each in steps for box in each.boxes]
    assert len(boxes) == len(set(boxes))
    assert not any(box.startswith("READY") or box in {"PRE-3.17", "PRE-10.1"} for box in boxes)
    assert {"PRE-3.17.1", "POST-7.4", "PRE-10.9"} <= set(boxes)


def test_what_opens_later_waits_and_says_for_what() -> None:
    before = path(readiness(), "POST-3")
    early = path(readiness(deployed(NOW)), "POST-3")

    assert kinds(before) == kinds(early) == ["wait", "sign"]
    assert "Put the deployment down" in before[0].words
    assert early[0].words == "POST-3 opens at 2026-11-26 12:30 UTC"
    assert len(early[0].boxes) == 7


def test_steps_come_in_the_order_of_who_can_do_them_and_the_signature_last() -> None:
    found = kinds(path(readiness(), "PRE-1", "PRE-6", "PRE-7"))

    order = [each.value for each in ActionKind]
    assert found == sorted(found, key=order.index)
    assert found[-3:] == ["sign"] * 3


def test_a_settled_phase_only_waits_for_its_signature() -> None:
    now = readiness(
        evidence("PRE-1.1", NOW - HOUR, is_attested=True),
        checklist="## Pre\n### Phase 1: Words\n- [ ] Read\n",
    )

    (step,) = path_to_phase(now, now.phases[0], MACHINES)

    assert (step.kind, step.phase_id) == (ActionKind.SIGN, "PRE-1")
