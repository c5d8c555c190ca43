"""From what was measured to what becomes of the rules: one look, without reading or writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from engine.alerting.deciding import Evidence, Verdict, decided, opened
from engine.alerting.evaluation import evaluate
from engine.alerting.inhibition import causes, held_back
from engine.alerting.matching import silence_of
from engine.alerting.measuring import Readings, measure
from engine.alerting.remembered import Remembered
from engine.alerting.rules import Burning, Rule
from engine.alerting.states import Decision, Measured, Memory, RuleState
from engine.clock import Clock

EvidenceOf = Callable[[Rule, Decision], Evidence]


def judge(
    rules: Sequence[Rule],
    seen: Readings,
    known: Remembered,
    clock: Clock,
    evidence_of: EvidenceOf,
) -> tuple[Verdict, ...]:
    """What becomes of some rules.

    Args:
        rules: which.
        seen: what they are measured by.
        known: what is remembered of them, and the silences.
        clock: for ids.
        evidence_of: looks up what is told of a rule whose state is new.
    """
    now = seen.now
    measured = {
        rule.id: measure(rule.condition, seen).beside(seen.usual.get(rule.id)) for rule in rules
    }
    decisions = {
        rule.id: evaluate(rule, measured[rule.id], known.memories.get(rule.id), now)
        for rule in rules
    }
    firing = {
        rule_id for rule_id, each in decisions.items() if each.memory.state is RuleState.FIRING
    }
    caused_by = causes(rules, firing)
    found: dict[str, Verdict] = {}
    told: list[Rule] = []
    # Burn rates last, in the order in which they began: what holds one back has to be told itself.
    for rule in sorted(rules, key=lambda rule: _turn(rule, decisions[rule.id])):
        found[rule.id] = _verdict(
            rule,
            decisions[rule.id],
            measured[rule.id],
            known,
            caused_by.get(rule.id),
            told,
            clock,
            evidence_of,
            now,
        )
        alert = found[rule.id].alert
        if rule.id in firing and alert is not None and alert.muted_by is None:
            told.append(rule)
    return tuple(found[rule.id] for rule in rules)


def _turn(rule: Rule, decision: Decision) -> tuple[bool, datetime, int]:
    return isinstance(rule.condition, Burning), decision.memory.since, -rule.severity


def _verdict(
    rule: Rule,
    decision: Decision,
    measured: Measured,
    known: Remembered,
    cause: str | None,
    told: Sequence[Rule],
    clock: Clock,
    evidence_of: EvidenceOf,
    now: datetime,
) -> Verdict:
    before = known.memories.get(rule.id) or Memory(RuleState.INACTIVE, now)
    alert, transition_id = known.alerts.get(rule.id), clock.uuid7()
    is_firing = decision.memory.state is RuleState.FIRING
    is_new = is_firing and alert is None
    is_moving = decision.is_new or is_new
    evidence = evidence_of(rule, decision) if is_moving else Evidence()
    if is_new:
        alert = opened(rule, decision, measured, evidence, now, (clock.uuid7(), transition_id))
    muted_by: Mapping[str, str] | None = None
    if alert is not None and is_firing:
        silence = silence_of(known.silences, rule, alert.error_code, now)
        # A cause says more than somebody's wish not to be told.
        if cause is not None:
            muted_by = {"cause": cause}
        elif silence is not None:
            muted_by = {"silence": str(silence.id)}
        elif alert.told_at is None:
            is_known = measured.is_above is not None
            muted_by = held_back(
                rule, decision.memory.since, told, alert.muted_by, now, is_known=is_known
            )
    return decided(
        rule, before, decision, measured, evidence, alert, muted_by, now, transition_id,
        is_new=is_new,
    )  # fmt: skip


def no_evidence(_rule: Rule, _decision: Decision) -> Evidence:
    """Nothing is looked up."""
    return Evidence()
