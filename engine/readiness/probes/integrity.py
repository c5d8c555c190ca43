"""Whether stored data keeps every rule, and evidence about it is what was put down.

One sweep over the whole database answers all that ask, see `engine.integrity.verification`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from engine.database.sessions import session_of
from engine.integrity.report import offender_line
from engine.integrity.rules import RULES, RuleResult
from engine.integrity.verification import verify
from engine.readiness.assessment import Verdict
from engine.readiness.probes.asking import SHOWN
from engine.readiness.probes.probe import (
    Found,
    Question,
    decided,
    failing,
    insufficient,
    passing,
    unknown,
)
from engine.readiness.probes.spans import of_phase
from engine.readiness.sealing import sealer_of
from engine.readiness.verifier import Finding

_SHARED: Final = "integrity"
# Findings that say of records neither that they are whole nor that they are not.
_NOT_PROVED: Final = frozenset({"unproved", "waiting"})
_OF_VERSION: Final = ("DI-1", "DI-2", "DI-16")
_OF_MODIFIER: Final = ("DI-2", "DI-4")
# The history's own columns, which the rules leave out: they hold the quote against the snapshot.
_MODIFIED: Final = """
    -- Quotes that do not say of their last change what the history says of it.
    SELECT count(*), count(*) FILTER (
        WHERE (q.last_modified_by, q.last_modified_at)
            IS DISTINCT FROM (r.modified_by, r.modified_at)
    )
    FROM quote AS q
    LEFT JOIN quote_revision AS r
        ON r.agent_id = q.agent_id AND r.quote_id = q.id AND r.version = q.version
"""


def swept(question: Question) -> Mapping[str, RuleResult]:
    """What the sweep of this run found of each rule, by its id.

    Raises:
        psycopg.Error: the database could not be read; nothing is known.
    """
    if _SHARED not in question.shared:
        runtime = question.runtime
        # A connection of its own: a sweep may take longer than anybody waits for one of the pool.
        with psycopg.connect(runtime.target.app, autocommit=True) as connection:
            results = verify(connection, runtime.clock, offenders_max=SHOWN)
        question.shared[_SHARED] = {result.rule.id: result for result in results}
    found: Mapping[str, RuleResult] = question.shared[_SHARED]
    return found


def version(question: Question) -> Found:
    """`inv.version`: each quote's version is the number of its committed changes, without gaps."""
    return _judged([swept(question)[rule] for rule in _OF_VERSION], "quotes and their versions")


def last_modified(question: Question) -> Found:
    """`inv.lastmod`: each quote says of its last change, who and when, what its history says."""
    with psycopg.connect(question.runtime.target.app, autocommit=True) as connection:
        counted = connection.execute(_MODIFIED).fetchone()
    quotes, wrong = counted or (0, 0)
    if wrong:
        return failing(
            f"{wrong} of {quotes} quotes say another last change than their history",
            _MODIFIED,
            quotes=quotes,
            violations=wrong,
        )
    return _judged([swept(question)[rule] for rule in _OF_MODIFIER], "quotes and their changes")


def sweep(question: Question) -> Found:
    """`inv.sweep`: every rule holds over all rows, and the chain of evidence is whole."""
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    found = _judged([swept(question)[rule] for rule in RULES], "rows")
    told = _chain_faults(question)
    faults = [each for each in told if each.what not in _NOT_PROVED]
    if told and not faults and found.verdict is not Verdict.FAILING:
        return unknown(
            f"The chain of evidence cannot be held against its seals: {told[0].where}:"
            f" {told[0].why}",
            "readiness_record, readiness_seal, readiness_sealed",
            **found.numbers,
        )
    if faults:
        return failing(
            f"{len(faults)} records of evidence are not what was put down:"
            f" {faults[0].what}, {faults[0].where}",
            "readiness_record, readiness_seal, readiness_sealed",
            **{**found.numbers, "chain": [f"{each.what}: {each.where}" for each in faults[:SHOWN]]},
        )
    return span.settled(found)


def _judged(results: Sequence[RuleResult], what: str) -> Found:
    """What rules come to: broken, or kept by so many rows."""
    broken = [result for result in results if result.violations]
    checked = sum(result.checked for result in results)
    names = ", ".join(result.rule.id for result in results)
    witness = f"saveguard verify: {names}"
    numbers: dict[str, Any] = {
        "violations": sum(result.violations for result in results),
        "checked": {result.rule.id: result.checked for result in results},
        "offenders": [
            f"{result.rule.id}: {offender_line(each)}"
            for result in broken
            for each in result.offenders
        ][:SHOWN],
    }
    if broken:
        worst = max(broken, key=lambda result: result.violations)
        return failing(
            f"{worst.rule.id} is broken by {worst.violations} of {worst.checked} rows:"
            f" {worst.rule.statement}",
            witness,
            **numbers,
        )
    if not checked:
        return insufficient("There is nothing stored that could break a rule", witness, **numbers)
    return passing(
        f"{checked} looks at {what}, 0 of them against a rule ({len(results)} rules)",
        witness,
        **numbers,
    )


def _chain_faults(question: Question) -> list[Finding]:
    """What of the records is not as it was put down, or as it was sealed where there are seals."""
    runtime = question.runtime
    with session_of(runtime.target) as session:
        sealer = sealer_of(session, runtime.settings, runtime.clock)
    return sealer.findings(runtime.target)


def revisions_agree(question: Question) -> Found:
    """Whether each committed change has its attempt, and the other way round."""
    result = swept(question)["DI-13"]
    return decided(
        not result.violations,
        f"{result.checked} looks at changes and their attempts, all agree",
        f"{result.violations} of {result.checked} changes and attempts do not agree",
        "saveguard verify: DI-13",
        checked=result.checked,
        violations=result.violations,
    )
