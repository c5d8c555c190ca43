"""What records come to: carried over only where it is fresh and of no release, and in its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.readiness.assessment import State, Verdict, assess
from engine.readiness.items import Dependency
from engine.readiness.knowledge import SEEN, Knowledge, knowledge_of
from engine.readiness.records import RecordKind
from engine.readiness.standing import WindowState, phase_standings
from engine.readiness.tables import ReadinessRecord
from tests.unit.readiness_records import (
    CLOCK,
    HOUR,
    MINUTE,
    NOW,
    OTHER,
    THINGS,
    deployed,
    evidence,
    record,
    released,
)

# Depends on the schema alone, at most a day old; and on the release.
SCHEMA_BOX, RELEASE_BOX = "PRE-2.2", "PRE-1.1"
# A machine looks from 30 minutes after the deployment on.
LIVE_BOX = "POST-3.2"


def state(known: Knowledge, box: str, now: datetime = NOW) -> State:
    return assess(known.release.items, known.known(THINGS), now)[box].state


def test_nothing_is_green_of_a_new_release() -> None:
    known = knowledge_of([released()])
    standings = assess(known.release.items, known.known(THINGS), NOW)

    assert len(standings) == 170
    assert {each.state for each in standings.values()} == {State.UNKNOWN}


@pytest.mark.parametrize(
    ("probe", "carried"), [("mig.fingerprint", State.PASSING), ("mig.other", State.UNKNOWN)]
)
def test_evidence_of_what_looks_for_another_box_of_the_same_id_is_not_carried_over(
    probe: str, carried: State
) -> None:
    other = evidence(SCHEMA_BOX, NOW - HOUR, of=OTHER, numbers={"probe": probe})

    assert state(knowledge_of([released()], [other]), SCHEMA_BOX) is carried


@pytest.mark.parametrize(
    ("box", "age", "of_the_other"),
    [
        (SCHEMA_BOX, HOUR, State.PASSING),
        (SCHEMA_BOX, 25 * HOUR, State.STALE),
        (RELEASE_BOX, HOUR, State.UNKNOWN),
    ],
)
def test_fresh_evidence_is_carried_over_where_it_does_not_depend_on_the_release(
    box: str, age: timedelta, of_the_other: State
) -> None:
    known = knowledge_of([released()], [evidence(box, NOW - age, of=OTHER)])

    assert state(known, box) is of_the_other


def test_evidence_of_another_schema_is_not_carried_over_as_green() -> None:
    before = {**THINGS, Dependency.SCHEMA: "as it was"}
    known = knowledge_of([released()], [evidence(SCHEMA_BOX, NOW - HOUR, of=OTHER, things=before)])

    assert state(known, SCHEMA_BOX) is State.STALE


def test_somebodys_word_is_given_anew_for_each_release() -> None:
    word = evidence("PRE-6.4", NOW - HOUR, of=OTHER, is_attested=True)

    assert state(knowledge_of([released()], [word]), "PRE-6.4") is State.UNKNOWN


@pytest.mark.parametrize(
    ("ours", "others", "expected"),
    [
        (2 * HOUR, HOUR, State.FAILING),
        (HOUR, 2 * HOUR, State.PASSING),
    ],
)
def test_of_two_releases_side_by_side_the_newest_look_at_what_they_share_counts(
    ours: timedelta, others: timedelta, expected: State
) -> None:
    known = knowledge_of(
        [released(), evidence(SCHEMA_BOX, NOW - ours)],
        [evidence(SCHEMA_BOX, NOW - others, Verdict.FAILING, of=OTHER)],
    )

    assert state(known, SCHEMA_BOX) is expected


def test_what_depends_on_a_release_stands_apart_in_each() -> None:
    ours = evidence(RELEASE_BOX, NOW - 2 * HOUR)
    theirs = evidence(RELEASE_BOX, NOW - HOUR, Verdict.FAILING, of=OTHER)

    assert state(knowledge_of([released(), ours], [theirs]), RELEASE_BOX) is State.PASSING
    other = knowledge_of([released(release_id=OTHER), theirs], [ours])
    assert state(other, RELEASE_BOX) is State.FAILING


@pytest.mark.parametrize(
    ("deployed_at", "expected"),
    [
        (None, State.UNKNOWN),
        (NOW - 30 * MINUTE, State.UNKNOWN),
        (NOW - 31 * MINUTE, State.PASSING),
    ],
)
def test_a_machines_look_counts_from_when_its_phase_has_opened(
    deployed_at: datetime | None, expected: State
) -> None:
    deployments = [] if deployed_at is None else [deployed(deployed_at)]
    known = knowledge_of([released(), *deployments, evidence(LIVE_BOX, NOW - MINUTE)])

    assert state(known, LIVE_BOX) is expected


def test_what_another_release_shows_live_says_nothing_of_this_one() -> None:
    live = evidence(LIVE_BOX, NOW - MINUTE, of=OTHER)
    known = knowledge_of([released(), deployed(NOW - 2 * HOUR)], [live])

    assert state(known, LIVE_BOX) is State.UNKNOWN


def test_a_release_that_is_deployed_again_is_looked_at_anew() -> None:
    records = [released(), deployed(NOW - 5 * HOUR), evidence(LIVE_BOX, NOW - MINUTE)]

    assert state(knowledge_of(records), LIVE_BOX) is State.PASSING
    again = [*records, deployed(NOW - 2 * MINUTE)]
    assert state(knowledge_of(again), LIVE_BOX) is State.UNKNOWN


@pytest.mark.parametrize(
    ("deployed_at", "expected"),
    [
        (None, WindowState.WAITING),
        (NOW - 14 * MINUTE, WindowState.WAITING),
        (NOW - 15 * MINUTE, WindowState.OPEN),
        (NOW - 30 * MINUTE, WindowState.CLOSED),
    ],
)
def test_the_windows_of_phases_run_from_the_deployment(
    deployed_at: datetime | None, expected: WindowState
) -> None:
    known = knowledge_of([released(), *([] if deployed_at is None else [deployed(deployed_at)])])
    standings = assess(known.release.items, known.known(THINGS), NOW)
    phases = {each.phase.id: each for each in phase_standings(known, standings, NOW)}

    assert phases["POST-2"].window is expected
    assert phases["PRE-1"].window is WindowState.NONE


def test_a_revoked_word_is_as_if_it_had_not_been_said() -> None:
    looked = evidence("PRE-6.4", NOW - 2 * HOUR)
    word = evidence("PRE-6.4", NOW - HOUR, is_attested=True)
    revocation = record(RecordKind.REVOCATION, {"recordId": str(word.id), "reason": "A slip"}, NOW)

    before = [released(), looked, word]
    assert state(knowledge_of(before), "PRE-6.4") is State.PASSING
    assert state(knowledge_of([*before, revocation]), "PRE-6.4") is State.INSUFFICIENT


@pytest.mark.parametrize("box", ["POST-2.1", "POST-8.7"], ids=["drill", "word"])
def test_a_drill_and_a_word_count_from_when_their_phase_has_opened(box: str) -> None:
    is_attested = box == "POST-8.7"
    said = evidence(box, NOW - MINUTE, is_attested=is_attested)
    opened, early = deployed(NOW - 25 * HOUR), deployed(NOW - 5 * MINUTE)

    assert state(knowledge_of([released(), opened, said]), box) is State.PASSING
    assert state(knowledge_of([released(), early, said]), box) is State.UNKNOWN
    assert state(knowledge_of([released(), said]), box) is State.UNKNOWN


def exempted(at: datetime) -> ReadinessRecord:
    return record(RecordKind.NOT_APPLICABLE, {"reason": "None is there"}, at, item_id="PRE-6.4")


def test_only_the_newest_exemption_counts_and_its_revocation_revives_none() -> None:
    old, new = exempted(NOW - 2 * HOUR), exempted(NOW - HOUR)
    revoked = record(RecordKind.REVOCATION, {"recordId": str(new.id), "reason": "A slip"}, NOW)

    assert knowledge_of([released(), old, new]).exemption_ids == {"PRE-6.4": new.id}
    assert state(knowledge_of([released(), old, new]), "PRE-6.4") is State.NOT_APPLICABLE
    assert state(knowledge_of([released(), old, new, revoked]), "PRE-6.4") is State.UNKNOWN


def test_another_exemption_of_the_same_box_is_another_phase_to_whoever_signed() -> None:
    digests = []
    for apart in (exempted(NOW - HOUR), exempted(NOW - HOUR)):
        known = knowledge_of([released(), apart])
        standings = assess(known.release.items, known.known(THINGS), NOW)
        (phase,) = [
            each for each in phase_standings(known, standings, NOW) if each.phase.id == "PRE-6"
        ]
        digests.append((phase.seen, phase.states))

    assert digests[0][0] != digests[1][0]
    assert digests[0][1] != digests[1][1]


def test_without_a_release_there_is_nothing_to_know() -> None:
    with pytest.raises(ValueError, match="no release"):
        knowledge_of([evidence(SCHEMA_BOX, NOW)])


# A box with a gate: a machine looks, then people vouch for what it has seen.


def looked(at: datetime, seen: str = "as it was", *, is_open: bool = True) -> ReadinessRecord:
    verdict = Verdict.PASSING if is_open else Verdict.FAILING
    return evidence("PRE-6.1", at, verdict, reason="90 pages", numbers={SEEN: seen})


def word(at: datetime, seen: str = "as it was", **more: Any) -> ReadinessRecord:
    plain = {"is_attested": True, "reason": "I have read them", "numbers": {SEEN: seen}}
    return evidence("PRE-6.1", at, **{**plain, **more})


def test_a_word_behind_a_gate_counts_after_an_open_look_and_for_what_that_has_seen() -> None:
    made = released()
    first, said = looked(NOW - 3 * HOUR), word(NOW - 2 * HOUR)

    def stands(*records: ReadinessRecord) -> State:
        return state(knowledge_of([made, *records]), "PRE-6.1")

    assert stands(said) is State.UNKNOWN
    assert stands(first) is State.INSUFFICIENT
    assert stands(looked(NOW - 3 * HOUR, is_open=False), said) is State.FAILING
    assert stands(first, said) is State.PASSING
    # It saw the same, and it saw something else.
    assert stands(first, said, looked(NOW - HOUR)) is State.PASSING
    assert stands(first, said, looked(NOW - HOUR, "edited")) is State.INSUFFICIENT
    assert stands(first, said, looked(NOW - HOUR, is_open=False)) is State.FAILING


def test_a_word_against_a_box_holds_until_somebody_vouches_for_it_whatever_a_machine_sees() -> None:
    against = word(NOW - 2 * HOUR, verdict=Verdict.FAILING)
    records = [released(), looked(NOW - 3 * HOUR), against, looked(NOW - HOUR)]

    assert state(knowledge_of(records), "PRE-6.1") is State.FAILING
    assert state(knowledge_of([*records, word(NOW)]), "PRE-6.1") is State.PASSING


def test_what_was_vouched_for_is_stale_once_it_is_edited() -> None:
    known = knowledge_of([released(), looked(NOW - 3 * HOUR), word(NOW - 2 * HOUR)])
    edited = known.known({**THINGS, Dependency.DOCUMENTS: "edited"})

    assert assess(known.release.items, edited, NOW)["PRE-6.1"].state is State.STALE


def test_a_box_about_each_who_is_on_call_takes_the_word_of_each() -> None:
    on_call = ("ada@agency.travel", "rui@agency.travel")
    look = evidence("PRE-6.6", NOW - 3 * HOUR)
    words = [
        evidence("PRE-6.6", NOW - HOUR, is_attested=True, by=name, account_id=CLOCK.uuid7())
        for name in ("Ada@agency.travel", "lead@agency.travel", "rui@agency.travel")
    ]

    def stands(count: int, people: Sequence[str] = on_call) -> tuple[State, str]:
        known = knowledge_of([released(), look, *words[:count]], on_call=people)
        standing = assess(known.release.items, known.known(THINGS), NOW)["PRE-6.6"]
        return standing.state, standing.reason

    assert stands(2)[0] is State.INSUFFICIENT
    assert stands(2)[1].startswith("1 of 2 who are on call have vouched for themselves")
    assert stands(3)[0] is State.PASSING
    assert stands(3, ("zoe@agency.travel",))[0] is State.INSUFFICIENT
    assert stands(3, ())[0] is State.UNKNOWN


def test_feedback_that_comes_after_a_look_asks_for_another_one() -> None:
    box, opened = "POST-8.5", deployed(NOW - 49 * HOUR)
    said = evidence(box, NOW - 2 * HOUR, is_attested=True)
    more = record(RecordKind.FEEDBACK, {"words": "Slow", "correlationIds": []}, NOW - HOUR)
    records = [released(), opened, evidence(box, NOW - 3 * HOUR), said]

    assert state(knowledge_of(records), box) is State.PASSING
    assert state(knowledge_of([*records, more]), box) is State.UNKNOWN
    again = [*records, more, evidence(box, NOW - MINUTE)]
    assert state(knowledge_of(again), box) is State.PASSING
    # Under way when it came: nobody knows whether it was seen.
    slow = [*records, more, evidence(box, NOW - MINUTE, took=2 * HOUR)]
    assert state(knowledge_of(slow), box) is State.UNKNOWN
