"""The lint is silent about the rules that there are, and says what is wrong with worse ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.alerting.lint import Check, Finding, covering, lint, sections_of, shadows
from engine.alerting.loading import own_rules
from engine.alerting.rule_tests import RuleTest, own_tests, read_tests
from engine.alerting.rules import AlertSeverity, Burning, Rule, Share
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.slo.burn import PAIRS
from engine.slo.objectives import OBJECTIVES

_RUNBOOK = Path(__file__).parents[2] / "docs/runbooks/alerts.md"
_RULES = own_rules()
_BY_ID = {rule.id: rule for rule in _RULES}
_SECTIONS = sections_of(_RUNBOOK.read_text("utf-8"))


def _edited(rule_id: str, edit: Callable[[Rule], Rule]) -> tuple[Rule, ...]:
    return tuple(edit(rule) if rule.id == rule_id else rule for rule in _RULES)


def _without(*prefixes: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in _RULES if not rule.id.startswith(prefixes))


def _share(rule: Rule) -> Share:
    assert isinstance(rule.condition, Share)
    return rule.condition


def _found(
    rules: Sequence[Rule],
    check: Check,
    tests: Sequence[RuleTest] = (),
    sections: frozenset[str] | None = None,
) -> list[Finding]:
    return [each for each in lint(rules, tests, sections) if each.check is check]


def test_nothing_is_wrong_with_the_rules_of_this_release() -> None:
    assert lint(_RULES, own_tests(), _SECTIONS) == ()


def test_two_rules_of_one_id_are_too_many() -> None:
    assert [each.what for each in _found([*_RULES, _RULES[0]], Check.IDS)] == ["CRITICAL-001"]


@pytest.mark.parametrize("code", ErrorCode)
def test_every_loud_code_is_covered_and_missed_without_the_rules_that_do(code: ErrorCode) -> None:
    rules = covering(code, _RULES)
    others = tuple(rule for rule in _RULES if rule not in rules)

    assert rules
    assert [each.what for each in _found(others, Check.CODES) if each.what == code] == [code]
    # One failure among all others is not enough.
    assert all(_share(rule).bad is not parts.UNSUCCESSFUL for rule in rules)
    assert TAXONOMY[code].severity.name in {"HIGH", "CRITICAL"}


def test_an_objective_that_no_rule_guards_is_a_gap() -> None:
    rules = [replace(rule, guards=rule.guards - {"conflict_rate"}) for rule in _RULES]

    found = _found(rules, Check.OBJECTIVES)

    assert [each.what for each in found] == ["conflict_rate"]


@pytest.mark.parametrize("key", OBJECTIVES)
def test_no_objective_is_guarded_by_a_rule_of_a_short_window_alone(key: str) -> None:
    guards = [rule.condition for rule in _RULES if key in rule.guards]

    assert any(isinstance(each, Burning) and each.pair is PAIRS[-1] for each in guards)


def test_somebody_has_to_say_when_nobody_comes() -> None:
    mute = _edited("HIGH-002", lambda rule: replace(rule, no_data_after=None))
    picky = _edited(
        "HIGH-002", lambda rule: replace(rule, condition=replace(_share(rule), least=9))
    )
    blind = _edited("WATCH-001", lambda rule: replace(rule, no_data_after=None))

    assert [each.what for each in _found(mute, Check.NO_DATA)] == ["no_data_after"]
    assert [each.what for each in _found(picky, Check.NO_DATA)] == ["no_data_after"]
    assert [each.what for each in _found(blind, Check.NO_DATA)] == ["WATCH-001"]


def test_a_rule_that_can_never_fire_is_refused() -> None:
    over = _edited("HIGH-003", lambda rule: replace(rule, condition=replace(_share(rule), above=1)))
    odd = _edited(
        "HIGH-003", lambda rule: replace(rule, condition=replace(_share(rule), of=parts.CONFLICTS))
    )
    steep = replace(PAIRS[0], budget_share=0.2)
    burning = replace(
        _BY_ID["BURN-latency_p95-1"], condition=Burning(OBJECTIVES["latency_p95"], steep)
    )

    assert [each.what for each in _found(over, Check.POSSIBLE)] == ["HIGH-003"]
    assert [each.what for each in _found(odd, Check.POSSIBLE)] == ["HIGH-003"]
    assert [each.what for each in _found([burning], Check.POSSIBLE)] == ["BURN-latency_p95-1"]


@pytest.mark.parametrize(
    ("rule_id", "guards", "words"),
    [
        # Those of the domain that are looser than an objective must not claim it.
        ("CRITICAL-001", "critical_error_rate", "allows 1 % where the objective allows 0.1 %"),
        ("HIGH-001", "rollback_rate", "allows 2 % where the objective allows 0.5 %"),
        ("HIGH-002", "success_rate", "allows 5 % where the objective allows 1 %"),
        ("HIGH-002-UPDATE", "success_rate", "some of its attempts only"),
        ("MEDIUM-003", "success_rate", "some of its attempts only"),
        ("HIGH-005", "rollback_rate", "does not count all that breaks it"),
        ("HIGH-003", "success_rate", "does not count all that breaks it"),
        ("BURN-critical_error_rate-1", "critical_error_rate", "lets the budget burn"),
        ("BURN-service_success_rate-4", "success_rate", "counts less"),
        ("WATCH-001", "success_rate", "counts no attempts"),
    ],
)
def test_a_rule_that_is_looser_than_what_it_claims_to_guard_is_refused(
    rule_id: str, guards: str, words: str
) -> None:
    rules = _edited(rule_id, lambda rule: replace(rule, guards=frozenset({guards})))

    (found,) = _found(rules, Check.LOOSER)

    assert found.what == rule_id
    assert words in found.message


def test_a_threshold_that_was_made_looser_than_the_objective_is_refused() -> None:
    rules = _edited(
        "HIGH-005", lambda rule: replace(rule, condition=replace(_share(rule), above=0.002))
    )

    (found,) = _found(rules, Check.LOOSER)

    assert (
        found.message
        == "It claims to guard conflict_rate, but allows 0.2 % where the objective allows 0.1 %."
    )


@pytest.mark.parametrize(
    ("changes", "condition", "is_shadowed"),
    [
        ({}, {}, True),
        ({}, {"above": 0.005}, True),
        ({}, {"above": 0.0005}, False),
        ({}, {"window": timedelta(minutes=10)}, False),
        ({}, {"operation": Operation.UPDATE}, False),
        ({}, {"of": parts.TIMED}, False),
        ({}, {"bad": parts.UNSUCCESSFUL}, False),
        ({"severity": AlertSeverity.CRITICAL}, {}, False),
        ({"severity": AlertSeverity.MEDIUM}, {}, True),
        ({"channels": ("webhook",)}, {}, True),
        ({"channels": ("webhook", "apprise")}, {}, False),
        ({"hold": timedelta(minutes=5)}, {}, True),
    ],
)
def test_a_rule_that_another_one_makes_needless_is_refused(
    changes: dict[str, object], condition: dict[str, object], *, is_shadowed: bool
) -> None:
    rule = _BY_ID["HIGH-005"]
    copy = replace(
        rule,
        id="TEST-001",
        **{"condition": replace(_share(rule), **condition), **changes},  # type: ignore[arg-type]
    )

    found = _found([*_RULES, copy], Check.SHADOWED)

    assert ("TEST-001" in [each.what for each in found]) == is_shadowed
    assert shadows(rule, copy) == is_shadowed


def test_a_burn_rule_that_another_one_makes_needless_is_refused() -> None:
    # Internal errors are critical, and the limit of both is the same.
    rule = replace(
        _BY_ID["BUDGET-conflict_rate"],
        id="BUDGET-internal_rate",
        condition=Burning(OBJECTIVES["internal_rate"], PAIRS[-1]),
    )

    (found,) = _found([*_RULES, rule], Check.SHADOWED)

    assert found.what == "BUDGET-internal_rate"
    assert "BURN-critical_error_rate-4" in found.message


def test_of_two_rules_that_say_the_same_one_is_too_many() -> None:
    twin = replace(_BY_ID["HIGH-005"], id="HIGH-005-AGAIN")

    assert [each.what for each in _found([*_RULES, twin], Check.SHADOWED)] == ["HIGH-005-AGAIN"]


def test_channels_that_there_are_not_and_rules_that_tell_nobody_are_refused() -> None:
    unknown = _edited("HIGH-005", lambda rule: replace(rule, channels=("webhook", "fax")))
    mute = _edited("WATCH-001", lambda rule: replace(rule, channels=("heartbeat",)))

    assert [each.message for each in _found(unknown, Check.CHANNELS)] == [
        "There is no channel fax."
    ]
    assert [each.what for each in _found(mute, Check.CHANNELS)] == ["WATCH-001"]


def test_a_rule_without_a_section_in_the_runbook_is_refused() -> None:
    found = _found(_RULES, Check.RUNBOOK, sections=_SECTIONS - {"HIGH-002", "WATCH-001"})

    assert {each.what for each in found} == {
        "HIGH-002", "HIGH-002-UPDATE", "WATCH-001", "WATCH-001-ROLLER", "WATCH-001-SPOOL",
    }  # fmt: skip


def test_a_runbook_that_is_not_installed_is_not_taken_for_an_empty_one() -> None:
    assert _found(_RULES, Check.RUNBOOK, sections=None) == []
    assert len(_found(_RULES, Check.RUNBOOK, sections=frozenset())) == len(_RULES)


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.id)
def test_every_rule_needs_a_series_that_fires_it_and_one_that_does_not(rule: Rule) -> None:
    firing = [test for test in own_tests() if not (test.is_of(rule) and test.must_fire)]
    quiet = [test for test in own_tests() if not (test.is_of(rule) and test.is_quiet)]

    for tests, words in ((firing, "must fire it"), (quiet, "must not fire it")):
        (found,) = (each for each in _found([rule], Check.TESTS, tests) if each.what == rule.id)
        assert words in found.message


def test_a_test_that_a_rule_fails_is_a_finding() -> None:
    (test,) = read_tests(
        """
        [[test]]
        name = "nothing"
        rules = ["CRITICAL-003"]
        series = ["540 x 0 bad for 10 min"]
        at = { "10 min" = "firing" }
        """
    )

    found = _found(_without("BURN", "BUDGET", "WATCH"), Check.TESTS, [*own_tests(), test])

    assert [(each.what, each.message.partition(":")[0]) for each in found] == [
        ("CRITICAL-003", "nothing")
    ]


def test_no_test_names_a_rule_that_there_is_not() -> None:
    for test in own_tests():
        for pattern in test.rules:
            assert any(replace(test, rules=(pattern,)).is_of(rule) for rule in _RULES), pattern
