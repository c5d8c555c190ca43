"""Gates of the days after a deployment: what people have said, and what was odd."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from engine.attempts.outcome import Source
from engine.database.sessions import session_of
from engine.errors import TAXONOMY
from engine.quotes.lifecycle import Operation
from engine.readiness.feedback import dispositions_of, feedback_of
from engine.readiness.knowledge import SEEN
from engine.readiness.probes.asking import SHOWN, looked, rows
from engine.readiness.probes.probe import Found, Question, failing, passing
from engine.readiness.probes.spans import Span, since_deployment
from engine.readiness.records import body_of
from engine.rollups.selection import Filter
from engine.rollups.slowest import fetch, search
from engine.slo.objectives import LIMITS

# What was not seen for as long counts as never seen.
_BEFORE: Final = timedelta(days=30)
_SLOWEST_PART: Final = 1_000
_SLOWEST_MAX: Final = 10
_NAMED: Final = "SELECT DISTINCT correlation_id FROM attempt WHERE correlation_id = ANY(%s)"
_CODES: Final = """
    -- Codes of live attempts in a span, by operation; by the index of the few that have one.
    SELECT operation, error_code
    FROM attempt
    WHERE error_code IS NOT NULL AND error_code = ANY(%(codes)s) AND source = %(live)s
        AND started_at >= %(start)s AND started_at < %(end)s
    GROUP BY operation, error_code
"""


def feedback(question: Question) -> Found:
    """`feedback.sign`: what people have said since the deployment, n of n, once that is over."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    with session_of(question.runtime.target) as session:
        entries = [
            (each.digest.hex(), body_of(each)["correlationIds"])
            for each in feedback_of(session, question.release.id)
            if each.recorded_at <= span.end
        ]
    named = sorted({name for _, names in entries for name in names})
    there = {name for (name,) in rows(question, _NAMED, [named])} if named else set()
    lost = [each for each in named if each not in there]
    numbers = {
        **span.numbers,
        "entries": len(entries),
        "correlationIds": len(named),
        "lost": lost[:SHOWN],
        SEEN: _digest(digest for digest, _ in entries),
    }
    witness = f"saveguard readiness feedback list; {_NAMED}"
    if lost:
        return failing(
            f"{len(lost)} of {len(named)} correlation ids that feedback names are of no attempt,"
            f" {lost[0]} among them",
            witness,
            **numbers,
        )
    return span.settled(
        passing(
            f"{len(entries)} of {len(entries)} entries of feedback are there to be read, with"
            f" {len(named)} correlation ids" + ("" if entries else ": nobody has put one down"),
            witness,
            **numbers,
        )
    )


def edge_cases(question: Question) -> Found:
    """`edge.propose`: codes first seen, and the slowest saves; somebody has said what each is."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    candidates = [*_first_seen(question, span), *_slowest(question, span)]
    with session_of(question.runtime.target) as session:
        disposed = dispositions_of(session, question.release.id)
    waiting = [each for each in candidates if each not in disposed]
    numbers = {
        **span.numbers,
        "candidates": candidates,
        "waiting": waiting[:SHOWN],
        "issues": sorted(
            str(disposed[each]["issue"])
            for each in candidates
            if each in disposed and disposed[each]["issue"]
        ),
        SEEN: _digest(f"{each} {disposed.get(each)}" for each in candidates),
    }
    witness = f"{_CODES}; saveguard readiness candidates list"
    if waiting:
        return failing(
            f"{len(waiting)} of {len(candidates)} candidates wait for somebody to say what they"
            f" are, {waiting[0]} among them",
            witness,
            **numbers,
        )
    return span.settled(
        passing(
            f"All {len(candidates)} candidates are disposed of: codes first seen since the"
            " deployment, and the slowest saves; retries, near misses of rules and outliers of"
            " other kinds are not looked for",
            witness,
            **numbers,
        )
    )


def _first_seen(question: Question, span: Span) -> Iterator[str]:
    """Codes of operations that had not failed so in the month before."""
    numbers = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
    values = {"codes": sorted(numbers), "live": Source.LIVE.value}
    now = {*rows(question, _CODES, {**values, "start": span.start, "end": span.end})}
    if not now:
        return
    before = replace(span, start=span.start - _BEFORE, end=span.start)
    known = {*rows(question, _CODES, {**values, "start": before.start, "end": before.end})}
    for operation, code in sorted(now - known):
        yield f"first seen: {Operation(operation).name} {numbers[code]}"


def _slowest(question: Question, span: Span) -> Iterator[str]:
    """Of the slowest 0.1 % those that took longer than the objective of P99 allows."""
    with looked(question) as (connection, look):
        window = span.on_grid(question.runtime.clock.now())
        count = look.whole(window, Filter()).attempts
        number = min(-(-count // _SLOWEST_PART), _SLOWEST_MAX)
        if not number:
            return
        slow = fetch(connection, search(connection, look, window, Filter(), number))
    for each in slow:
        if each.duration_us >= LIMITS.p99_us:
            yield f"slow: {each.operation.name} {each.correlation_id}"


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
