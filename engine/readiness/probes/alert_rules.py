"""The alert rules: those in force are those of the release, and they are sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.alerting.changes import digest_of
from engine.alerting.lint import lint as findings_of
from engine.alerting.lint import sections_of
from engine.alerting.loading import own_rules
from engine.alerting.rule_tests import own_tests
from engine.alerting.rules import Rule
from engine.readiness.documents import RUNBOOKS, read_documents
from engine.readiness.probes.alerting import rules_and_status
from engine.readiness.probes.asking import SHOWN
from engine.readiness.probes.probe import Found, Question, failing, passing, unknown

_RUNBOOK: Final = f"{RUNBOOKS}alerts.md"
_WITNESS: Final = (
    "saveguard alerts rules lint; saveguard alerts rules test; alert_rule_change;"
    " alert_tick.rules_digest of the newest tick"
)


def lint(question: Question) -> Found:
    """`rules.lint`: what the evaluator looks at are the release's rules, whole and tested."""
    in_force, status = rules_and_status(question)
    ours, ticks = own_rules(), status.ticks
    changed = _changed(ours, in_force)
    evaluated = None if ticks.rules_digest is None else ticks.rules_digest.hex()
    numbers: dict[str, Any] = {
        "rules": len(ours),
        "digest": digest_of(ours).hex(),
        "digestInForce": digest_of(in_force).hex(),
        "digestOfNewestTick": evaluated,
        "newestTick": ticks.number,
        "changed": changed[:SHOWN],
    }
    if numbers["digest"] != numbers["digestInForce"]:
        reason = f"{len(changed)} of {len(ours)} rules are not as the release has them"
        return failing(f"{reason}: {', '.join(changed[:SHOWN])}", _WITNESS, **numbers)
    documents, tests = read_documents(), own_tests()
    runbook = None if documents is None else documents.pages.get(_RUNBOOK, "")
    findings = findings_of(ours, tests, None if runbook is None else sections_of(runbook))
    numbers["tests"] = len(tests)
    numbers["findings"] = [f"{each.check}: {each.what}: {each.message}" for each in findings][
        :SHOWN
    ]
    if findings:
        first = findings[0]
        reason = f"{len(findings)} findings in {len(ours)} rules, the first: {first.what}:"
        return failing(f"{reason} {first.message}", _WITNESS, **numbers)
    if not ticks.is_alive(status.read_at):
        reason = "No evaluator is at work, so that which rules it looks at is not known"
        return unknown(reason, _WITNESS, **numbers)
    if evaluated != numbers["digest"]:
        return failing(
            f"Tick {ticks.number} of {ticks.release} looked at other rules than the release has",
            _WITNESS,
            **numbers,
        )
    if runbook is None:
        reason = f"{_RUNBOOK} is not installed where this looks: whether each rule has a section"
        return unknown(f"{reason} is not known", _WITNESS, **numbers)
    return passing(
        f"{len(ours)} rules, as the release has them in tick {ticks.number}: they speak of every"
        f" severe code and every objective, none is too loose or shadowed, {len(tests)} tests pass",
        _WITNESS,
        **numbers,
    )


def _changed(ours: Sequence[Rule], in_force: Sequence[Rule]) -> list[str]:
    """The ids of rules that are in force otherwise than the release has them, or not at all."""
    by_id = {rule.id: rule for rule in in_force}
    ids = {rule.id for rule in ours}
    return [
        *(rule.id for rule in ours if by_id.get(rule.id) != rule),
        *(rule_id for rule_id in by_id if rule_id not in ids),
    ]
