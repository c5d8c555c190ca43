"""Facts that contradict evidence, and which boxes they reopen: a table, and pure functions of it.

A box stays green only while nothing that happened since says the contrary. Facts are told by what
looks for boxes (`probe`), so that they hold for every checklist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from engine.readiness.assessment import Evidence, Standing, State, Verdict
from engine.readiness.items import Item
from engine.readiness.probes.objectives import ASKED

# The name of every fact of an attempt that nobody has an explanation for.
UNEXPLAINED: Final = "unexplained code"
# The names of every critical alert that fired, of one that critical codes made fire besides, and of
# every change of an alert rule.
CRITICAL_ALERT: Final = "critical alert"
CRITICAL_CODES: Final = "critical codes"
RULE_CHANGED: Final = "alert rule changed"
# What a broken rule is called when its number is not known.
_SOME_RULE: Final = "integrity rule"
_SWEEPS: Final = frozenset({"inv.sweep", "inv.version", "inv.lastmod"})
_RULE: Final = re.compile(r"DI-\d+")

# By a fact's name: the probes whose green it takes away.
CONTRADICTED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        UNEXPLAINED: frozenset(
            {"taxonomy.registry", "fuzz.contract", "codes.census", "ledger.critical", "slo.stable"}
        ),
        CRITICAL_ALERT: frozenset({"alerts.critical", "alerts.quiet", "alerts.census"}),
        CRITICAL_CODES: frozenset({"ledger.critical"}),
        RULE_CHANGED: frozenset({"rules.lint"}),
        _SOME_RULE: frozenset({"inv.sweep"}),
        "DI-1": frozenset({"inv.version", "lock.race", "hist.register"}),
        "DI-2": frozenset({"inv.version", "inv.lastmod", "hist.register", "txn.killpoints"}),
        "DI-3": frozenset({"state.matrix", "state.race", "smoke.crud"}),
        "DI-4": frozenset({"inv.lastmod", "mig.columns"}),
        "DI-5": frozenset({"flow.ppp"}),
        "DI-6": frozenset({"flow.ppp"}),
        "DI-7": frozenset({"fuzz.contract"}),
        "DI-8": frozenset({"fuzz.contract"}),
        "DI-9": frozenset({"fuzz.contract"}),
        "DI-10": frozenset({"sec.authz"}),
        "DI-11": frozenset({"api.post.pack"}),
        "DI-12": frozenset({"state.matrix", "state.race"}),
        "DI-13": frozenset({"txn.killpoints", "silent.reconcile", "metrics.reconcile"}),
        "DI-14": frozenset({"metrics.reconcile"}),
        "DI-15": frozenset({"corr.roundtrip", "corr.coverage"}),
        "DI-16": frozenset({"inv.version", "lock.race", "hist.register"}),
    }
)


# What the windows and hours of all objectives say; a single one's bound is told by its box.
_OF_ANY_OBJECTIVE: Final = frozenset({"slo.windows", "slo.stable"})
_OF_ONE_OBJECTIVE: Final = "slo.bound"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened.

    Attributes:
        name: as in `CONTRADICTED`.
        happened_at: when it was known.
        reason: what it is, in a sentence.
        objectives: keys of those that it speaks against.
    """

    name: str
    happened_at: datetime
    reason: str
    objectives: frozenset[str] = frozenset()


def contradicted(fact: Fact, standings: Mapping[str, Standing]) -> tuple[str, ...]:
    """The boxes that are green by evidence of before, and which the fact contradicts.

    What happens while a look is under way may have come too late for it.
    """
    probes = CONTRADICTED.get(fact.name, frozenset())
    if _RULE.fullmatch(fact.name):
        probes |= CONTRADICTED[_SOME_RULE]
    if fact.objectives:
        probes |= _OF_ANY_OBJECTIVE
    return tuple(
        item_id
        for item_id, standing in standings.items()
        if (standing.item.probe in probes or _speaks_of(standing.item, fact))
        and standing.state is State.PASSING
        and standing.evidence is not None
        and standing.evidence.began_at < fact.happened_at
    )


def _speaks_of(item: Item, fact: Fact) -> bool:
    """Whether a box holds one of the objectives that a fact speaks against."""
    objective = ASKED.get(item.id) if item.probe == _OF_ONE_OBJECTIVE else None
    return objective is not None and objective.key in fact.objectives


def broken_rules(items: Mapping[str, Item], evidence: Mapping[str, Evidence]) -> Iterator[Fact]:
    """The integrity rules that the newest sweeps have found broken.

    Args:
        items: how each box is decided.
        evidence: the newest of each box.
    """
    for item_id, found in evidence.items():
        if items[item_id].probe not in _SWEEPS or found.verdict is not Verdict.FAILING:
            continue
        offenders = found.numbers.get("offenders")
        written = [found.reason, *(offenders if isinstance(offenders, list) else [])]
        rules = {match[0] for each in written if (match := _RULE.match(str(each)))}
        for rule in sorted(rules or {_SOME_RULE}):
            yield Fact(rule, found.ended_at, f"{item_id} has found: {found.reason}")
