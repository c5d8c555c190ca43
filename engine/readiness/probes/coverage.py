"""Three witnesses of every request: the edge that counted it, its row, its line in the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from engine.readiness.assessment import Verdict
from engine.readiness.probes.asking import looked
from engine.readiness.probes.integrity import revisions_agree
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.spans import Span, of_box, of_phase
from engine.slo.coverage import SETTLED_AFTER, Coverage, measure

# Before a deployment: long enough for the smoke tests of a staging system.
_SMOKE: Final = timedelta(hours=1)
_WITNESS: Final = "edge_count, attempt_rollup.at_edge and line_count, minute by minute"


def covered(question: Question) -> Found:
    """`corr.coverage`: every request that an edge counted is in the ledger and in the log."""
    span = of_box(question, _SMOKE)
    if isinstance(span, Found):
        return span
    return span.settled(judged(_measured(question, span), span))


def reconciled(question: Question) -> Found:
    """`silent.reconcile`: no request without its row, no change without its attempt, no row mute.

    The responses are told by the lines of the log: each is written when its caller is answered.
    """
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    coverage = judged(_measured(question, span), span)
    changes = revisions_agree(question)
    numbers = {**coverage.numbers, "changes": dict(changes.numbers)}
    witness = f"{_WITNESS}; {changes.witness}"
    if changes.verdict is Verdict.FAILING and coverage.verdict is not Verdict.FAILING:
        return failing(changes.reason, witness, **numbers)
    reason = f"{coverage.reason}; {changes.reason}"
    return span.settled(Found(coverage.verdict, reason, numbers, witness))


def judged(coverage: Coverage, span: Span) -> Found:
    """What three counts say of each other."""
    log = coverage.log
    numbers: dict[str, Any] = {
        **span.numbers,
        "requests": coverage.requests,
        "withoutRow": coverage.missing,
        "rowsWithoutCount": coverage.uncounted,
        "requestsWithLog": log.requests,
        "withoutLine": log.missing,
        "linesLost": log.lost,
    }
    if coverage.missing:
        reason = f"{coverage.missing} of {coverage.requests} requests have no row in the ledger"
        return failing(reason, _WITNESS, **numbers)
    if log.missing or log.lost:
        lines = log.missing + log.lost
        reason = f"{lines} of {log.requests} requests have no line in the log"
        return failing(reason, _WITNESS, **numbers)
    if not coverage.requests:
        return insufficient(f"No request has reached an edge{span.so_far}", _WITNESS, **numbers)
    if log.requests < coverage.requests:
        reason = (
            f"{coverage.requests - log.requests} of {coverage.requests} requests reached processes"
            " that count no lines"
        )
        return insufficient(reason, _WITNESS, **numbers)
    return passing(
        f"All {coverage.requests} requests have their row and their line{span.so_far}",
        _WITNESS,
        **numbers,
    )


def _measured(question: Question, span: Span) -> Coverage:
    """The coverage of a span; its last minute only once that is over for good."""
    end = min(question.runtime.clock.now(), span.end + SETTLED_AFTER)
    with looked(question) as (connection, look):
        return measure(connection, look, end, end - span.start)
