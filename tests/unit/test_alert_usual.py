"""An absence is an alert where attempts are usual, and only there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from engine.alerting.changes import changed_rule
from engine.alerting.evaluation import evaluate, silent_since
from engine.alerting.loading import own_rules
from engine.alerting.measuring import UNREAD, measure_tallies
from engine.alerting.rule_changes import new_findings
from engine.alerting.rule_tests import own_tests
from engine.alerting.rules import Standstill, Watched
from engine.alerting.states import Decision, Measured, Memory, RuleState
from engine.alerting.tallies import Tally
from engine.alerting.usual import MEANINGFUL, Usual, compared, lowest
from engine.alerting.walking import Rows, Transition, walk
from engine.errors import SetupError
from engine.rollups.grid import Window
from tests.unit.alert_rules import FALSE, MINUTE, NOON, SECOND, SHARE, rule

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WAIT = timedelta(minutes=15)
HIGH = next(each for each in own_rules() if each.id == "HIGH-002")
EMPTY = Measured(None, "There were no attempts.", {"attempts": 0})
_LONG_AGO = NOON - 400 * DAY


def _ago(windows: tuple[Window, ...]) -> list[float]:
    return [(NOON - each.end) / DAY for each in windows]


@pytest.mark.parametrize(
    ("history", "stretch", "days"),
    [
        (15 * DAY, HOUR, [7, 14]),
        (14 * DAY + HOUR, HOUR, [7, 14]),
        (14 * DAY + HOUR - SECOND, HOUR, [7]),
        (7 * DAY + HOUR, HOUR, [7]),
        (7 * DAY + HOUR - SECOND, HOUR, [1, 2, 3, 4, 5, 6]),
        (2 * DAY + HOUR, HOUR, [1, 2]),
        (DAY + HOUR, HOUR, [1]),
        (DAY + HOUR - SECOND, HOUR, []),
        # Of a long one the last day counts.
        (8 * DAY, 60 * DAY, [7]),
        (8 * DAY - SECOND, 60 * DAY, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_stretch_is_held_against_weeks_before_that_against_days_and_first_against_nothing(
    history: timedelta, stretch: timedelta, days: list[float]
) -> None:
    windows = compared(NOON - stretch, NOON, NOON - history)

    assert _ago(windows) == days
    assert {each.length for each in windows} <= {min(stretch, DAY)}


def test_without_any_attempts_there_is_nothing_to_hold_it_against() -> None:
    assert compared(NOON - HOUR, NOON, None) == ()


def test_what_is_compared_is_whole_minutes_that_are_still_kept() -> None:
    now = NOON + timedelta(minutes=34, seconds=56)

    week, two = compared(now - 2 * DAY, now, _LONG_AGO)

    assert (week.start, week.end) == (NOON + 34 * MINUTE - 8 * DAY, NOON + 34 * MINUTE - 7 * DAY)
    # Minutes are kept from the next hour on, 15 days ago.
    assert (two.start, two.end) == (NOON + HOUR - 15 * DAY, NOON + 34 * MINUTE - 14 * DAY)


def test_the_lower_count_is_usual_and_few_mean_nothing() -> None:
    assert lowest([812, 40]) == Usual(40)
    assert lowest([]) == Usual(None)
    assert [Usual(each).is_meaningful for each in (MEANINGFUL, MEANINGFUL - 1, 0, None)] == [
        True, False, False, False,
    ]  # fmt: skip


def _silent(minutes: int, measured: Measured, *, is_unread: bool = False) -> Decision:
    """What is decided when nothing has been known for so long."""
    before = Memory(RuleState.UNKNOWN, NOON, unknown_since=NOON, is_unread=is_unread)
    return evaluate(rule(no_data_after=WAIT), measured, before, NOON + minutes * MINUTE)


@pytest.mark.parametrize(
    ("minutes", "usual", "state", "why"),
    [
        (22, Usual(4310), "firing", "for 22 min, in which 4,310 attempts are usual."),
        (22, Usual(1), "unknown", "22 min, in which 1 attempt is usual: so few say nothing."),
        (22, Usual(MEANINGFUL - 1), "unknown", "149 attempts are usual: so few say nothing."),
        (22, Usual(MEANINGFUL), "firing", "150 attempts are usual."),
        (22, Usual(None), "unknown", "; what is usual is known after a day of attempts."),
        (22, None, "unknown", "for 22 min; what is usual could not be read."),
        (4320, Usual(9000), "firing", "3 d, in the last 24 h of which 9,000 attempts are usual."),
        (14, Usual(4310), "unknown", ""),
    ],
)  # fmt: skip
def test_an_absence_fires_where_attempts_are_usual_and_says_how_many(
    minutes: int, usual: Usual | None, state: str, why: str
) -> None:
    decision = _silent(minutes, EMPTY.beside(usual))

    assert decision.memory.state.value == state
    assert decision.is_no_data == (state == "firing")
    assert decision.reason.endswith(why or EMPTY.reason)


def test_the_numbers_say_what_is_usual_where_that_is_known() -> None:
    assert EMPTY.beside(Usual(4310)).numbers == {"attempts": 0, "usual": 4310}
    assert EMPTY.beside(Usual(None)).numbers == EMPTY.beside(None).numbers == {"attempts": 0}


def test_it_is_asked_what_is_usual_only_when_a_share_has_been_unknown_for_long() -> None:
    tested, late = rule(no_data_after=WAIT), NOON + WAIT
    silent = Memory(RuleState.UNKNOWN, NOON, unknown_since=NOON)

    assert silent_since(tested, silent, late) == NOON
    assert silent_since(tested, silent, late - SECOND) is None
    assert silent_since(tested, None, late) is None
    assert silent_since(tested, replace(silent, unknown_since=None), late) is None
    assert silent_since(tested, replace(silent, state=RuleState.FIRING), late) is None
    assert silent_since(rule(), silent, late) is None
    still = rule(condition=Standstill(Watched.ROLLER), no_data_after=WAIT)
    assert silent_since(still, silent, late) is None


def test_numbers_that_cannot_be_read_are_an_alert_at_any_hour() -> None:
    blind = _silent(15, UNREAD.beside(Usual(0)), is_unread=True)

    assert blind.memory.state is RuleState.FIRING
    assert blind.reason == f"{UNREAD.reason} Nothing has been known for 15 min."


def test_one_look_that_cannot_be_read_makes_no_alert_of_a_night_without_attempts() -> None:
    tested, night = rule(no_data_after=WAIT), NOON + 5 * HOUR
    once = _silent(300, UNREAD)

    assert once.memory.state is RuleState.UNKNOWN
    assert (once.memory.unknown_since, once.memory.is_unread) == (night, True)
    later = evaluate(tested, UNREAD, once.memory, night + WAIT)
    assert later.memory.state is RuleState.FIRING
    back = evaluate(tested, EMPTY.beside(Usual(3)), once.memory, night + WAIT)
    assert (back.memory.state, back.memory.unknown_since) == (RuleState.UNKNOWN, night)


def test_what_is_given_up_is_missed_in_the_next_look_where_attempts_are_usual() -> None:
    tested, late = rule(no_data_after=WAIT), NOON + 2 * HOUR
    given_up = Memory(RuleState.RESOLVED, late, unknown_since=NOON)

    assert silent_since(tested, given_up, late) == NOON
    assert evaluate(tested, EMPTY.beside(Usual(4310)), given_up, late).is_no_data
    assert not evaluate(tested, EMPTY.beside(Usual(3)), given_up, late).is_no_data


def test_a_rule_that_never_says_so_says_nothing() -> None:
    never = changed_rule(HIGH, {"no_data_after": "never"})
    assert never is not None
    assert never.no_data_after is None
    memory = evaluate(never, FALSE, None, NOON).memory
    for hours in range(1, 40):
        memory = evaluate(never, EMPTY.beside(Usual(10**6)), memory, NOON + hours * HOUR).memory
        assert memory.state is RuleState.UNKNOWN


@pytest.mark.parametrize("wait", ["never", "12 h"])
def test_how_long_attempts_may_be_missing_is_the_installations_to_say(wait: str) -> None:
    body = {"no_data_after": wait}

    assert new_findings(HIGH, body, {}, None, rules=own_rules(), tests=own_tests()) == ()
    assert new_findings(
        HIGH, {**body, "threshold": "99 %"}, {}, None, rules=own_rules(), tests=own_tests()
    )


def test_a_watchdog_that_knows_nothing_says_so_some_time() -> None:
    watchdog = next(each for each in own_rules() if each.id == "WATCH-001")

    with pytest.raises(SetupError, match="WATCH-001: no_data_after"):
        changed_rule(watchdog, {"no_data_after": "never"})


def _past(days: int, step: timedelta, *, by_day: int) -> list[int]:
    """Attempts of each row: some by day, few at dusk, none at night; on the last day they stop."""
    rows = []
    for number in range(days * DAY // step):
        at = number * step
        hour = at % DAY / HOUR
        is_over = at >= (days - 1) * DAY + 9 * HOUR
        few = int(number % (40 * MINUTE // step) == 0)
        rows.append(0 if is_over or hour < 6 else by_day if 8 <= hour < 20 else few)
    return rows


@pytest.mark.parametrize(
    ("days", "step", "by_day", "fires"),
    [
        (1, MINUTE, 9, False),
        (2, 10 * SECOND, 1, True),
        (3, MINUTE, 2, True),
        (9, 5 * MINUTE, 2, True),
        (16, 5 * MINUTE, 2, True),
    ],
)
def test_a_walk_finds_usual_what_each_look_does(
    days: int, step: timedelta, by_day: int, *, fires: bool
) -> None:
    attempts = _past(days, step, by_day=by_day)
    # Once at night, and once while they are missing, nothing can be read.
    last = (days - 1) * DAY
    unread = {(last + 2 * HOUR) // step, (last + 9 * HOUR + 25 * MINUTE) // step}
    read = np.array([number not in unread for number in range(len(attempts))])
    rows = Rows.even(NOON, step, len(attempts))
    tested = rule(no_data_after=WAIT)

    walked = walk(tested, rows, np.zeros(len(attempts), np.int64), np.array(attempts), read=read)

    assert walked == tuple(_ticked(attempts, step, unread))
    assert any(each.is_no_data for each in walked) == fires


def _ticked(attempts: list[int], step: timedelta, unread: set[int]) -> list[Transition]:
    """What a look at the end of each row comes to, counting everything anew."""
    tested, memory, found = rule(no_data_after=WAIT), None, []

    def counted(window: Window) -> int:
        return sum(attempts[(window.start - NOON) // step : (window.end - NOON) // step])

    for number in range(len(attempts)):
        now = NOON + (number + 1) * step
        of = sum(attempts[max(number + 1 - SHARE.window // step, 0) : number + 1])
        measured = UNREAD
        if number not in unread:
            measured = measure_tallies(SHARE, [Tally(0, of)])
        since = silent_since(tested, memory, now)
        if since is not None and measured.is_true is None:
            measured = measured.beside(
                lowest(map(counted, compared(since, now, _begin(attempts, step))))
            )
        decision = evaluate(tested, measured, memory, now)
        if decision.is_new:
            before = memory.state if memory else RuleState.INACTIVE
            found.append(
                Transition(
                    now, before, decision.memory.state, decision.is_no_data, decision.reason,
                    measured.numbers,
                )
            )  # fmt: skip
        memory = decision.memory
    return found


def _begin(attempts: list[int], step: timedelta) -> datetime:
    first = next(number for number, each in enumerate(attempts) if each)
    return (NOON + first * step).replace(minute=0)


def test_what_came_in_rows_that_are_longer_than_the_stretch_is_spread_over_them() -> None:
    hours = Rows.even(NOON - 20 * DAY, HOUR, 20 * 24)
    minutes = Rows.even(NOON, MINUTE, 60)
    rows = Rows(
        *(
            np.concatenate(each)
            for each in ((hours.starts, minutes.starts), (hours.ends, minutes.ends))
        )
    )
    attempts = np.concatenate([np.full(len(hours), 1200), np.zeros(60, np.int64)])

    (_unknown, firing) = walk(
        rule(no_data_after=WAIT), rows, np.zeros(len(attempts), np.int64), attempts
    )

    assert (firing.is_no_data, firing.at) == (True, NOON + 20 * MINUTE)
    assert firing.numbers["usual"] == 300
