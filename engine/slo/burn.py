"""How fast an error budget burns: pairs of windows, as the SRE workbook has them.

A burn rate of 1 spends the budget in just its period. A pair fires when both its windows burn
faster than its factor: the long one says that it matters, the short one that it still goes on.
Source: Beyer et al., "The Site Reliability Workbook", chapter 5, table 5-8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from engine.errors import Severity
from engine.rollups.counts import Counts
from engine.slo.objectives import BUDGET_PERIOD, Objective


@dataclass(frozen=True, slots=True)
class BurnPair:
    """Two windows and how much of the budget may burn in the long one.

    Attributes:
        long: the window that says that it matters.
        short: the window that says that it still goes on.
        budget_share: part of the whole budget that burns in the long window at the factor's rate.
        severity: of the alert.
    """

    long: timedelta
    short: timedelta
    budget_share: float
    severity: Severity

    @property
    def factor(self) -> float:
        """The burn rate above which it fires."""
        return self.budget_share * (BUDGET_PERIOD / self.long)


PAIRS: Final = (
    BurnPair(timedelta(hours=1), timedelta(minutes=5), 0.02, Severity.CRITICAL),
    BurnPair(timedelta(hours=6), timedelta(minutes=30), 0.05, Severity.CRITICAL),
    BurnPair(timedelta(days=1), timedelta(hours=2), 0.10, Severity.HIGH),
    BurnPair(timedelta(days=3), timedelta(hours=6), 0.10, Severity.HIGH),
)

# Every window that a pair looks at.
BURN_WINDOWS: Final = tuple(sorted({w for pair in PAIRS for w in (pair.long, pair.short)}))


class BurnState(Enum):
    """What a pair says."""

    UNKNOWN = "no data"
    CALM = "within budget"
    BURNING = "burning"


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows as they are now; rates are None without attempts.

    Attributes:
        pair: which.
        long_rate: burn rate of the long window.
        short_rate: burn rate of the short window.
    """

    pair: BurnPair
    long_rate: float | None
    short_rate: float | None

    @property
    def state(self) -> BurnState:
        """Whether both windows burn too fast; one without attempts decides nothing."""
        if self.long_rate is None or self.short_rate is None:
            return BurnState.UNKNOWN
        is_burning = min(self.long_rate, self.short_rate) > self.pair.factor
        return BurnState.BURNING if is_burning else BurnState.CALM


def burn_rate(objective: Objective, counts: Counts) -> float | None:
    """How many times faster than its limit allows the budget burns; None without attempts."""
    of = objective.of.count(counts)
    return objective.bad.count(counts) / of / objective.limit if of else None


def burns(objective: Objective, counts_of: Callable[[timedelta], Counts]) -> tuple[Burn, ...]:
    """Every pair of an objective.

    Args:
        objective: whose budget.
        counts_of: what was counted in the window of this length that ends now.
    """
    return tuple(
        Burn(
            pair,
            burn_rate(objective, counts_of(pair.long)),
            burn_rate(objective, counts_of(pair.short)),
        )
        for pair in PAIRS
    )
