"""Whatever the numbers and the clock do, evaluation keeps its promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from engine.alerting.evaluation import GIVEN_UP_AFTER, SHOWN_RESOLVED, evaluate
from engine.alerting.rules import AlertSeverity, Rule, Share
from engine.alerting.states import Decision, Measured, Memory, RuleState
from engine.alerting.usual import Usual
from engine.rollups import parts
from tests.properties.strategies import TRIED

_START = datetime(2026, 11, 2, 12, tzinfo=UTC)
_SPANS = st.integers(0, 900).map(lambda seconds: timedelta(seconds=seconds))
_RULES = st.builds(
    lambda hold, keep, no_data: Rule(
        "TEST-001",
        "A test",
        AlertSeverity.HIGH,
        Share(parts.CONFLICTS, parts.ALL, 0.01, timedelta(minutes=5)),
        ("webhook",),
        hold=hold,
        keep=keep,
        no_data_after=no_data,
    ),
    _SPANS,
    _SPANS,
    st.none() | st.integers(1, 900).map(lambda seconds: timedelta(seconds=seconds)),
)
_TRUTHS = st.sampled_from([True, False, None])
# What is above its threshold is true, or perhaps chance.
_SAID = [(True, True), (False, True), (False, False), (None, False), (None, None)]
_MEASURED = st.sampled_from(_SAID).map(
    lambda each: Measured(each[0], "So it is.", is_above=each[1], usual=Usual(4_310))
)
# Mostly forwards by a tick, at times far, at times backwards.
_STEPS = st.sampled_from([10, 10, 10, 10, 60, 3_600, 0, -5, -86_400]).map(
    lambda seconds: timedelta(seconds=seconds)
)
_FORWARDS = st.sampled_from([10, 10, 60, 3_600]).map(lambda seconds: timedelta(seconds=seconds))
_LOOKS = st.lists(st.tuples(_MEASURED, _STEPS), min_size=1, max_size=40)
_ORDERED = st.lists(st.tuples(_MEASURED, _FORWARDS), min_size=1, max_size=40)


_Looks: TypeAlias = list[tuple[Measured, timedelta]]


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: what was measured when, and what was decided from what."""

    measured: Measured
    now: datetime
    before: Memory | None
    decision: Decision

    @property
    def truth(self) -> bool | None:
        return self.measured.is_true

    @property
    def after(self) -> Memory:
        return self.decision.memory

    @property
    def was(self) -> RuleState:
        return RuleState.INACTIVE if self.before is None else self.before.state


def _run(tested: Rule, looks: _Looks) -> list[_Look]:
    now, memory, found = _START, None, []
    for measured, step in looks:
        now += step
        decision = evaluate(tested, measured, memory, now)
        found.append(_Look(measured, now, memory, decision))
        memory = decision.memory
    return found


def _ends(look: _Look) -> bool:
    """Whether few attempts, none too many of them bad, were enough to end an alert."""
    return look.was is RuleState.FIRING and look.truth is None and look.measured.is_above is False


def _gives_up(look: _Look) -> bool:
    """Whether nothing has come for so long that an alert about what came has ended."""
    since = look.after.unknown_since
    is_silent = look.truth is None and look.measured.is_above is None
    return (
        look.was is RuleState.FIRING
        and is_silent
        and since is not None
        and look.now - since >= GIVEN_UP_AFTER
    )


@TRIED
@given(_RULES, _LOOKS)
def test_nothing_fires_unless_it_is_true_or_unknown_for_too_long(
    tested: Rule, looks: _Looks
) -> None:
    for look in _run(tested, looks):
        if look.after.state is RuleState.FIRING and look.was is not RuleState.FIRING:
            assert look.truth is not False
            assert (look.truth is None) == look.decision.is_no_data


@TRIED
@given(_RULES, _LOOKS)
def test_an_alert_is_never_resolved_while_it_is_true_or_above_or_nobody_knows(
    tested: Rule, looks: _Looks
) -> None:
    for look in _run(tested, looks):
        if look.was is RuleState.FIRING and look.after.state is not RuleState.FIRING:
            assert look.before is not None
            assert look.truth is not None or look.measured.is_above is False or _gives_up(look)
            assert look.before.is_no_data or not (look.truth or look.measured.is_above)
            assert look.after.state is RuleState.RESOLVED


@TRIED
@given(_RULES, _LOOKS)
def test_what_is_unknown_is_never_shown_as_good(tested: Rule, looks: _Looks) -> None:
    for look in _run(tested, looks):
        if look.truth is None and not _ends(look) and not _gives_up(look):
            assert look.after.state in {RuleState.UNKNOWN, RuleState.FIRING}
        elif look.truth is not None and look.after.state is RuleState.UNKNOWN:
            raise AssertionError("known, and said to be unknown")


@TRIED
@given(_RULES, _LOOKS)
def test_what_is_true_is_pending_firing_or_about_to_begin_anew(tested: Rule, looks: _Looks) -> None:
    for look in _run(tested, looks):
        if look.truth and not (look.before and look.before.is_no_data):
            assert look.after.state in {RuleState.PENDING, RuleState.FIRING}


@TRIED
@given(_RULES, _LOOKS)
def test_since_moves_when_the_state_changes_and_is_never_in_the_future(
    tested: Rule, looks: _Looks
) -> None:
    for look in _run(tested, looks):
        assert look.decision.is_new == (look.after.state is not look.was)
        assert look.after.since <= look.now
        if look.decision.is_new or look.before is None:
            assert look.after.since == look.now
        else:
            assert look.after.since == min(look.before.since, look.now)


@TRIED
@given(_RULES, _ORDERED)
def test_hold_and_keep_are_kept_to_the_second(tested: Rule, looks: _Looks) -> None:
    true_since = last_true = None
    for look in _run(tested, looks):
        true_since = (true_since or look.now) if look.truth else None
        is_on = look.truth or (look.was is RuleState.FIRING and look.measured.is_above)
        last_true = look.now if is_on else last_true
        was_no_data = look.before is not None and look.before.is_no_data
        if look.was is not RuleState.FIRING and true_since:
            fires = look.now - true_since >= tested.hold
            assert (look.after.state is RuleState.FIRING) == fires
        if look.was is RuleState.FIRING and look.truth is False and not was_no_data:
            assert last_true is not None
            if look.measured.is_above:
                assert look.after.state is RuleState.FIRING
                continue
            is_over = look.now - last_true >= tested.keep
            assert (look.after.state is RuleState.RESOLVED) == is_over


@TRIED
@given(_RULES, _LOOKS)
def test_looking_again_in_the_same_instant_changes_nothing_unless_an_alert_was_just_over(
    tested: Rule, looks: _Looks
) -> None:
    last = _run(tested, looks)[-1]

    again = evaluate(tested, last.measured, last.after, last.now)

    was_no_data = last.before is not None and last.before.is_no_data
    if not was_no_data and not _ends(last) and not _gives_up(last):
        assert again.memory == last.after
        assert not again.is_new


@TRIED
@given(tested=_RULES, looks=_LOOKS, truth=_TRUTHS)
def test_numbers_that_stay_as_they_are_lead_to_a_state_that_stays(
    tested: Rule, looks: _Looks, *, truth: bool | None
) -> None:
    last = _run(tested, looks)[-1]
    step = max(tested.hold, tested.keep, tested.no_data_after or timedelta(0), SHOWN_RESOLVED)
    memory, now = last.after, last.now

    measured = Measured(truth, "So it is.", usual=Usual(4_310))
    states = []
    for _ in range(5 + GIVEN_UP_AFTER // SHOWN_RESOLVED):
        now += step
        memory = evaluate(tested, measured, memory, now).memory
        states.append(memory.state)

    settled = {True: RuleState.FIRING, False: RuleState.INACTIVE}
    if truth is not None:
        assert states[-2:] == [settled[truth]] * 2
    else:
        assert states[-1] is states[-2]
