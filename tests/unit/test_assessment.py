"""How boxes stand: green only while evidence says so, of this release and of things as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.readiness.assessment import (
    Contradiction,
    Evidence,
    Exemption,
    Known,
    Standing,
    State,
    Verdict,
    assess,
)
from engine.readiness.items import Dependency, Gate, Item, Kind

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
THINGS: Mapping[Dependency, str] = {each: f"{each} as it is" for each in Dependency}


def item(item_id: str = "PRE-1.1", **changes: Any) -> Item:
    plain = Item(item_id, Kind.AUTOMATIC, "probe", frozenset({Dependency.RELEASE}), None, ())
    return replace(plain, **changes)


def evidence(item_id: str = "PRE-1.1", **changes: Any) -> Evidence:
    plain = Evidence(item_id, Verdict.PASSING, "All is well", NOW - HOUR, THINGS, "00", "ops")
    return replace(plain, **changes)


def waiver(**changes: Any) -> Exemption:
    plain = Exemption("PRE-1.1", State.WAIVED, "Later", "lia", NOW - HOUR, "rui", NOW + HOUR)
    return replace(plain, **changes)


def standing(
    of: Item,
    *evidences: Evidence,
    exemptions: tuple[Exemption, ...] = (),
    contradictions: tuple[Contradiction, ...] = (),
    things: Mapping[Dependency, str] = THINGS,
) -> Standing:
    known = Known(
        {each.item_id: each for each in evidences},
        {each.item_id: each for each in exemptions},
        {each.item_id: each for each in contradictions},
        things,
    )
    return assess({of.id: of}, known, NOW)[of.id]


def test_what_was_proved_is_green_with_its_reason() -> None:
    found = standing(item(), evidence())

    assert (found.state, found.reason, found.stale_at) == (State.PASSING, "All is well", None)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.AUTOMATIC, "Never looked at for this release"),
        (Kind.DRILL, "Not run for this release"),
        (Kind.ATTESTED, "Nobody has vouched for it"),
    ],
)
def test_what_was_never_looked_at_is_unknown(kind: Kind, reason: str) -> None:
    found = standing(item(kind=kind))

    assert (found.state, found.reason) == (State.UNKNOWN, reason)


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.FAILING, State.FAILING),
        (Verdict.INSUFFICIENT, State.INSUFFICIENT),
        (Verdict.UNKNOWN, State.UNKNOWN),
    ],
)
def test_a_look_that_proved_nothing_is_never_green(verdict: Verdict, state: State) -> None:
    assert standing(item(), evidence(verdict=verdict)).state is state


@pytest.mark.parametrize("dependency", list(Dependency))
def test_evidence_is_stale_once_what_it_speaks_of_has_changed(dependency: Dependency) -> None:
    of = item(depends_on=frozenset({dependency}))

    found = standing(of, evidence(), things={**THINGS, dependency: "another"})
    lost = standing(of, evidence(), things={})

    assert found.state is State.STALE
    assert found.reason == f"What it speaks of has changed since: {dependency}"
    assert lost.state is State.STALE


def test_what_it_does_not_depend_on_may_change() -> None:
    assert standing(item(), evidence(), things={Dependency.RELEASE: THINGS[Dependency.RELEASE]}
                    ).state is State.PASSING  # fmt: skip


@pytest.mark.parametrize(
    ("age", "state"), [(HOUR, State.STALE), (HOUR + timedelta(seconds=1), State.PASSING)]
)
def test_evidence_is_stale_at_its_age_to_the_second(age: timedelta, state: State) -> None:
    assert standing(item(age=age), evidence()).state is state


def test_it_is_said_when_evidence_will_be_stale() -> None:
    assert standing(item(age=2 * HOUR), evidence()).stale_at == NOW + HOUR


@pytest.mark.parametrize(
    ("seen_at", "state"),
    [(NOW - HOUR, State.PASSING), (NOW - HOUR + timedelta(seconds=1), State.FAILING)],
)
def test_a_later_fact_reopens_a_box_and_says_why(seen_at: datetime, state: State) -> None:
    found = standing(
        item(), evidence(), contradictions=(Contradiction("PRE-1.1", "DI-5 is broken", seen_at),)
    )

    assert found.state is state
    assert (found.reason == "Reopened: DI-5 is broken") is (state is State.FAILING)


def test_a_waiver_counts_apart_until_it_expires() -> None:
    of, red = item(), evidence(verdict=Verdict.FAILING)

    assert standing(of, red, exemptions=(waiver(),)).state is State.WAIVED
    assert standing(of, red, exemptions=(waiver(expires_at=NOW),)).state is State.FAILING


def test_a_waiver_without_a_second_person_does_not_count() -> None:
    assert standing(item(), exemptions=(waiver(second=None),)).state is State.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "second", "state"),
    [
        (Kind.ATTESTED, None, State.NOT_APPLICABLE),
        (Kind.AUTOMATIC, None, State.UNKNOWN),
        (Kind.DRILL, None, State.UNKNOWN),
        (Kind.AUTOMATIC, "rui", State.NOT_APPLICABLE),
        (Kind.DRILL, "rui", State.NOT_APPLICABLE),
    ],
)
def test_what_does_not_apply_needs_a_second_person_where_a_machine_would_decide(
    kind: Kind, second: str | None, state: State
) -> None:
    apart = waiver(state=State.NOT_APPLICABLE, second=second, expires_at=None)

    assert standing(item(kind=kind), exemptions=(apart,)).state is state


@pytest.mark.parametrize(
    ("ahead", "state"), [(60, State.PASSING), (61, State.UNKNOWN)], ids=["a minute", "more"]
)
def test_evidence_of_a_time_to_come_is_not_green(ahead: int, state: State) -> None:
    found = standing(item(age=HOUR), evidence(ended_at=NOW + timedelta(seconds=ahead)))

    assert found.state is state
    assert ("its clock was ahead" in found.reason) is (state is State.UNKNOWN)


def test_a_word_alone_says_that_its_gate_is_not_there() -> None:
    found = standing(item(kind=Kind.ATTESTED, probe="docs.sign"), evidence())

    assert found.state is State.PASSING
    assert found.reason == "All is well (vouched for; its machine gate is not there yet)"


def test_a_word_is_not_enough_where_a_machine_has_to_see_something_of_each_person() -> None:
    found = standing(item(kind=Kind.ATTESTED, gate=Gate.ABSENT), evidence())

    assert found.state is State.UNKNOWN
    assert "its machine gate is not there" in found.reason


# Derived boxes.


def parts(*states: State) -> Standing:
    """A box that follows from boxes in some states."""
    items, evidences, exemptions = {}, {}, {}
    verdicts = {
        State.PASSING: Verdict.PASSING,
        State.FAILING: Verdict.FAILING,
        State.INSUFFICIENT: Verdict.INSUFFICIENT,
    }
    for number, state in enumerate(states):
        name = f"PRE-1.{number}"
        items[name] = item(name)
        if state in verdicts:
            evidences[name] = evidence(name, verdict=verdicts[state])
        if state in {State.WAIVED, State.NOT_APPLICABLE}:
            exemptions[name] = waiver(item_id=name, state=state)
    top = Item("READY-1", Kind.DERIVED, None, frozenset(), None, tuple(items))
    known = Known(evidences, exemptions, {}, THINGS)
    return assess({"READY-1": top, **items}, known, NOW)["READY-1"]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((State.PASSING, State.PASSING), State.PASSING),
        ((State.PASSING, State.NOT_APPLICABLE), State.PASSING),
        ((State.PASSING, State.WAIVED), State.WAIVED),
        ((State.NOT_APPLICABLE, State.NOT_APPLICABLE), State.NOT_APPLICABLE),
        ((State.PASSING, State.UNKNOWN), State.UNKNOWN),
        ((State.UNKNOWN, State.INSUFFICIENT), State.INSUFFICIENT),
        ((State.UNKNOWN, State.FAILING, State.WAIVED), State.FAILING),
    ],
)
def test_a_derived_box_stands_as_the_worst_of_what_it_follows_from(
    states: tuple[State, ...], state: State
) -> None:
    assert parts(*states).state is state


def test_a_derived_box_names_what_keeps_it_from_being_green() -> None:
    found = parts(State.PASSING, State.FAILING, State.UNKNOWN)

    assert found.blocked_by == ("PRE-1.1", "PRE-1.2")
    assert found.reason == "2 of 3 not settled"


def test_a_derived_box_says_how_many_of_its_parts_do_not_apply() -> None:
    assert parts(State.PASSING, State.NOT_APPLICABLE).reason.endswith("; 1 of 2 do not apply")
    assert parts(State.WAIVED, State.NOT_APPLICABLE).reason.endswith("; 1 of 2 do not apply")


def test_a_derived_box_counts_the_boxes_that_it_comes_down_to_each_once() -> None:
    names = ("PRE-1.1", "PRE-1.2", "PRE-1.3")
    inner = Item("PRE-1", Kind.DERIVED, None, frozenset(), None, names)
    top = Item("READY-1", Kind.DERIVED, None, frozenset(), None, ("PRE-1", "PRE-1.1", "PRE-1.2"))
    items = {"READY-1": top, "PRE-1": inner, **{name: item(name) for name in names}}
    evidences = {"PRE-1.1": evidence("PRE-1.1")}
    exempt = {
        name: waiver(item_id=name, state=State.NOT_APPLICABLE) for name in ("PRE-1.2", "PRE-1.3")
    }

    green = assess(items, Known(evidences, exempt, {}, THINGS), NOW)["READY-1"]
    waived = {**exempt, "PRE-1.3": waiver(item_id="PRE-1.3")}
    violet = assess(items, Known(evidences, waived, {}, THINGS), NOW)["READY-1"]

    assert (green.state, green.reason) == (State.PASSING, "All 3 are settled; 2 of 3 do not apply")
    assert (violet.state, violet.reason) == (
        State.WAIVED,
        "1 of 3 waived, none open; 1 of 3 do not apply",
    )


def test_a_derived_box_cannot_be_green_by_evidence_of_its_own() -> None:
    top = Item("READY-1", Kind.DERIVED, None, frozenset(), None, ("PRE-1.1",))
    known = Known({"READY-1": evidence("READY-1")}, {}, {}, THINGS)

    assert assess({"READY-1": top, "PRE-1.1": item()}, known, NOW)["READY-1"].state is State.UNKNOWN


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.FAILING, State.FAILING),
        (Verdict.UNKNOWN, State.NOT_APPLICABLE),
        (Verdict.PASSING, State.NOT_APPLICABLE),
    ],
)
def test_what_does_not_apply_does_once_it_is_found_red(verdict: Verdict, state: State) -> None:
    apart = waiver(state=State.NOT_APPLICABLE, expires_at=None)

    assert standing(item(), evidence(verdict=verdict), exemptions=(apart,)).state is state
