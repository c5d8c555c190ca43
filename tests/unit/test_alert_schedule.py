"""When a notice is tried again, how long a channel is left alone, how fast it may be sent to."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.alerting.channels.channel import FailureReason
from engine.alerting.channels.pacing import Allowance, Pace
from engine.alerting.notices import NoticeKind
from engine.alerting.schedule import Patience, Timing, hold, next_try, patience
from tests.alerting_notices import AT

TIMING = Timing()
LAST = patience(NoticeKind.FIRING, has_stand_in=False)
CHANCES = st.floats(0, 1)
AFTERS = st.none() | st.timedeltas(timedelta(0), timedelta(hours=1))


def at(tries: int, now: datetime = AT, **changes: object) -> datetime | FailureReason:
    given: dict[str, object] = {"chance": 1.0, "after": None, "allowed": LAST} | changes
    return next_try(tries, AT, now, timing=TIMING, **given)  # type: ignore[arg-type]


def test_delays_double_from_a_second_to_a_minute() -> None:
    delays = [at(tries) for tries in (1, 2, 3, 6, 7, 8, 100)]

    assert delays == [AT + timedelta(seconds=each) for each in (1, 2, 4, 32, 60, 60, 60)]


@given(st.integers(1, 2_000), CHANCES, AFTERS)
def test_a_delay_is_at_least_half_of_itself_and_never_shorter_than_was_asked_for(
    tries: int, chance: float, after: timedelta | None
) -> None:
    most, least = at(tries), at(tries, chance=0.0)
    tried = at(tries, chance=chance, after=after)

    if tries >= LAST.tries:
        assert tried is FailureReason.TOO_OFTEN
        return
    assert isinstance(tried, datetime)
    assert isinstance(most, datetime)
    assert isinstance(least, datetime)
    assert (least - AT) * 2 == most - AT
    assert max(least, AT + (after or timedelta(0))) <= tried
    assert tried <= max(most, AT + (after or timedelta(0)))


def test_what_would_be_tried_after_its_time_is_given_up_at_once() -> None:
    hurried = Patience(8, timedelta(minutes=5))

    assert at(8, allowed=hurried) is FailureReason.TOO_OFTEN
    late = AT + timedelta(minutes=4, seconds=59)
    assert at(2, late, allowed=hurried) is FailureReason.TOO_OLD
    assert at(1, late, allowed=hurried) == AT + timedelta(minutes=5)
    asked = timedelta(minutes=6)
    assert at(1, allowed=hurried, after=asked) is FailureReason.TOO_OLD


def test_with_a_stand_in_it_is_minutes_and_without_a_day() -> None:
    assert patience(NoticeKind.FIRING, has_stand_in=True).age == timedelta(minutes=5)
    assert LAST.age == timedelta(hours=24)
    # The last channel is not given up for the number of its tries before its day is over.
    assert TIMING.delay_max * 0.5 * LAST.tries > timedelta(hours=12)
    assert patience(NoticeKind.TEST, has_stand_in=False).age == timedelta(minutes=2)


def test_a_channel_that_fails_again_and_again_is_left_alone_for_half_a_minute_at_most() -> None:
    holds = [hold(failures, 1.0, TIMING).total_seconds() for failures in (0, 1, 2, 3, 4, 8, 500)]

    assert holds == [0, 0, 0, 1, 2, 30, 30]
    assert hold(8, 0.0, TIMING) == timedelta(seconds=15)


@given(
    st.lists(st.floats(0.01, 5), min_size=1, max_size=80),
    st.lists(
        st.builds(Allowance, st.integers(1, 5), st.timedeltas(timedelta(seconds=1), timedelta(9))),
        min_size=1,
        max_size=2,
    ),
)
def test_no_stretch_of_time_has_more_than_is_allowed(
    pauses: list[float], allowances: list[Allowance]
) -> None:
    pace, now, sent = Pace(allowances), 1_000.0, []
    for pause in pauses:
        now += pause
        now += pace.wait(now)
        assert pace.wait(now) < 1e-6
        pace.sent(now)
        sent.append(now)

    for times, period in allowances:
        gaps = [b - a for a, b in zip(sent, sent[times:], strict=False)]
        assert all(gap >= period.total_seconds() - 1e-6 for gap in gaps)


def test_telegram_takes_one_a_second_and_a_group_twenty_a_minute() -> None:
    pace = Pace((Allowance(1, timedelta(seconds=1)), Allowance(20, timedelta(minutes=1))))
    now, sent = 0.0, []
    for _ in range(41):
        now += pace.wait(now)
        pace.sent(now)
        sent.append(now)

    assert sent[:20] == [float(each) for each in range(20)]
    assert (sent[20], sent[40]) == (60.0, 120.0)


def test_a_receiver_that_wants_to_be_left_alone_is() -> None:
    pace = Pace(())
    pace.hold(5.0)

    assert [pace.wait(0.0), pace.wait(4.0), pace.wait(5.0)] == [5.0, 1.0, 0.0]
