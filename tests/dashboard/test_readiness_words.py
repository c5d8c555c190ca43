"""How a release stands in words and colours: green is only what is proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from dashboard import readiness_words as words
from engine.readiness.assessment import State
from engine.readiness.checklist import Phase
from engine.readiness.knowledge import SignOff
from engine.readiness.standing import Meaning, PhaseStanding, WindowState

_NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
_SIGNED: Final = SignOff(
    UUID(int=1), "PRE-1", "ines", None, "lead", Meaning.APPROVED, "", _NOW, "seen", "states"
)


def phase(*states: State, is_signed: bool = False) -> PhaseStanding:
    """A phase whose boxes stand so."""
    return PhaseStanding(
        phase=Phase("PRE-1", "Pre", "First", None, ()),
        counts={each: states.count(each) for each in State},
        settled=sum(each.is_settled for each in states),
        total=len(states),
        blocking=tuple(each.value for each in states if not each.is_settled),
        seen="seen",
        states="states",
        sign_offs=(_SIGNED,) if is_signed else (),
        window=WindowState.NONE,
        opens_at=None,
        closes_at=None,
    )


@pytest.mark.parametrize(
    ("states", "is_signed", "told", "colour"),
    [
        ((State.PASSING, State.PASSING), True, "signed off", "green"),
        ((State.PASSING, State.PASSING), False, "ready to sign", "blue"),
        ((State.PASSING, State.WAIVED), True, "signed off, 1 waived", "blue"),
        ((State.PASSING, State.NOT_APPLICABLE), True, "signed off, 1 n/a", "blue"),
        ((State.PASSING, State.UNKNOWN, State.INSUFFICIENT), True, "2 open", "gray"),
        ((State.STALE, State.UNKNOWN), False, "1 stale, 1 more open", "orange"),
        ((State.FAILING, State.PASSING), True, "1 failing", "red"),
    ],
    ids=["proved", "not-signed", "waived", "n-a", "open", "stale", "failing"],
)
def test_a_phase_is_green_only_when_all_of_it_is_proved_and_signed(
    states: tuple[State, ...], told: str, colour: str, *, is_signed: bool
) -> None:
    verdict = words.verdict(phase(*states, is_signed=is_signed))

    assert (verdict.text, verdict.colour) == (told, colour)


def test_every_state_has_a_shape_of_its_own_but_those_that_nobody_can_tell_apart() -> None:
    drawn = {state: words.picture([state]) for state in State}

    assert [state for state, told in drawn.items() if told.startswith(":green[")] == [State.PASSING]
    assert len(set(drawn.values())) == len(State) - 1
    assert drawn[State.UNKNOWN] == drawn[State.INSUFFICIENT]
    assert words.picture([State.PASSING, State.PASSING, State.FAILING]) == ":green[■■]:red[✖]"


@pytest.mark.parametrize(
    ("state", "opens", "closes", "told"),
    [
        (WindowState.NONE, None, None, ""),
        (WindowState.WAITING, None, None, "after the deployment"),
        (WindowState.WAITING, 10, 20, "opens in 10 min"),
        (WindowState.OPEN, -10, 5, "open for 10 min, 5 min left"),
        (WindowState.OPEN, -10, None, "open for 10 min"),
        (WindowState.CLOSED, -90, -61, "ended 1 h 1 min ago"),
    ],
)
def test_a_window_is_told_as_it_runs(
    state: WindowState, opens: int | None, closes: int | None, told: str
) -> None:
    def at(minutes: int | None) -> datetime | None:
        return None if minutes is None else _NOW + timedelta(minutes=minutes)

    found = replace(phase(), window=state, opens_at=at(opens), closes_at=at(closes))

    assert words.window(found, _NOW) == told


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(seconds=-1), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=3, minutes=5), "3 h 5 min"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=2, hours=4), "2 d 4 h"),
    ],
    ids=str,
)
def test_a_length_of_time_is_told_in_its_two_largest_units(span: timedelta, told: str) -> None:
    assert words.length(span) == told
