"""The integrity rules DI-1 to DI-16, and what is known of one after it was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that holds for all stored data, whatever was saved and however it went.

    Attributes:
        id: `DI-` and its number; never reused.
        statement: the rule in one sentence.
    """

    id: str
    statement: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What checking a rule found.

    Attributes:
        rule: which.
        checked: rows looked at, over all of the rule's checks; 0 when there was nothing to look at.
        violations: how many of them break the rule.
        offenders: the first of those: `problem` in words, ids, and what disagrees. No names, notes
            or addresses.
        duration_s: seconds; rules that share a scan share its time equally.
    """

    rule: Rule
    checked: int
    violations: int
    offenders: list[dict[str, Any]]
    duration_s: float


_STATEMENTS = (
    "A quote's version is at least 1.",
    "A quote has one revision for each version, without a gap, and the newest says what it says.",
    "A quote is CANCELLED exactly when it has a deletion instant.",
    "A quote says who changed it last, and when; each of its revisions, who made it.",
    "The parts of a quote's price add up to its total, in each of its revisions, too.",
    "The stored price follows from the stored items under the stored pricing policy.",
    "A quote's travellers add up: at least 1 adult, at most 50 in all.",
    "A trip ends after it starts, and takes as many days as it says, at most 365.",
    "A quote's currency is known, its markup between 0 and 100 %, no amount negative or boundless.",
    "A quote's client is its agent's.",
    "A quote's number has its form, and no other quote of the agent has it.",
    "A quote that is SENT or later, ACCEPTED or REJECTED says since when.",
    "A revision has exactly one committed attempt, and the other way round, and the two agree.",
    "What is derived for an agent agrees from two sides: quotes by status, numbers used and given.",
    "No two attempts share an id, and none is without its own correlation id.",
    "A quote's version is the number of its committed changes.",
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {f"DI-{n}": Rule(f"DI-{n}", statement) for n, statement in enumerate(_STATEMENTS, 1)}
)


def is_clean(results: Sequence[RuleResult]) -> bool:
    """Whether every rule was checked and none was found broken."""
    return {result.rule.id for result in results} == RULES.keys() and not any(
        result.violations for result in results
    )
