"""Looks in a process of their own: bounded, one at a time, and nothing is lost when one ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.access.audit import Action, Subject, event
from engine.clock import FrozenClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError
from engine.readiness import apart, turn
from engine.readiness.apart import Order, run_apart
from engine.readiness.assessment import State, Verdict
from engine.readiness.items import Item
from engine.readiness.probes.limits import WAITS, pool
from engine.readiness.probes.probe import Found, Question
from engine.runtime import Runtime
from tests.database.databases import rows
from tests.database.releases import Lookout, readiness_of

NOW = timedelta(0)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return Lookout(runtime, name=runtime.settings.release)


def items(look: Lookout, *boxes: str) -> Sequence[Item]:
    return [look.readiness.release.items[box] for box in boxes]


def order(look: Lookout, *boxes: str) -> Order:
    runtime = look.runtime
    return Order(runtime.settings, runtime.target, look.actor, look.release_id, boxes, NOW, [])


def test_a_look_puts_down_what_it_finds_and_takes_no_connection_of_this_process(
    look: Lookout, capfd: pytest.CaptureFixture[str]
) -> None:
    runtime, release = look.runtime, look.readiness.release
    asked = [each.stats().get("requests_num", 0) for each in (runtime.save_pool, runtime.read_pool)]
    told: list[tuple[str, int, int]] = []

    found = run_apart(
        runtime,
        look.actor,
        release,
        items(look, "PRE-2.1", "PRE-1.4"),
        lambda item, _found, done, total: told.append((item.id, done, total)),
    )

    assert {each.verdict for each in found.values()} == {Verdict.PASSING}, found
    assert told == [("PRE-2.1", 1, 2), ("PRE-1.4", 2, 2)]
    now = [each.stats().get("requests_num", 0) for each in (runtime.save_pool, runtime.read_pool)]
    assert now == asked
    assert "Fatal" not in capfd.readouterr().err
    standings = readiness_of(runtime.target, runtime.settings, look.clock, look.release_id)
    for box in found:
        # What was passing in the child's eyes speaks of the same settings and the same release.
        assert standings.standings[box].state is State.PASSING
        evidence = standings.standings[box].evidence
        assert evidence is not None
        assert evidence.runner == look.actor.name


def test_a_box_during_which_the_process_ends_is_unknown_and_the_others_are_looked_at(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_PROGRAM", "tests.database.looker_program")
    boxes = items(look, "PRE-2.1", "PRE-2.3", "PRE-5.1")

    found = run_apart(look.runtime, look.actor, look.readiness.release, boxes)

    assert list(found) == ["PRE-2.1", "PRE-2.3", "PRE-5.1"]
    assert found["PRE-2.1"].verdict is Verdict.PASSING
    assert found["PRE-2.3"] == Found(
        Verdict.UNKNOWN, "It was being looked at when the process that looked ended (signal 9)"
    )
    put_down = rows(
        look.runtime.target.owner,
        "SELECT item_id, body::jsonb ->> 'verdict' FROM readiness_record"
        " WHERE kind = 'evidence' ORDER BY recorded_at",
    )
    assert put_down == [(box, each.verdict.value) for box, each in found.items()]


def test_a_process_that_says_nothing_for_too_long_is_ended(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_PROGRAM", "tests.database.looker_program")
    boxes = items(look, "PRE-2.4")
    begun = apart._Told._heard

    def hurry(told: apart._Told, said: dict[str, Any]) -> bool:
        monkeypatch.setattr(apart, "_BOX_MAX", timedelta(milliseconds=1))
        return begun(told, said)

    monkeypatch.setattr(apart._Told, "_heard", hurry)

    found = run_apart(look.runtime, look.actor, look.readiness.release, boxes)

    assert found["PRE-2.4"].verdict is Verdict.UNKNOWN
    assert "had said nothing for" in found["PRE-2.4"].reason


def test_a_process_that_cannot_look_at_anything_says_so(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_PROGRAM", "tests.no_such_module")

    with pytest.raises(SetupError, match=r"nothing was looked at: .* \(exit status 1\)"):
        run_apart(look.runtime, look.actor, look.readiness.release, items(look, "PRE-2.1"))


def test_a_database_that_does_not_answer_is_said_to_be_that(look: Lookout) -> None:
    nowhere = "host=127.0.0.1 port=9 dbname=none user=none connect_timeout=1"
    runtime = replace(look.runtime, target=Target(nowhere, nowhere))

    with pytest.raises(SetupError, match=r"could not be asked \(OperationalError\)"):
        run_apart(runtime, look.actor, look.readiness.release, items(look, "PRE-2.1"))


def test_a_process_that_looks_ends_with_the_one_that_started_it_and_gives_its_turn_away(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_PROGRAM", "tests.database.looker_program")
    with apart._child(order(look, "PRE-2.4")) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline()) == {"begun": "PRE-2.4"}

    # The block has closed the pipe, as the end of this process would; nobody has killed it.
    assert child.returncode == 1
    with turn.turn(look.runtime.target, look.clock, "worker", NOW):
        pass


@pytest.mark.parametrize(("minutes", "is_taken"), [(-2, False), (0, True), (2, False)])
def test_nothing_is_looked_at_by_a_clock_that_is_not_the_databases(
    runtime: Runtime, minutes: float, *, is_taken: bool
) -> None:
    clock = FrozenClock(runtime.clock.now() + timedelta(minutes=minutes))
    refused = pytest.raises(SetupError, match="seconds apart: nothing is looked at")

    with nullcontext() if is_taken else refused, turn.turn(runtime.target, clock, "worker", NOW):
        pass


def test_who_comes_second_is_told_who_looks_and_since_when(look: Lookout) -> None:
    target, clock = look.runtime.target, look.clock
    with session_of(target) as session:
        subject = Subject("release", str(look.release_id))
        session.add(event(clock, look.actor, Action.PROBE_RUN, subject=subject))

    with (
        turn.turn(target, clock, look.actor.correlation_id, NOW),
        pytest.raises(turn.UnderWayError, match=rf"by {look.actor.name} since \d\d:\d\d:\d\d UTC"),
    ):
        run_apart(
            look.runtime,
            look.actor,
            look.readiness.release,
            items(look, "PRE-2.1"),
            patience=NOW,
        )
    with (
        turn.turn(target, clock, "worker", NOW),
        pytest.raises(turn.UnderWayError, match="by worker since"),
        turn.turn(target, clock, "other", NOW),
    ):
        pass


def test_an_order_arrives_as_it_was_given(look: Lookout) -> None:
    given = order(look, "PRE-2.1", "PRE-2.2")

    assert Order.read(given.written()) == given


def test_the_waits_that_count_are_those_of_the_process_that_asked(look: Lookout) -> None:
    release = look.readiness.release
    phase = release.checklist.phase_of("PRE-9.3")
    waits = [{"requests_errors": 3}, {"pool_max": 4}]
    question = Question(look.runtime, release, release.items["PRE-9.3"], phase, {WAITS: waits})

    assert pool(question).reason == "3 times nobody got a connection in time"
