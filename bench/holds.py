"""What we hold ourselves to, and whether a run kept it: the lines of verdict of every bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from bench.document import markdown_table


class Verdict(Enum):
    """Whether a hold was kept; what was not measured is neither."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Hold:
    """A number that must not exceed another.

    Attributes:
        claim: what is held, in words.
        found: the number; None if this run did not measure it.
        limit: the most that it may be.
        unit: of both.
        where: which case was the worst; empty where there is only one.
    """

    claim: str
    found: float | None
    limit: float
    unit: str = ""
    where: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether it is kept."""
        if self.found is None:
            return Verdict.UNKNOWN
        return Verdict.MET if self.found <= self.limit else Verdict.MISSED

    @property
    def found_in_words(self) -> str:
        """The number with its unit, and where it was found."""
        if self.found is None:
            return "no data"
        where = f" ({self.where})" if self.where else ""
        return f"{_spelled(self.found, self.unit)}{where}"

    @property
    def limit_in_words(self) -> str:
        """The most that it may be."""
        return f"≤ {_spelled(self.limit, self.unit)}"

    def line(self) -> str:
        """The verdict as one line."""
        return (
            f"{self.verdict.value}: {self.claim}: {self.found_in_words}, hold {self.limit_in_words}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "verdict": self.verdict.value}


def worst(claim: str, cases: Sequence[tuple[str, float]], limit: float, unit: str = "") -> Hold:
    """The hold of a claim about several cases: the worst of them decides.

    Args:
        claim: what is held, in words.
        cases: each with its name and number; without any, nothing was measured.
        limit: the most that any may be.
        unit: of the numbers.
    """
    if not cases:
        return Hold(claim, None, limit, unit)
    where, found = max(cases, key=lambda case: case[1])
    return Hold(claim, found, limit, unit, where)


def markdown(holds: Sequence[Hold]) -> list[str]:
    """All of them as a table of the performance page."""
    rows = [
        [
            hold.claim,
            hold.found_in_words,
            hold.limit_in_words,
            f"**{hold.verdict.value}**" if hold.verdict is Verdict.MISSED else hold.verdict.value,
        ]
        for hold in holds
    ]
    return markdown_table(["Claim", "Found", "Hold", ""], rows)


def _spelled(number: float, unit: str) -> str:
    digits = f"{number:.3g}" if abs(number) < 100 else f"{number:,.0f}"  # noqa: PLR2004
    return f"{digits} {unit}".rstrip()
