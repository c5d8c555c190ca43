"""Whether a promise is kept in a window, and what is left of its error budget."""

from __future__ import annotations

from dataclasses import dataclass

from engine.rollups.counts import Counts
from engine.slo.bounds import Verdict, attempts_needed, judge, lower_bound, upper_bound
from engine.slo.objectives import Objective


@dataclass(frozen=True, slots=True)
class Assessment:
    """An objective in one window.

    Attributes:
        objective: which.
        bad: attempts that break the promise.
        of: attempts that it is made for.
        verdict: what the sample says.
    """

    objective: Objective
    bad: int
    of: int
    verdict: Verdict

    # The bounds take many sums where the verdict takes one, and most assessments are asked for no
    # more than their verdict.

    @property
    def at_least(self) -> float:
        """The true share of bad ones is above this with 95 % confidence; 0 without attempts."""
        return lower_bound(self.bad, self.of) if self.of else 0.0

    @property
    def at_most(self) -> float:
        """The true share of bad ones is below this with 95 % confidence; 1 without attempts."""
        return upper_bound(self.bad, self.of) if self.of else 1.0

    @property
    def needed(self) -> int:
        """With as many bad ones, the attempts that would prove the promise kept."""
        return attempts_needed(self.bad, self.objective.limit)

    @property
    def share(self) -> float | None:
        """The share of bad attempts; None without attempts."""
        return self.bad / self.of if self.of else None

    @property
    def is_off(self) -> bool:
        """Whether the sample itself breaks the promise, be it by chance."""
        return self.of > 0 and self.bad >= self.of * self.objective.limit

    @property
    def budget_left(self) -> float | None:
        """The part of the window's error budget that is left, below 0 when overspent.

        The budget is the limit's share of the attempts that there were; None without attempts.
        """
        allowed = self.of * self.objective.limit
        return (allowed - self.bad) / allowed if self.of else None


def assess(objective: Objective, counts: Counts) -> Assessment:
    """Judges an objective by what was counted in a window."""
    bad, of = objective.bad.count(counts), objective.of.count(counts)
    return Assessment(
        objective=objective,
        bad=bad,
        of=of,
        verdict=judge(bad, of, objective.limit),
    )
