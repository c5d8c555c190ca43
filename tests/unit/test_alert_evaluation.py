"""A rule goes from state to state as its numbers say, and says why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from engine.alerting.evaluation import GIVEN_UP_AFTER, SHOWN_RESOLVED, evaluate
from engine.alerting.measuring import UNREAD
from engine.alerting.rules import Rule, Standstill, Watched
from engine.alerting.states import Decision, Measured, Memory, RuleState
from tests.unit.alert_rules import ABOVE, FALSE, FEW, MINUTE, NOON, SECOND, TRUE, UNKNOWN, rule

_MEASURED = {"t": TRUE, "a": ABOVE, "w": FEW, "f": FALSE, "u": UNKNOWN}
_LETTERS = {
    RuleState.INACTIVE: "-",
    RuleState.PENDING: "p",
    RuleState.FIRING: "F",
    RuleState.RESOLVED: "r",
    RuleState.UNKNOWN: "?",
}
_ALERT = UUID(int=7)


def _decisions(tested: Rule, looks: str, step: timedelta = MINUTE) -> list[Decision]:
    """What is decided at each look, one a minute: true, above, few, false, unknown."""
    memory: Memory | None = None
    found = []
    for number, look in enumerate(looks):
        decision = evaluate(tested, _MEASURED[look], memory, NOON + number * step)
        memory = decision.memory
        found.append(decision)
    return found


def _states(decisions: Iterable[Decision]) -> str:
    return "".join(_LETTERS[each.memory.state] for each in decisions)


@pytest.mark.parametrize(
    ("fields", "looks", "states"),
    [
        ({}, "fff", "---"),
        ({}, "ft", "-F"),
        ({}, "t", "F"),
        ({}, "ttft", "FFrF"),
        ({"hold": 2 * MINUTE}, "ttt", "ppF"),
        ({"hold": 2 * MINUTE}, "ttftt", "pp-pp"),
        ({"hold": 2 * MINUTE}, "ttutt", "pp?pp"),
        ({"keep": 2 * MINUTE}, "tfff", "FFrr"),
        ({"keep": 2 * MINUTE}, "tftff", "FFFFr"),
        ({"keep": 2 * MINUTE}, "tfuuf", "FFFFr"),
        # Above a threshold, but perhaps by chance: that begins nothing and ends nothing.
        ({}, "aaa", "---"),
        ({}, "taaf", "FFFr"),
        ({"keep": 2 * MINUTE}, "taaaff", "FFFFFr"),
        ({"hold": MINUTE}, "tata", "p-p-"),
        # Few attempts, none of them bad: nothing good begins, but an alert ends.
        ({}, "fww", "-??"),
        ({}, "tww", "Fr?"),
        ({"keep": 2 * MINUTE}, "twwf", "FFrr"),
        ({"no_data_after": 2 * MINUTE}, "fuuuw", "-??Fr"),
        # Who comes is not missed, however few they are.
        ({"no_data_after": 2 * MINUTE}, "fuwwu", "-???F"),
        ({}, "tfa", "Frr"),
        ({}, "tuuu", "FFFF"),
        ({}, "tuf", "FFr"),
        ({}, "uuu", "???"),
        ({}, "fuf", "-?-"),
        ({}, "fut", "-?F"),
        ({"hold": MINUTE}, "futt", "-?pF"),
        ({"hold": MINUTE}, "ttftt", "pFrpF"),
        ({}, "tfu", "Fr?"),
        ({"no_data_after": 2 * MINUTE}, "fuuu", "-??F"),
        ({"no_data_after": 2 * MINUTE}, "fuufuu", "-??-??"),
        ({"no_data_after": 2 * MINUTE}, "fuuuuf", "-??FFr"),
        # Bad numbers after none are another alert: the first one is over.
        ({"no_data_after": 2 * MINUTE}, "fuuutt", "-??FrF"),
        ({"no_data_after": 2 * MINUTE, "hold": MINUTE}, "fuuuttt", "-??FrFF"),
        # What has never been there is not missing.
        ({"no_data_after": 2 * MINUTE}, "uuuuuu", "??????"),
        ({"no_data_after": 2 * MINUTE}, "uuuufuuu", "????-??F"),
        # A rule that fires already needs no second alert.
        ({"no_data_after": 2 * MINUTE}, "tuuuuu", "FFFFFF"),
    ],
)
def test_states_follow_the_numbers(fields: dict[str, timedelta], looks: str, states: str) -> None:
    assert _states(_decisions(rule(**fields), looks)) == states


def test_what_fires_ends_when_no_attempts_have_come_for_an_hour_and_says_so() -> None:
    tested = rule(keep=5 * MINUTE)
    minutes = GIVEN_UP_AFTER // MINUTE

    found = _decisions(tested, "t" + "u" * (minutes + 2))

    assert _states(found) == "F" + "F" * minutes + "r?"
    assert (
        found[-2].reason == "Nobody knows. It ends: nothing has been known for 60 min, good or bad."
    )


@pytest.mark.parametrize(
    ("tested", "unknown"),
    [
        pytest.param(rule(), UNREAD, id="it could not be read"),
        pytest.param(
            rule(condition=Standstill(Watched.ROLLER, 2)), UNKNOWN, id="of what is watched"
        ),
    ],
)
def test_what_fires_goes_on_for_as_long_as_it_takes(tested: Rule, unknown: Measured) -> None:
    memory = evaluate(tested, TRUE, None, NOON).memory
    for minutes in range(1, 200):
        memory = evaluate(tested, unknown, memory, NOON + minutes * MINUTE).memory

    assert memory.state is RuleState.FIRING


def test_missing_numbers_are_told_for_as_long_as_they_are_missing() -> None:
    found = _decisions(rule(no_data_after=2 * MINUTE), "fuu" + "u" * 200)

    assert _states(found) == "-??" + "F" * 200


@pytest.mark.parametrize("missing", [UNKNOWN, UNREAD], ids=["nobody comes", "not read"])
def test_missing_numbers_end_as_an_alert_when_they_are_to_be_none_any_more(
    missing: Measured,
) -> None:
    fires = _decisions(rule(no_data_after=2 * MINUTE), "fuuu")[-1]

    over = evaluate(rule(no_data_after=None), missing, fires.memory, NOON + 4 * MINUTE)
    after = evaluate(rule(no_data_after=None), missing, over.memory, NOON + 5 * MINUTE)

    assert _states([fires, over, after]) == "Fr?"
    assert not over.is_no_data
    assert over.reason.endswith("It ends: here missing numbers are no alert any more.")


@pytest.mark.parametrize("missing", [UNKNOWN, UNREAD], ids=["nobody comes", "not read"])
def test_missing_numbers_end_as_an_alert_when_they_may_be_missing_for_longer(
    missing: Measured,
) -> None:
    fires = _decisions(rule(no_data_after=2 * MINUTE), "fuuu")[-1]
    patient = rule(no_data_after=5 * MINUTE)

    after, found = fires.memory, []
    for minutes in range(4, 9):
        found.append(evaluate(patient, missing, after, NOON + minutes * MINUTE))
        after = found[-1].memory

    assert _states([fires, *found]) == "Fr?FFF"
    assert found[0].reason.endswith("It ends: here numbers may be missing for 5 min now.")


def test_a_resolved_rule_is_shown_as_such_for_a_while() -> None:
    tested = rule()
    minutes = SHOWN_RESOLVED // MINUTE

    states = _states(_decisions(tested, "t" + "f" * (minutes + 2)))

    assert states == "F" + "r" * minutes + "--"


def test_only_a_change_of_state_is_a_transition_and_moves_since() -> None:
    found = _decisions(rule(hold=MINUTE, keep=MINUTE), "fttufff")

    assert _states(found) == "-pFFrrr"
    assert [each.is_new for each in found] == [False, True, True, False, True, False, False]
    assert [(each.memory.since - NOON) // MINUTE for each in found] == [0, 1, 2, 2, 4, 4, 4]


def test_a_decision_has_the_reason_of_the_numbers_and_of_the_state() -> None:
    held, fires = _decisions(rule(hold=MINUTE, keep=MINUTE), "tt")
    lasting = _decisions(rule(keep=2 * MINUTE), "tf")[-1]
    blind = _decisions(rule(), "tu")[-1]
    missing = _decisions(rule(no_data_after=MINUTE), "fuu")[-1]

    assert held.reason == "Bad. It is so for 0 s, and fires after 60 s."
    assert fires.reason == "Bad."
    assert lasting.reason == "Good. It goes on firing until it has been over for 2 min."
    assert blind.reason == "Nobody knows. It goes on firing: nothing says that it is over."
    assert missing.reason == (
        "Nobody knows. Nothing has been known for 60 s, in which 4,310 attempts are usual."
    )


def test_an_alert_that_says_that_there_are_no_numbers_is_marked() -> None:
    found = _decisions(rule(no_data_after=MINUTE), "fuuuft")

    assert [each.is_no_data for each in found] == [False, False, True, True, False, False]


def test_an_alert_is_remembered_while_it_fires_and_is_resolved_and_no_longer() -> None:
    tested = rule(keep=MINUTE)
    memory = Memory(RuleState.FIRING, NOON, NOON, NOON, alert_id=_ALERT)

    lasting = evaluate(tested, FALSE, memory, NOON + 30 * SECOND).memory
    over = evaluate(tested, FALSE, lasting, NOON + MINUTE).memory
    blind = evaluate(tested, UNKNOWN, over, NOON + 2 * MINUTE).memory
    again = evaluate(tested, TRUE, over, NOON + 2 * MINUTE).memory

    assert (lasting.state, lasting.alert_id) == (RuleState.FIRING, _ALERT)
    assert (over.state, over.alert_id) == (RuleState.RESOLVED, _ALERT)
    assert (blind.state, blind.alert_id) == (RuleState.UNKNOWN, None)
    assert (again.state, again.alert_id) == (RuleState.FIRING, None)


@pytest.mark.parametrize("back", [SECOND, timedelta(hours=1), timedelta(days=400)])
@pytest.mark.parametrize("looks", ["ttt", "tff", "fuu", "ttu"])
def test_a_clock_that_was_set_back_delays_by_no_more_than_the_rule_does(
    back: timedelta, looks: str
) -> None:
    tested = rule(hold=2 * MINUTE, keep=2 * MINUTE, no_data_after=2 * MINUTE)
    memory = _decisions(tested, looks)[-1].memory
    now = NOON + (len(looks) - 1) * MINUTE - back

    def later(measured: Measured, at: datetime) -> RuleState:
        first = evaluate(tested, measured, memory, now).memory
        assert first.since <= now
        last = evaluate(tested, measured, first, now + 2 * MINUTE).memory
        return evaluate(tested, measured, last, at).memory.state

    assert later(TRUE, now + 4 * MINUTE) is RuleState.FIRING
    assert later(FALSE, now + 4 * MINUTE) in {RuleState.INACTIVE, RuleState.RESOLVED}
    assert later(UNKNOWN, now + 4 * MINUTE) is RuleState.FIRING
