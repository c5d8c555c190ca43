"""What is promised of saves: proved, broken, or not told by so few attempts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from psycopg import sql

from engine.readiness.probes.asking import looked
from engine.readiness.probes.probe import (
    Found,
    Question,
    failing,
    insufficient,
    passing,
    unknown,
)
from engine.readiness.probes.spans import Span, of_phase, until_now
from engine.rollups.counts import NOTHING, Counts, Traffic
from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection
from engine.slo.assessment import Assessment, assess
from engine.slo.bounds import Verdict as SampleVerdict
from engine.slo.objectives import OBJECTIVES, Objective

# Box → what it asks for.
ASKED: Final[Mapping[str, Objective]] = MappingProxyType(
    {
        box: OBJECTIVES[key]
        for key, boxes in {
            "success_rate": ("PRE-3.17.1", "POST-3.3", "STABLE-1"),
            "latency_p95": ("PRE-3.17.2", "POST-3.4", "STABLE-2"),
            "latency_p99": ("PRE-3.17.3", "POST-3.5", "STABLE-3"),
            "error_rate": ("PRE-3.17.4", "POST-3.2", "STABLE-4"),
            "critical_error_rate": ("STABLE-5",),
            "conflict_rate": ("PRE-3.17.5", "STABLE-6"),
            "rollback_rate": ("PRE-3.17.6", "STABLE-7"),
        }.items()
        for box in boxes
    }
)
# Probes are refused on purpose, but never slowed: of what is synthetic only durations speak.
_TOLD_BY_SYNTHETIC: Final = frozenset({"latency_p95", "latency_p99"})
# A load run and its verdict are of one day.
_LOAD_RUN: Final = timedelta(hours=24)


def bound(question: Question) -> Found:
    """`slo.bound`: an exact bound of the share of bad attempts is below the promised limit."""
    objective = ASKED.get(question.item.id)
    if objective is None:
        return unknown("No objective is named for this box")
    if question.phase.window is None:
        return _of_load(question, objective)
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    window = span.on_grid(question.runtime.clock.now())
    live, synthetic = _counted(question, window, Traffic.LIVE, Traffic.SYNTHETIC)
    found = judged(objective, live, synthetic, span, _witness(objective, window, Traffic.LIVE))
    return span.settled(found)


def judged(
    objective: Objective, live: Counts, synthetic: Counts, span: Span, witness: str
) -> Found:
    """What live attempts say of a promise; synthetic ones may speak against it, never for it."""
    assessed = assess(objective, live)
    beside = assess(objective, synthetic)
    numbers = {
        **span.numbers,
        **numbers_of(assessed),
        "synthetic": {"bad": beside.bad, "of": beside.of},
    }
    if assessed.verdict is SampleVerdict.BROKEN:
        return failing(_broken(assessed, "live"), witness, **numbers)
    if beside.verdict is SampleVerdict.BROKEN and objective.key in _TOLD_BY_SYNTHETIC:
        return failing(_broken(beside, "synthetic"), witness, **numbers)
    if assessed.verdict is SampleVerdict.MET:
        return passing(_met(assessed, "live") + span.so_far, witness, **numbers)
    reason = f"{_thin(assessed, 'live')} (synthetic: {beside.bad} of {beside.of})"
    return insufficient(reason, witness, **numbers)


def numbers_of(assessed: Assessment) -> dict[str, Any]:
    """An assessment for evidence."""
    return {
        "objective": assessed.objective.key,
        "target": assessed.objective.target,
        "limit": assessed.objective.limit,
        "bad": assessed.bad,
        "of": assessed.of,
        "upperBound": assessed.at_most,
        "lowerBound": assessed.at_least,
        "needed": assessed.needed,
    }


def _of_load(question: Question, objective: Objective) -> Found:
    span = until_now(question, _LOAD_RUN)
    window = span.on_grid(question.runtime.clock.now())
    (load,) = _counted(question, window, Traffic.LOAD)
    if not load.attempts:
        return unknown(
            "No load run in the last 24 hours: nothing drives the baseline load yet",
            _witness(objective, window, Traffic.LOAD),
            **span.numbers,
            attempts=0,
        )
    assessed = assess(objective, load)
    numbers = {**span.numbers, **numbers_of(assessed)}
    witness = _witness(objective, window, Traffic.LOAD)
    match assessed.verdict:
        case SampleVerdict.MET:
            return passing(_met(assessed, "load"), witness, **numbers)
        case SampleVerdict.BROKEN:
            return failing(_broken(assessed, "load"), witness, **numbers)
        case _:
            return insufficient(_thin(assessed, "load"), witness, **numbers)


def _counted(question: Question, window: Window, *traffic: Traffic) -> list[Counts]:
    with looked(question) as (_, look):
        found = [look.counts([window], Filter(traffic=each))[0] for each in traffic]
    return [each if each.attempts else NOTHING for each in found]


def _witness(objective: Objective, window: Window, traffic: Traffic) -> str:
    """A query that counts the same by the ledger's own rows."""
    selection = Selection(window, Filter(traffic=traffic))
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE {bad}), count(*) FILTER (WHERE {of})\n"
        "FROM attempt\nWHERE {condition}"
    ).format(
        bad=sql.SQL(objective.bad.sql),
        of=sql.SQL(objective.of.sql),
        condition=selection.condition(),
    )
    return query.as_string()


def _met(assessed: Assessment, kind: str) -> str:
    return (
        f"{assessed.bad} of {assessed.of} {kind} {assessed.objective.bad.title}: with 95 %"
        f" confidence at most {_percent(assessed.at_most)}, the limit is"
        f" {_percent(assessed.objective.limit)}"
    )


def _broken(assessed: Assessment, kind: str) -> str:
    return (
        f"{assessed.bad} of {assessed.of} {kind} {assessed.objective.bad.title}: with 95 %"
        f" confidence at least {_percent(assessed.at_least)}, the limit is"
        f" {_percent(assessed.objective.limit)}"
    )


def _thin(assessed: Assessment, kind: str) -> str:
    return (
        f"{assessed.bad} of {assessed.of} {kind} {assessed.objective.bad.title}:"
        f" {assessed.needed} attempts are needed to prove"
        f" {_percent(assessed.objective.limit)} with so many of them"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"
