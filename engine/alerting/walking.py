"""A rule walked through a past, look by look: when it would have fired, and what it had said.

Measuring and evaluation are those that are in force; nothing is decided here. What is done here is
adding up windows for a whole month at once, and passing over looks that cannot change anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.alerting.evaluation import evaluate, silent_since
from engine.alerting.measuring import (
    UNREAD,
    Moved,
    Readings,
    Sample,
    holds,
    least_of,
    measure,
    measure_tallies,
    samples_of,
    threshold_of,
)
from engine.alerting.rules import Burning, Rule, Share, Standstill
from engine.alerting.states import Measured, Memory, RuleState
from engine.alerting.tallies import CHANCE, Tally, above_all
from engine.alerting.usual import Usual, compared, lowest
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Counts, Traffic
from engine.rollups.grid import EPOCH, Tier, floor

Numbers: TypeAlias = NDArray[np.int64]

_TRUTHS: Final = {True: 1, False: 0, None: -1}


class Stream(NamedTuple):
    """Attempts that are counted together, row by row."""

    operation: Operation | None = None
    traffic: Traffic = Traffic.LIVE


@dataclass(frozen=True, slots=True)
class Rows:
    """Stretches of time that follow each other without a gap; at the end of each is a look.

    Attributes:
        starts: first instants, in whole seconds since 1970.
        ends: the instants after the last.
    """

    starts: Numbers
    ends: Numbers

    @classmethod
    def even(cls, start: datetime, step: timedelta, count: int) -> Rows:
        """So many of one length, which is whole seconds."""
        seconds = int(step.total_seconds())
        starts = int((start - EPOCH).total_seconds()) + seconds * np.arange(count, dtype=np.int64)
        return cls(starts, starts + seconds)

    def __len__(self) -> int:
        return len(self.starts)

    def look_at(self, number: int) -> datetime:
        """The instant of a look."""
        return EPOCH + timedelta(seconds=int(self.ends[number]))

    def first_in_minute_after(self, instant: datetime) -> int:
        """The first look that is not in the same minute any more."""
        after = floor(instant, Tier.MINUTE) + Tier.MINUTE.length - EPOCH
        return int(np.searchsorted(self.ends, int(after.total_seconds())))

    def sums(self, values: Numbers, length: timedelta) -> Numbers:
        """What each look finds in the window of a length that ends with it.

        Args:
            values: of each row.
            length: the window is widened to whole rows, as those of the rollups are.
        """
        added = np.concatenate(([0], np.cumsum(values)))
        since = self.ends - int(length.total_seconds())
        first = np.searchsorted(self.ends, since, side="right")
        return added[1:] - added[np.minimum(first, np.arange(len(self)))]


class Past:
    """How many attempts are usual, by what came in earlier rows.

    Those of a row are spread evenly over it, which matters where it is longer than a minute.
    """

    def __init__(self, rows: Rows, attempts: Numbers, begins: datetime | None = None) -> None:
        """Adds them up.

        Args:
            rows: the stretches of time.
            attempts: that came in each.
            begins: the hour of the first attempts that there are, if that is before the rows.
        """
        self._edges = np.concatenate((rows.starts[:1], rows.ends)).astype(np.float64)
        self._added = np.concatenate(([0], np.cumsum(attempts))).astype(np.float64)
        if begins is None and self._added[-1]:
            first = int(rows.starts[np.flatnonzero(attempts)[0]])
            begins = floor(EPOCH + timedelta(seconds=first), Tier.HOUR)
        self._begins = begins

    def usual(self, since: datetime, now: datetime) -> Usual:
        """What is usual in a stretch of time."""
        windows = compared(since, now, self._begins)
        return lowest(round(self._until(end) - self._until(start)) for start, end in windows)

    def _until(self, instant: datetime) -> float:
        """What came by then."""
        seconds = (instant - EPOCH).total_seconds()
        return float(np.interp(seconds, self._edges, self._added))


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule went into another state.

    Attributes:
        at: when.
        before: what it was in.
        after: what it is in.
        is_no_data: whether it fires for want of numbers.
        reason: why.
        numbers: what was counted.
    """

    at: datetime
    before: RuleState
    after: RuleState
    is_no_data: bool
    reason: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that there would have been.

    Attributes:
        began: the transition into firing.
        ended: the one out of it; None if it fires at the end.
        lasted: how long, up to the end of the past if it has not ended.
    """

    began: Transition
    ended: Transition | None
    lasted: timedelta


def counted(
    condition: Share | Burning, streams: Mapping[Stream, Sequence[Counts]]
) -> tuple[Numbers, Numbers]:
    """The bad ones and all of each row, as a condition counts them.

    Args:
        condition: whose.
        streams: what was counted in each row.
    """
    if isinstance(condition, Burning):
        bad, of, samples = condition.objective.bad, condition.objective.of, [Sample(timedelta(0))]
    else:
        bad, of, samples = condition.bad, condition.of, list(samples_of(condition))
    found = [streams[Stream(each.operation, each.traffic)] for each in samples]
    bads = np.fromiter((bad.count(each) for each in found[0]), np.int64, len(found[0]))
    totals = sum(np.fromiter((of.count(each) for each in row), np.int64, len(row)) for row in found)
    return bads, np.asarray(totals, np.int64)


def walk(
    rule: Rule,
    rows: Rows,
    bad: Numbers,
    of: Numbers,
    *,
    read: NDArray[np.bool_] | None = None,
    chance: float = CHANCE,
    begins: datetime | None = None,
) -> tuple[Transition, ...]:
    """Every transition of a rule about attempts.

    What is usual is known from the rows alone: they have to reach back `usual.REACH` before the
    first look that matters.

    Args:
        rule: its condition is a share or a burn rate.
        rows: when there is a look.
        bad: the bad ones of each row, see `counted`.
        of: all of each row.
        read: at which looks the numbers could be read; at all of them if None.
        chance: see `engine.alerting.tallies`.
        begins: the hour of the first attempts that there are, if that is before the rows.
    """
    condition = rule.condition
    if isinstance(condition, Standstill):
        raise TypeError(f"{rule.id} is not about attempts")
    past = Past(rows, of, begins)
    windows = [
        (rows.sums(bad, sample.length), rows.sums(of, sample.length))
        for sample in _windows(condition)
    ]

    def tallies(number: int) -> list[Tally]:
        return [Tally(int(bads[number]), int(totals[number])) for bads, totals in windows]

    def measured(number: int) -> Measured:
        if read is not None and not read[number]:
            return UNREAD
        return measure_tallies(condition, tallies(number), chance=chance)

    # What is not above its threshold needs no exact distribution, and that is nearly everything.
    above = [above_all(bads, totals, threshold_of(condition)) for bads, totals in windows]
    truths = np.where(windows[0][1] < least_of(condition), _TRUTHS[None], _TRUTHS[False])
    for number in np.flatnonzero(above[0]):
        truths[number] = _TRUTHS[holds(condition, tallies(int(number)), chance=chance)]
    if read is not None:
        truths[~read] = _TRUTHS[None]
    levels = np.all(above, axis=0).astype(np.int8)
    levels[np.any([totals == 0 for _bads, totals in windows], axis=0)] = _TRUTHS[None]
    if read is not None:
        levels[~read] = _TRUTHS[None]
    reads = np.ones(len(rows), np.bool_) if read is None else read
    return _walked(rule, rows, truths.astype(np.int8), levels, reads, measured, past.usual)


def walk_still(
    rule: Rule, rows: Rows, moved: Sequence[datetime | None], interval: timedelta
) -> tuple[Transition, ...]:
    """Every transition of a rule about something that may stand still.

    Args:
        rule: its condition is a standstill.
        rows: when there is a look.
        moved: at each look, when it moved last.
        interval: how often it should.
    """
    condition = rule.condition
    if not isinstance(condition, Standstill):
        raise TypeError(f"{rule.id} is about attempts")

    def measured(number: int) -> Measured:
        at = {condition.watched: Moved(moved[number], interval)}
        return measure(condition, Readings(rows.look_at(number), moved=at))

    truths = [_TRUTHS[measured(number).is_true] for number in range(len(rows))]
    return _walked(
        rule,
        rows,
        np.array(truths, np.int8),
        np.full(len(rows), _TRUTHS[None], np.int8),
        np.ones(len(rows), np.bool_),
        measured,
        _nothing_usual,
    )


def firings(transitions: Sequence[Transition], until: datetime) -> tuple[Firing, ...]:
    """The alerts that there would have been.

    Args:
        transitions: of one rule, oldest first.
        until: the end of the past.
    """
    found = []
    for number, began in enumerate(transitions):
        if began.after is RuleState.FIRING:
            ended = transitions[number + 1] if number + 1 < len(transitions) else None
            found.append(Firing(began, ended, (ended.at if ended else until) - began.at))
    return tuple(found)


def _windows(condition: Share | Burning) -> tuple[Sample, ...]:
    """One of a share, whatever its traffic; two of a burn rate."""
    samples = samples_of(condition)
    return samples if isinstance(condition, Burning) else samples[:1]


def _walked(
    rule: Rule,
    rows: Rows,
    truths: NDArray[np.int8],
    levels: NDArray[np.int8],
    reads: NDArray[np.bool_],
    measured: Callable[[int], Measured],
    usual_at: Callable[[datetime, datetime], Usual],
) -> tuple[Transition, ...]:
    known = {number: truth for truth, number in _TRUTHS.items()}
    changes = np.flatnonzero(np.diff(truths) | np.diff(reads)) + 1
    found: list[Transition] = []
    memory: Memory | None = None
    number = 0
    while number < len(rows):
        truth = known[int(truths[number])]
        now = rows.look_at(number)
        silent = silent_since(rule, memory, now) if truth is None else None
        usual = None if silent is None else usual_at(silent, now)
        level, is_read = known[int(levels[number])], bool(reads[number])
        bare = Measured(is_true=truth, reason="", is_above=level, is_read=is_read).beside(usual)
        decision = evaluate(rule, bare, memory, now)
        if decision.is_new:
            numbers = measured(number).beside(usual)
            found.append(
                Transition(
                    at=now,
                    before=memory.state if memory else RuleState.INACTIVE,
                    after=decision.memory.state,
                    is_no_data=decision.is_no_data,
                    reason=evaluate(rule, numbers, memory, now).reason,
                    numbers=numbers.numbers,
                )
            )
        memory = decision.memory
        number += 1
        is_settled = _is_settled(rule, memory, is_true=truth)
        if is_settled or (usual is not None and memory.state is RuleState.UNKNOWN):
            # Nothing but other numbers can change it, or the next minute what is usual.
            place = int(np.searchsorted(changes, number))
            change = int(changes[place]) if place < len(changes) else len(rows)
            number = change if is_settled else min(change, rows.first_in_minute_after(now))
    return tuple(found)


def _nothing_usual(_since: datetime, _now: datetime) -> Usual:
    return lowest(())


def _is_settled(rule: Rule, memory: Memory, *, is_true: bool | None) -> bool:
    if memory.state is RuleState.INACTIVE:
        return is_true is False
    never = rule.no_data_after is None or memory.unknown_since is None
    return memory.state is RuleState.UNKNOWN and is_true is None and never
