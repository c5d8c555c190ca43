"""What is looked at again, until when; and which facts take the green from which boxes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.integrity.rules import RULES
from engine.readiness.assessment import Verdict, assess
from engine.readiness.contradictions import (
    CONTRADICTED,
    UNEXPLAINED,
    Fact,
    broken_rules,
    contradicted,
)
from engine.readiness.knowledge import Knowledge, knowledge_of
from engine.readiness.live import due, is_live
from tests.unit.readiness_records import (
    HOUR,
    MINUTE,
    NOW,
    THINGS,
    deployed,
    evidence,
    released,
)


def known(*records: Any) -> Knowledge:
    return knowledge_of([released(), *records])


def due_boxes(knowledge: Knowledge, now: datetime = NOW) -> set[str]:
    release = knowledge.release
    items = list(release.items.values())
    return {each.id for each in due(release, items, knowledge.evidence, now)}


@pytest.mark.parametrize(
    ("deployed_at", "is_watched"),
    [
        (None, False),
        (NOW, True),
        (NOW - 48 * HOUR + MINUTE, True),
        (NOW - 48 * HOUR, False),
        (NOW + MINUTE, False),
    ],
)
def test_a_release_is_watched_from_its_deployment_to_the_end_of_its_last_window(
    deployed_at: datetime | None, *, is_watched: bool
) -> None:
    records = [] if deployed_at is None else [deployed(deployed_at)]

    assert is_live(known(*records).release, NOW) is is_watched


@pytest.mark.parametrize(
    ("age", "is_due"), [(MINUTE, False), (2 * MINUTE, True), (6 * MINUTE, True)]
)
def test_a_live_box_is_looked_at_again_well_before_it_is_stale(
    age: timedelta, *, is_due: bool
) -> None:
    knowledge = known(deployed(NOW - HOUR), evidence("POST-1.4", NOW - age))

    assert ("POST-1.4" in due_boxes(knowledge)) is is_due


def test_a_phase_is_not_looked_at_before_it_opens_and_long_lasting_boxes_not_at_all() -> None:
    boxes = due_boxes(known(deployed(NOW - 20 * MINUTE)))

    assert {"POST-1.4", "POST-2.7", "PRE-4.1", "PRE-1.9"} <= boxes
    assert not boxes & {"POST-3.2", "STABLE-1", "PRE-2.2", "PRE-1.1", "PRE-2.5"}


def contradicted_by(knowledge: Knowledge, fact: Fact) -> tuple[str, ...]:
    standings = assess(knowledge.release.items, knowledge.known(THINGS), NOW)
    return contradicted(fact, standings)


def test_a_code_that_nobody_explains_reopens_what_was_green_before() -> None:
    knowledge = known(
        evidence("PRE-1.1", NOW - HOUR),
        evidence("PRE-1.5", NOW - HOUR, Verdict.FAILING),
        evidence("PRE-2.1", NOW - HOUR),
    )

    later, before = (
        contradicted_by(knowledge, Fact(UNEXPLAINED, at, "One attempt"))
        for at in (NOW - MINUTE, NOW - 2 * HOUR)
    )

    assert (later, before) == (("PRE-1.1",), ())


def test_a_rule_that_a_sweep_has_found_broken_reopens_the_boxes_that_say_otherwise() -> None:
    reason = "DI-16 is broken by 1 of 9 rows: A quote's version is the number of its changes."
    knowledge = known(
        evidence("PRE-1.3", NOW - HOUR),
        evidence("PRE-1.9", NOW - MINUTE, Verdict.FAILING, reason=reason),
    )

    (fact,) = broken_rules(knowledge.release.items, knowledge.evidence)

    assert (fact.name, fact.happened_at) == ("DI-16", NOW - MINUTE)
    assert contradicted_by(knowledge, fact) == ("PRE-1.3",)


def test_a_sweep_that_names_no_rule_is_a_fact_all_the_same() -> None:
    knowledge = known(evidence("PRE-1.9", NOW, Verdict.FAILING, reason="Something is wrong"))

    assert [each.name for each in broken_rules(knowledge.release.items, knowledge.evidence)] == [
        "integrity rule"
    ]


def test_every_rule_contradicts_something_that_is_looked_at() -> None:
    probes = {item.probe for item in known().release.items.values()}

    assert RULES.keys() <= CONTRADICTED.keys()
    for contradicted_probes in CONTRADICTED.values():
        assert contradicted_probes
        assert contradicted_probes <= probes
