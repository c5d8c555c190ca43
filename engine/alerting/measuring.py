"""What a rule's condition comes to, from what was counted; pure.

A share makes a rule true when it is above its threshold by more than chance, see
`engine.alerting.tallies`. For the same reason few attempts prove nothing good: with fewer than
`least` of them, numbers that do not make a rule true leave it unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from engine.alerting.measured_words import tell_burning, tell_share_of, tell_still
from engine.alerting.rules import Burning, Condition, Rule, Share, Standstill, Watched
from engine.alerting.states import Measured
from engine.alerting.tallies import (
    CHANCE,
    FEWEST,
    FEWEST_CRITICAL,
    STILL_CHANCE,
    Tally,
    is_above,
    is_shown,
)
from engine.alerting.usual import Usual
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Counts, Traffic
from engine.rollups.histogram import percentiles_us
from engine.rollups.parts import CRITICAL_ERRORS

_PERCENTILES: Final = (0.95, 0.99)
UNREAD: Final = Measured(is_true=None, reason="What was counted could not be read.", is_read=False)


class Sample(NamedTuple):
    """Some of the attempts of the window of a length that ends now.

    Attributes:
        length: of the window.
        operation: only attempts of this one; all if None.
        traffic: where they come from.
    """

    length: timedelta
    operation: Operation | None = None
    traffic: Traffic = Traffic.LIVE


@dataclass(frozen=True, slots=True)
class Moved:
    """When something that should move did so last.

    Attributes:
        at: None if it is not known.
        interval: how often it should.
    """

    at: datetime | None
    interval: timedelta


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that rules are measured by, as one look found it.

    Attributes:
        now: when.
        counts: of the samples that could be read; one that is missing is unknown.
        moved: of what is watched, the same.
        usual: what is usual in the time in which nothing has been known, by the ids of the rules
            that ask; one that is missing could not be read.
    """

    now: datetime
    counts: Mapping[Sample, Counts] = field(default_factory=dict)
    moved: Mapping[Watched, Moved] = field(default_factory=dict)
    usual: Mapping[str, Usual] = field(default_factory=dict)


def samples_of(condition: Condition) -> tuple[Sample, ...]:
    """The samples that a condition is measured by; none of a standstill.

    The first one's attempts are those that an alert is about.
    """
    match condition:
        case Share():
            live = Sample(condition.window, condition.operation)
            return tuple(dict.fromkeys((live._replace(traffic=condition.traffic), live)))
        case Burning():
            return Sample(condition.pair.long), Sample(condition.pair.short)
        case Standstill():
            return ()


def samples_of_all(rules: Iterable[Rule]) -> tuple[Sample, ...]:
    """Every sample that some rules need, once, so that each is read once in a tick."""
    return tuple(dict.fromkeys(each for rule in rules for each in samples_of(rule.condition)))


def measure(condition: Condition, readings: Readings) -> Measured:
    """What a condition comes to.

    The numbers have p95_ms and p99_ms where the histogram of the first sample was read.
    """
    if isinstance(condition, Standstill):
        return _standstill(condition, readings)
    samples = samples_of(condition)
    counts = [readings.counts[each] for each in samples if each in readings.counts]
    if len(counts) < len(samples):
        return UNREAD
    measured = measure_tallies(condition, tallies_of(condition, counts))
    return replace(measured, numbers={**measured.numbers, **dict(_percentiles(counts[0]))})


def tallies_of(condition: Share | Burning, counts: Sequence[Counts]) -> tuple[Tally, ...]:
    """The bad and all of a condition's windows: one of a share, long and short of a burn rate.

    Args:
        condition: whose.
        counts: of its samples, in the order of `samples_of`.
    """
    if isinstance(condition, Share):
        of = sum(condition.of.count(each) for each in counts)
        return (Tally(condition.bad.count(counts[0]), of),)
    objective = condition.objective
    return tuple(Tally(objective.bad.count(each), objective.of.count(each)) for each in counts)


def threshold_of(condition: Share | Burning) -> float:
    """The share above which a condition is true."""
    if isinstance(condition, Share):
        return condition.above
    return condition.pair.factor * condition.objective.limit


def least_of(condition: Share | Burning) -> int:
    """The attempts below which numbers that do not make a condition true leave it unknown.

    A share of nothing is unknown. Whether there are any bad attempts is known without attempts.
    """
    return max(condition.least, 1 if threshold_of(condition) else 0)


def fewest_of(condition: Share | Burning) -> int:
    """The bad attempts below which a condition is not true, unless it is about any at all."""
    bad = condition.bad if isinstance(condition, Share) else condition.objective.bad
    return FEWEST_CRITICAL if bad.key == CRITICAL_ERRORS.key else FEWEST


def holds(
    condition: Share | Burning, tallies: Sequence[Tally], *, chance: float = CHANCE
) -> bool | None:
    """Whether a condition is true by what its windows hold; None when that cannot be known.

    Args:
        condition: a share or a burn rate.
        tallies: as `tallies_of` has them.
        chance: how likely a sample may be that still counts; 1 takes every one as it is.
    """
    first, *others = tallies
    threshold = threshold_of(condition)
    if not is_shown(first, threshold, chance, fewest_of(condition)):
        return None if first.of < least_of(condition) else False
    if not all(each.of for each in others):
        return None
    # The short window of a burn rate only says whether it still goes on.
    still = max(chance, STILL_CHANCE)
    return all(is_shown(each, threshold, still) for each in others)


def are_above(condition: Share | Burning, tallies: Sequence[Tally]) -> bool | None:
    """Whether all windows are above the threshold, be it by chance; None if one is of nothing."""
    threshold = threshold_of(condition)
    if not all(each.of for each in tallies):
        return None
    return all(is_above(each, threshold) for each in tallies)


def measure_tallies(
    condition: Share | Burning, tallies: Sequence[Tally], *, chance: float = CHANCE
) -> Measured:
    """What a condition comes to by what its windows hold; arguments as those of `holds`."""
    is_true = holds(condition, tallies, chance=chance)
    above = are_above(condition, tallies)
    first = tallies[0]
    numbers: dict[str, Any] = {"attempts": first.of, "bad": first.bad, "share": first.share}
    numbers["threshold"] = threshold_of(condition)
    if isinstance(condition, Share):
        numbers["window_s"] = _seconds(condition.window)
        return Measured(is_true, tell_share_of(condition, first, is_true=is_true), numbers, above)
    long, short = tallies
    pair, limit = condition.pair, condition.objective.limit
    numbers |= {
        "window_s": _seconds(pair.long),
        "short_window_s": _seconds(pair.short),
        "short_attempts": short.of,
        "short_bad": short.bad,
        "factor": round(pair.factor, 6),
        "burn_rate": None if long.share is None else long.share / limit,
        "short_burn_rate": None if short.share is None else short.share / limit,
    }
    return Measured(is_true, tell_burning(condition, long, short, is_true=is_true), numbers, above)


def _standstill(condition: Standstill, readings: Readings) -> Measured:
    moved = readings.moved.get(condition.watched)
    if moved is None or moved.at is None:
        reason = f"When the {condition.watched} moved last is not known."
        return Measured(is_true=None, reason=reason)
    allowed = condition.intervals * moved.interval
    # A clock that was set back: it has moved, whenever that was.
    still = max(readings.now - moved.at, timedelta(0))
    is_true = still > allowed
    numbers = {
        "still_s": round(still.total_seconds(), 3),
        "allowed_s": allowed.total_seconds(),
        "interval_s": moved.interval.total_seconds(),
    }
    return Measured(is_true, tell_still(condition, still, allowed, is_true=is_true), numbers)


def _percentiles(counts: Counts) -> Iterator[tuple[str, float]]:
    """In milliseconds; nothing when no histogram was read."""
    found = percentiles_us(counts.histogram, _PERCENTILES)
    if found is not None:
        yield from zip(("p95_ms", "p99_ms"), (round(us / 1000, 1) for us in found), strict=True)


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
