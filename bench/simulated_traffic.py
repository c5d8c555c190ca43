"""Weeks of saves as the rollups would count them, ten seconds a row, out of real arrivals.

How many come is taken from `tests/data/arrivals_by_10_s.csv`, two production services whose
requests come in bursts: pieces of it follow each other, thinned to the hour of the day and the day
of the week. What becomes of them is drawn: a healthy service keeps each of its promises with half
of what it may spend, and its bad attempts come in clusters, as a caller who gets something wrong
does so again. An incident changes the shares, or the arrivals, for a while.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np

from engine.alerting.measuring import samples_of
from engine.alerting.rules import Burning, Rule, Standstill
from engine.alerting.tallies import CHANCE
from engine.alerting.walking import Numbers, Rows, Stream, Transition, walk
from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Counts, Traffic

STEP: Final = timedelta(seconds=10)
_ARRIVALS: Final = Path(__file__).parents[1] / "tests" / "data" / "arrivals_by_10_s.csv"
_PER_DAY: Final = timedelta(days=1) // STEP
# Of the arrivals, by the hour of the day: two in a hundred come at night.
_BY_HOUR: Final = (
    0.03, 0.02, 0.02, 0.02, 0.02, 0.04, 0.10, 0.30, 0.65, 0.90, 1.00, 0.95,
    0.80, 0.85, 0.95, 1.00, 0.95, 0.80, 0.60, 0.45, 0.30, 0.20, 0.10, 0.05,
)  # fmt: skip
_BY_WEEKDAY: Final = (1.0, 1.0, 0.95, 0.95, 0.9, 0.5, 0.35)
_UPDATES: Final = 0.6
_UNKNOWN_CALLERS: Final = 0.02
# An event is one bad attempt, in three of ten cases another one, and in one a third.
_SECOND, _THIRD = 0.3, 0.1
_CLUSTER: Final = 1 + _SECOND + _THIRD

_C = ErrorCode
# Half of every limit: 0.5 % unsuccessful, of which conflicts are 0.05 %, critical codes 0.05 % and
# invalid quotes 0.25 %.
HEALTHY: Final[Mapping[ErrorCode, float]] = MappingProxyType(
    {
        _C.QUOTE_CONFLICT_VERSION: 0.0005,
        _C.QUOTE_VALIDATION_FAILED: 0.0020,
        _C.PRICING_VALIDATION_FAILED: 0.0003,
        _C.CURRENCY_INVALID: 0.0002,
        _C.ITEMS_INCONSISTENT: 0.0003,
        _C.INTERNAL_ERROR: 0.0002,
        _C.QUOTE_STATE_INVALID: 0.0006,
        _C.QUOTE_ALREADY_SENT: 0.0003,
        _C.QUOTE_NOT_FOUND: 0.0004,
        _C.QUOTA_EXCEEDED: 0.0002,
    }
)
_RETRIED: Final = 0.0025
_OVER_P95: Final = 0.025
_OVER_P99: Final = 0.005


@dataclass(frozen=True, slots=True)
class Incident:
    """Something goes wrong for a while.

    Attributes:
        name: says what.
        start: how long after the beginning.
        lasts: how long.
        expected: ids of the rules that have to fire.
        codes: shares of the attempts with these codes, instead of the healthy ones.
        retried: the share of attempts that are rolled back and tried again.
        over_p95: the share of attempts over 500 ms.
        over_p99: the share of attempts over 1,000 ms.
        operation: only attempts of this one; all if None.
        arrivals: how many come, as a multiple.
        unknown_callers: attempts without a known agent, as a multiple of live ones.
    """

    name: str
    start: timedelta
    lasts: timedelta
    expected: tuple[str, ...]
    codes: Mapping[ErrorCode, float] = field(default_factory=dict)
    retried: float = _RETRIED
    over_p95: float = _OVER_P95
    over_p99: float = _OVER_P99
    operation: Operation | None = None
    arrivals: float = 1.0
    unknown_callers: float = _UNKNOWN_CALLERS

    @property
    def end(self) -> timedelta:
        """When it is over."""
        return self.start + self.lasts

    @property
    def rows(self) -> slice:
        """Its rows."""
        return slice(self.start // STEP, self.end // STEP)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was counted, row by row; each counter is an array, so that parts count all at once."""

    rows: Rows
    streams: Mapping[Stream, Counts]

    @property
    def attempts(self) -> int:
        """Live attempts in all."""
        return int(np.sum(self.streams[Stream()].attempts))

    def walk(self, rule: Rule, *, chance: float = CHANCE) -> tuple[Transition, ...]:
        """What a rule about attempts goes through."""
        condition = rule.condition
        if isinstance(condition, Standstill):
            raise TypeError(f"{rule.id} is not about attempts")
        found = [
            self.streams[Stream(each.operation, each.traffic)] for each in samples_of(condition)
        ]
        parts = condition.objective if isinstance(condition, Burning) else condition
        bad = self._column(parts.bad.count(found[0]))
        # The windows of a burn rate are of the same attempts; of a share, each adds its own.
        of = [
            parts.of.count(each) for each in found[: 1 if isinstance(condition, Burning) else None]
        ]
        return walk(rule, self.rows, bad, self._column(sum(of)), chance=chance)

    def _column(self, counted: int) -> Numbers:
        """A counter of all rows; of codes that nobody drew there is a plain 0."""
        return np.asarray(np.zeros(len(self.rows)) + counted, np.int64)


def simulate(
    start: datetime,
    days: int,
    *,
    seed: int,
    volume: float = 1.0,
    incidents: Sequence[Incident] = (),
) -> Simulated:
    """Draws what came and what became of it.

    Args:
        start: the first instant.
        days: how many.
        seed: of chance; the same one gives the same numbers.
        volume: how many attempts, as a multiple of the arrivals' nine a second at noon.
        incidents: what goes wrong, and when.
    """
    chance = np.random.default_rng(seed)
    arrivals = _arrivals(start, days, volume, chance)
    factor = np.ones(len(arrivals))
    unknown = np.full(len(arrivals), _UNKNOWN_CALLERS)
    for each in incidents:
        factor[each.rows] = each.arrivals
        unknown[each.rows] = each.unknown_callers
    # Thinned or multiplied, they keep their bursts.
    attempts = chance.poisson(arrivals * factor)
    updates = chance.binomial(attempts, _UPDATES)
    of_updates = _drawn(updates, Operation.UPDATE, incidents, chance)
    of_others = _drawn(attempts - updates, None, incidents, chance)
    callers = chance.poisson(attempts * unknown)
    streams = {
        Stream(): _added(of_updates, of_others),
        Stream(Operation.UPDATE): of_updates,
        Stream(None, Traffic.UNKNOWN_CALLER): _counts(
            callers, {_C.AUTHENTICATION_FAILED: callers}, 0 * callers, 0 * callers, 0 * callers
        ),
    }
    return Simulated(Rows.even(start, STEP, len(arrivals)), streams)


def _arrivals(
    start: datetime, days: int, volume: float, chance: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Expected arrivals of each row."""
    with _ARRIVALS.open(encoding="utf-8") as file:
        series = np.array(
            [int(row["conversation"]) + int(row["code"]) for row in csv.DictReader(file)]
        )
    pieces = -(-days * _PER_DAY // len(series))
    rolled = [np.roll(series, int(chance.integers(len(series)))) for _ in range(pieces)]
    shape = np.concatenate(rolled)[: days * _PER_DAY].astype(np.float64)
    instants = [start + timedelta(hours=hour) for hour in range(days * 24)]
    of_hour = [_BY_HOUR[each.hour] * _BY_WEEKDAY[each.weekday()] for each in instants]
    return np.asarray(shape * np.repeat(of_hour, timedelta(hours=1) // STEP) * volume)


def _drawn(
    attempts: Numbers,
    operation: Operation | None,
    incidents: Sequence[Incident],
    chance: np.random.Generator,
) -> Counts:
    hit = [each for each in incidents if each.operation in {None, operation}]
    left = attempts.copy()
    codes: dict[ErrorCode, Numbers] = {}
    for code in (*HEALTHY, *_others(hit)):
        share = np.full(len(attempts), HEALTHY.get(code, 0.0))
        for each in hit:
            share[each.rows] = each.codes.get(code, HEALTHY.get(code, 0.0))
        found = np.minimum(_clustered(attempts, share, chance), left)
        codes[code] = found
        left -= found
    retried, slow, slower = (
        np.full(len(attempts), share) for share in (_RETRIED, _OVER_P95, _OVER_P99)
    )
    for each in hit:
        retried[each.rows] = each.retried
        slow[each.rows] = each.over_p95
        slower[each.rows] = each.over_p99
    over_p95 = chance.binomial(attempts, slow)
    over_p99 = chance.binomial(over_p95, np.minimum(slower / slow, 1))
    return _counts(attempts, codes, chance.binomial(left, retried), over_p95, over_p99)


def _clustered(
    attempts: Numbers, share: np.ndarray[Any, Any], chance: np.random.Generator
) -> Numbers:
    events = chance.poisson(attempts * share / _CLUSTER)
    more = chance.binomial(events, _SECOND) + chance.binomial(events, _THIRD)
    return np.asarray(events + more, np.int64)


def _others(incidents: Sequence[Incident]) -> Iterator[ErrorCode]:
    named = {code for each in incidents for code in each.codes}
    yield from sorted(named - set(HEALTHY))


def _counts(
    attempts: Numbers,
    codes: Mapping[ErrorCode, Numbers],
    retried: Numbers,
    over_p95: Numbers,
    over_p99: Numbers,
) -> Counts:
    outcomes: dict[Outcome, Any] = {}
    for code, found in codes.items():
        outcome = outcome_of(code)
        outcomes[outcome] = outcomes.get(outcome, 0) + found
    outcomes[Outcome.COMMITTED] = attempts - sum(outcomes.values())
    return Counts(
        attempts=cast("int", attempts),
        by_outcome=outcomes,
        by_code={TAXONOMY[code].number: cast("int", found) for code, found in codes.items()},
        retried=cast("int", retried),
        timed=cast("int", attempts),
        over_p95=cast("int", over_p95),
        over_p99=cast("int", over_p99),
    )


def _added(first: Counts, second: Counts) -> Counts:
    def both(left: Mapping[Any, int], right: Mapping[Any, int]) -> dict[Any, int]:
        return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}

    return Counts(
        attempts=first.attempts + second.attempts,
        by_outcome=both(first.by_outcome, second.by_outcome),
        by_code=both(first.by_code, second.by_code),
        retried=first.retried + second.retried,
        timed=first.timed + second.timed,
        over_p95=first.over_p95 + second.over_p95,
        over_p99=first.over_p99 + second.over_p99,
    )
