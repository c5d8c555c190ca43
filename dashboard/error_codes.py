"""Error codes as screens tell them: what is known of each, and which of many are worth drawing.

Pure functions. A code of a newer release keeps its number; what it means is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from dashboard.wording import Colour, Words, code_name
from engine.attempts import ledger
from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode, Severity

OURS: Final = "Ours"
CALLERS: Final = "Caller's"
UNKNOWN: Final = "Unknown"
# More of them than this cannot be told apart in one chart.
DRAWN_MAX: Final = 8

SEVERITY_COLOURS: Final[dict[Severity, Colour]] = {
    Severity.CRITICAL: "red",
    Severity.HIGH: "orange",
    Severity.WARN: "blue",
    Severity.INFO: "gray",
}
_BY_NUMBER: Final = {meaning.number: code for code, meaning in TAXONOMY.items()}


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """What is known of a code.

    Attributes:
        code: None if a newer release wrote it.
        name: of the code.
        title: a short noun phrase.
        severity: as a word and a colour.
        retryable: yes, no, or unknown.
        doing: whose doing it is.
    """

    code: ErrorCode | None
    name: str
    title: str
    severity: Words
    retryable: str
    doing: str


def facts(number: int) -> CodeFacts:
    """What is known of the code that the ledger stores as a number."""
    code = _BY_NUMBER.get(number)
    if code is None:
        newer = "A newer release knows it"
        return CodeFacts(None, code_name(number), newer, Words(UNKNOWN, "gray"), UNKNOWN, UNKNOWN)
    meaning = TAXONOMY[code]
    return CodeFacts(
        code=code,
        name=code.value,
        title=meaning.title,
        severity=Words(meaning.severity.name, SEVERITY_COLOURS[meaning.severity]),
        retryable="yes" if meaning.retryable else "no",
        doing=OURS if ledger.outcome_of(code) is Outcome.FAILED else CALLERS,
    )


class Counted(Protocol):
    """A code, by what is decided about it."""

    @property
    def is_ours(self) -> bool:
        """Whether the caller could do nothing about it."""

    @property
    def count(self) -> int:
        """How many attempts."""


T = TypeVar("T", bound=Counted)


def worth_drawing(found: Iterable[T]) -> tuple[list[T], list[T]]:
    """The codes to draw, most frequent first, and the rest; a failure of ours is always drawn.

    With the rest folded into one there are `DRAWN_MAX` at most.
    """
    frequent = sorted(found, key=lambda each: -each.count)
    if len(frequent) <= DRAWN_MAX:
        return frequent, []
    by_worth = sorted(frequent, key=lambda each: not each.is_ours)
    drawn, rest = by_worth[: DRAWN_MAX - 1], by_worth[DRAWN_MAX - 1 :]
    return sorted(drawn, key=lambda each: -each.count), rest
