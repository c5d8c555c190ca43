"""What a critical alert contradicts: quiet, the promises that it breaks, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from engine.alerting.loading import own_rules
from engine.readiness.alert_facts import fact_of_change, facts_of_alert, objectives_broken_by
from engine.readiness.assessment import assess
from engine.readiness.contradictions import contradicted
from engine.readiness.knowledge import knowledge_of
from tests.unit.readiness_records import (
    HOUR,
    MINUTE,
    NOW,
    THINGS,
    deployed,
    evidence,
    released,
)

RULES: Final = {rule.id: rule for rule in own_rules()}
GREEN: Final = (
    "PRE-4.4", "POST-1.6", "POST-1.7", "POST-3.2", "POST-3.3", "POST-3.4", "POST-3.6", "POST-4.2",
    "STABLE-3", "STABLE-5", "STABLE-8",
)  # fmt: skip
QUIET: Final = {"POST-1.7", "POST-3.6", "STABLE-8"}


def reopened(rule_id: str, *, before: timedelta = MINUTE) -> set[str]:
    """The boxes that an alert reopens which were green a minute ago or as long as said."""
    green = (evidence(box, NOW - before) for box in GREEN)
    knowledge = knowledge_of([released(), deployed(NOW - 30 * HOUR), *green])
    standings = assess(knowledge.release.items, knowledge.known(THINGS), NOW)
    told = facts_of_alert(rule_id, RULES.get(rule_id), NOW - MINUTE / 2, "Too many.")
    return {box for fact in told for box in contradicted(fact, standings)}


@pytest.mark.parametrize(
    ("rule_id", "boxes"),
    [
        ("CRITICAL-001", {"POST-1.6", "POST-3.2", "POST-3.3", "POST-4.2", "STABLE-5"}),
        # One is enough to fire it: that breaks no share.
        ("CRITICAL-002", {"POST-1.6"}),
        # Its code is not a critical one.
        ("CRITICAL-003", set()),
        ("BURN-latency_p95-1", {"POST-3.4", "POST-4.2"}),
        # More than 14 in 100 are slower than P99 may be: more than 5 are slower than P95 may be.
        ("BURN-latency_p99-1", {"STABLE-3", "POST-3.4", "POST-4.2"}),
        ("WATCH-001", set()),
        ("OF-ANOTHER-RELEASE", set()),
    ],
)
def test_a_critical_alert_reopens_what_says_that_nothing_fires_and_what_it_breaks(
    rule_id: str, boxes: set[str]
) -> None:
    assert reopened(rule_id) == QUIET | boxes


def test_an_alert_of_before_the_look_reopens_nothing() -> None:
    assert reopened("CRITICAL-001", before=MINUTE / 4) == set()


def test_a_changed_rule_reopens_the_box_of_the_rules_alone() -> None:
    green = (evidence(box, NOW - MINUTE) for box in GREEN)
    knowledge = knowledge_of([released(), *green])
    standings = assess(knowledge.release.items, knowledge.known(THINGS), NOW)

    assert contradicted(fact_of_change("HIGH-005", NOW), standings) == ("PRE-4.4",)


def test_every_burn_rate_breaks_its_own_objective() -> None:
    burning = {rule_id for rule_id in RULES if rule_id.startswith("BURN-")}

    assert burning
    for rule_id in burning:
        assert rule_id.split("-")[1] in objectives_broken_by(RULES[rule_id])
