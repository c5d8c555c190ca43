"""Error codes: the registry of them, which the ledger has, and which nobody has provoked yet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from engine.errors import TAXONOMY, ErrorCode, Meaning
from engine.readiness.probes.asking import looked, rows
from engine.readiness.probes.logs import errors_of, said_since, why_unread
from engine.readiness.probes.probe import (
    Found,
    Question,
    failing,
    insufficient,
    passing,
    unknown,
)
from engine.readiness.probes.spans import of_phase, since_deployment
from engine.readiness.records import written_instant
from engine.rollups.counts import Counts, Traffic, total
from engine.rollups.grid import EPOCH, Tier, Window, ceiling, window_until
from engine.rollups.selection import Filter

# The checklist asks for 16 and we have one more; the catch-all stands beside them.
_SEMANTIC_AT_LEAST: Final = 16
_CATCH_ALL: Final = ErrorCode.INTERNAL_ERROR
_DAY: Final = timedelta(days=1)
# A drill may break things on purpose, and a load run may find out where they break.
_NOT_ON_PURPOSE: Final = (Traffic.LIVE, Traffic.SYNTHETIC, Traffic.UNKNOWN_CALLER)
_LAST_SEEN: Final = """
    -- When each code was seen last; by the index of the few attempts that have one.
    SELECT wanted.code, (SELECT max(started_at) FROM attempt WHERE error_code = wanted.code)
    FROM unnest(%s::smallint[]) AS wanted (code)
"""
_REFUSED: Final = range(400, 600)


def registry(question: Question) -> Found:
    """`taxonomy.registry`: codes are whole, the ledger has no others, and each was provoked."""
    now = question.runtime.clock.now()
    ever = Window(EPOCH, ceiling(now, Tier.DAY))
    with looked(question) as (_, look):
        seen = {
            traffic: look.counts([ever], Filter(traffic=traffic))[0].by_code for traffic in Traffic
        }
        lately = [
            look.counts([window_until(now, _DAY)], Filter(traffic=each))[0]
            for each in _NOT_ON_PURPOSE
        ]
    numbers = [meaning.number for meaning in TAXONOMY.values()]
    last = {code: at for code, at in rows(question, _LAST_SEEN, [numbers]) if at is not None}
    return judged(TAXONOMY, seen, last, total(lately).coded(_CATCH_ALL))


def judged(
    taxonomy: Mapping[ErrorCode, Meaning],
    seen: Mapping[Traffic, Mapping[int, int]],
    last: Mapping[int, datetime],
    unclassified: int,
) -> Found:
    """What the registry and the ledger say of each other.

    Args:
        taxonomy: the registry.
        seen: how often the ledger has each code, ever, by traffic.
        last: when each code was seen last, of those attempts that are still there.
        unclassified: attempts of the last day that the catch-all was needed for.
    """
    faults = faults_of(taxonomy)
    known = {meaning.number for meaning in taxonomy.values()}
    strangers = sorted({code for codes in seen.values() for code in codes} - known - {0})
    never = [
        code.value
        for code, meaning in taxonomy.items()
        if not any(codes.get(meaning.number) for codes in seen.values())
    ]
    numbers: dict[str, Any] = {
        "codes": len(taxonomy),
        "registry": digest_of(taxonomy),
        "faults": faults,
        "notInRegistry": strangers,
        "unclassifiedInLastDay": unclassified,
        "neverSeen": never,
        "seen": {
            code.value: {
                **{
                    traffic.name.lower(): codes.get(meaning.number, 0)
                    for traffic, codes in seen.items()
                },
                "last": written_instant(last[meaning.number]) if meaning.number in last else None,
            }
            for code, meaning in taxonomy.items()
        },
    }
    witness = f"engine/errors.py, attempt_rollup, {_LAST_SEEN}"
    if faults:
        return failing(f"The registry is not whole: {faults[0]}", witness, **numbers)
    if strangers:
        reason = f"The ledger has codes that the registry does not know: {strangers}"
        return failing(reason, witness, **numbers)
    if unclassified:
        reason = f"{unclassified} attempts of the last 24 hours ended with {_CATCH_ALL.value}"
        return failing(reason, witness, **numbers)
    if never:
        return insufficient(
            f"{len(never)} of {len(taxonomy)} codes nobody has provoked yet: {', '.join(never)}",
            witness,
            **numbers,
        )
    return passing(f"All {len(taxonomy)} codes are whole and were seen", witness, **numbers)


def faults_of(taxonomy: Mapping[ErrorCode, Meaning]) -> list[str]:
    """What is missing from the registry."""
    faults = []
    if len(taxonomy) - 1 < _SEMANTIC_AT_LEAST:
        faults.append(f"{len(taxonomy) - 1} semantic codes instead of {_SEMANTIC_AT_LEAST}")
    if _CATCH_ALL not in taxonomy:
        faults.append("there is no catch-all")
    if len({meaning.number for meaning in taxonomy.values()}) < len(taxonomy):
        faults.append("two codes have one number")
    for code, meaning in taxonomy.items():
        texts = (meaning.title, meaning.when, meaning.action)
        if meaning.http_status not in _REFUSED or not all(each.strip() for each in texts):
            faults.append(f"{code.value} has no status, title, occasion or action")
    return faults


def digest_of(taxonomy: Mapping[ErrorCode, Meaning]) -> str:
    """SHA-256 of the registry."""
    lines = "\n".join(f"{code} {meaning}" for code, meaning in taxonomy.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def census(question: Question) -> Found:
    """`codes.census`: how often each code came since the deployment, those that never did too."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    counts = _live(question, span.on_grid(question.runtime.clock.now()))
    by_code = {code: count for code, count in counts.by_code.items() if code}
    known = {meaning.number for meaning in TAXONOMY.values()}
    strangers = sorted(by_code.keys() - known)
    coded = sum(by_code.values())
    numbers: dict[str, Any] = {
        **span.numbers,
        "attempts": counts.attempts,
        "failures": counts.unsuccessful,
        "coded": coded,
        "notInRegistry": strangers,
        "codes": {code.value: counts.coded(code) for code in TAXONOMY},
    }
    witness = "attempt_rollup, live and before an agent was known, by code"
    if strangers:
        reason = f"Codes that the registry does not know: {strangers}"
        return failing(reason, witness, **numbers)
    if coded != counts.unsuccessful:
        reason = f"{counts.unsuccessful} attempts failed, and {coded} have a code"
        return failing(reason, witness, **numbers)
    if not counts.attempts:
        return insufficient("No live attempt since the deployment", witness, **numbers)
    return span.settled(
        passing(
            f"{coded} failures of {counts.attempts} attempts, each of {len(by_code)} codes that"
            f" the registry knows; {len(TAXONOMY) - len(by_code)} codes never came",
            witness,
            **numbers,
        )
    )


def critical(question: Question) -> Found:
    """`ledger.critical`: no attempt ended with a critical code, and no log has an error."""
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    counts = _live(question, span.on_grid(question.runtime.clock.now()))
    said = said_since(question, span.start)
    logged = errors_of(said, span.end)
    numbers: dict[str, Any] = {
        **span.numbers,
        "attempts": counts.attempts,
        "critical": counts.critical,
        "criticalAndAlreadySent": counts.critical_and_already_sent,
        "logErrors": len(logged),
        "isCut": said.is_cut,
        "events": sorted({str(each.fields.get("event")) for each in logged}),
    }
    witness = "attempt_rollup, live, by severity; logs/process.*.jsonl of this host"
    if counts.critical:
        reason = f"{counts.critical} of {counts.attempts} attempts ended with a critical code"
        return failing(reason, witness, **numbers)
    if logged:
        reason = f"{len(logged)} errors in the logs of this host{span.so_far}"
        return failing(reason, witness, **numbers)
    unread = why_unread(question, said)
    if unread is not None:
        return unknown(unread, witness, **numbers)
    if not counts.attempts:
        return insufficient(f"No live attempt{span.so_far}", witness, **numbers)
    return passing(
        f"0 of {counts.attempts} attempts are critical, 0 errors in the logs of this host"
        f"{span.so_far}",
        witness,
        **numbers,
    )


def _live(question: Question, window: Window) -> Counts:
    """What was counted of live attempts, those refused before an agent was known among them."""
    with looked(question) as (_, look):
        return total(
            look.counts([window], Filter(traffic=each))[0]
            for each in (Traffic.LIVE, Traffic.UNKNOWN_CALLER)
        )
