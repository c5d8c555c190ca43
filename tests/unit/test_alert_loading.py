"""Rules are read and checked, follow from the objectives, and may be changed in named ways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.alerting.burn_rules import derived_rules
from engine.alerting.changes import changeable, changed_rule, digest_of, in_force
from engine.alerting.loading import own_rules, read_rules
from engine.alerting.rules import AlertSeverity, Burning, Rule, Share, Standstill
from engine.errors import SetupError
from engine.rollups import parts
from engine.slo.burn import PAIRS
from engine.slo.objectives import OBJECTIVES

_RULES = {rule.id: rule for rule in own_rules()}
_GOOD = {
    "name": '"A test"',
    "severity": '"HIGH"',
    "bad": '"conflicts"',
    "of": '"all"',
    "threshold": '"0.1 %"',
    "window": '"5 min"',
    "channels": '["webhook"]',
}


def _toml(**changes: str | None) -> str:
    fields = {**_GOOD, **changes}
    lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    return "\n".join(['["TEST-001"]', *lines])


def test_a_rule_is_read_with_what_it_leaves_unsaid() -> None:
    (rule,) = read_rules(_toml())

    assert rule == Rule(
        "TEST-001",
        "A test",
        AlertSeverity.HIGH,
        Share(parts.CONFLICTS, parts.ALL, 0.001, timedelta(minutes=5)),
        ("webhook",),
        runbook="TEST-001",
        group="TEST-001",
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"name": None}, "name", "is missing"),
        ({"name": '" "'}, "name", "says nothing"),
        ({"severity": '"LOUD"'}, "severity", "none of MEDIUM, HIGH, CRITICAL"),
        ({"bad": '"nonsense"'}, "bad", "none of all, succeeded"),
        ({"of": "3"}, "of", "none of all, succeeded"),
        ({"threshold": None}, "threshold", "is missing"),
        ({"threshold": "0.001"}, "threshold", "no share"),
        ({"threshold": '"-1 %"'}, "threshold", "no share"),
        ({"threshold": '"1e3 %"'}, "threshold", "no share"),
        ({"threshold": '"100 %"'}, "threshold", "can never be exceeded"),
        ({"window": '"5 minutes"'}, "window", "no duration"),
        ({"window": '"0 s"'}, "window", "takes longer"),
        ({"window": '"31 d"'}, "window", "longer than 30 d"),
        ({"window": "300"}, "window", "no duration"),
        ({"operation": '"PATCH"'}, "operation", "none of CREATE, UPDATE"),
        ({"traffic": '"REAL"'}, "traffic", "none of LIVE"),
        ({"least": "0"}, "least", "no whole number"),
        ({"least": "true"}, "least", "no whole number"),
        ({"least": "1.5"}, "least", "no whole number"),
        ({"hold": '"soon"'}, "hold", "no duration"),
        ({"keep": '"-5 min"'}, "keep", "no duration"),
        ({"no_data_after": '"0 s"'}, "no_data_after", "takes longer"),
        ({"channels": "[]"}, "channels", "nobody is told"),
        ({"channels": '["fax"]'}, "channels", "none of telegram"),
        ({"channels": '["webhook", "webhook"]'}, "channels", "different names"),
        ({"channels": '"webhook"'}, "channels", "different names"),
        ({"guards": '["speed"]'}, "guards", "none of success_rate"),
        ({"silenceable": '"no"'}, "silenceable", "neither true nor false"),
        ({"factor": "3"}, "factor", "there is no field"),
        ({"watched": '"cat"'}, "watched", "none of evaluator"),
        ({"watched": '"roller"'}, "threshold", "there is no field"),
    ],
)
def test_a_rule_that_is_wrong_is_refused_with_its_id_and_field(
    changes: dict[str, str | None], field: str, reason: str
) -> None:
    with pytest.raises(SetupError) as raised:
        read_rules(_toml(**changes))

    message = str(raised.value)
    assert message.startswith("alert rule TEST-001: ")
    assert field in message
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text", ["[", '["A"]\nx = 1\nx = 2', "rule = 1", '["no spaces"]\nname = "x"', '["X"]']
)
def test_a_text_that_holds_no_rules_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SetupError, match=r"\Aalert rule[^\n]*\Z"):
        read_rules(text)


def test_the_rules_of_the_domain_are_there_as_they_are_written() -> None:
    told = ("telegram", "webhook")
    expected: dict[str, tuple[str, str, float, tuple[str, ...]]] = {
        "CRITICAL-001": ("CRITICAL", "critical", 0.01, told),
        "CRITICAL-002": ("CRITICAL", "not_persisted", 0.0, told),
        "CRITICAL-003": ("CRITICAL", "timeouts", 0.0, told),
        "CRITICAL-004": ("CRITICAL", "aborted", 0.0, told),
        "HIGH-001": ("HIGH", "rolled_back", 0.02, told),
        "HIGH-002": ("HIGH", "unsuccessful", 0.05, told),
        "HIGH-002-UPDATE": ("HIGH", "unsuccessful", 0.05, told),
        "HIGH-003": ("HIGH", "over_p95", 0.05, told),
        "HIGH-004": ("HIGH", "over_p99", 0.01, told),
        "HIGH-005": ("HIGH", "conflicts", 0.001, told),
        "MEDIUM-001": ("MEDIUM", "unfit", 0.005, ("webhook",)),
    }

    for rule_id, (severity, bad, above, channels) in expected.items():
        rule = _RULES[rule_id]
        condition = rule.condition
        assert isinstance(condition, Share)
        assert (rule.severity.name, rule.channels) == (severity, channels)
        assert (condition.bad.key, condition.above) == (bad, above)
        assert condition.window == timedelta(minutes=5)


def test_the_watchdog_cannot_be_silenced_or_put_out_of_force() -> None:
    watchdogs = [rule for rule in own_rules() if isinstance(rule.condition, Standstill)]

    assert {rule.id for rule in watchdogs} == {
        "WATCH-001", "WATCH-001-DATABASE", "WATCH-001-ROLLER", "WATCH-001-SPOOL",
    }  # fmt: skip
    for rule in watchdogs:
        assert not rule.is_silenceable
        with pytest.raises(SetupError, match="cannot be put out of force"):
            changed_rule(rule, {"enabled": False})


def test_every_objective_with_burns_has_a_rule_for_each_pair() -> None:
    burning = {
        (rule.condition.objective.key, rule.condition.pair): rule
        for rule in derived_rules()
        if isinstance(rule.condition, Burning) and rule.id.startswith("BURN-")
    }

    assert set(burning) == {
        (each.key, pair) for each in OBJECTIVES.values() if each.burns for pair in PAIRS
    }
    for (key, pair), rule in burning.items():
        assert rule.id == f"BURN-{key}-{PAIRS.index(pair) + 1}"
        assert rule.severity.name == pair.severity.name


def test_an_objective_that_no_burn_rate_guards_has_a_slow_budget() -> None:
    budgets = {rule.id: rule for rule in derived_rules() if rule.id.startswith("BUDGET-")}

    assert set(budgets) == {
        "BUDGET-success_rate", "BUDGET-conflict_rate", "BUDGET-rollback_rate",
        "BUDGET-validation_rate",
    }  # fmt: skip
    for rule in budgets.values():
        assert isinstance(rule.condition, Burning)
        assert rule.condition.pair.factor == pytest.approx(1)
        assert (rule.severity, rule.channels) == (AlertSeverity.MEDIUM, ("webhook",))
    assert {key for rule in derived_rules() for key in rule.guards} == set(OBJECTIVES)


def test_ids_are_unique_and_every_rule_names_a_section() -> None:
    assert len(_RULES) == len(own_rules())
    assert all(rule.runbook and rule.group for rule in own_rules())


def test_a_change_replaces_what_it_names_and_nothing_else() -> None:
    changed = changed_rule(
        _RULES["HIGH-002"],
        {
            "threshold": "7.5 %",
            "least": 50,
            "hold": "2 min",
            "keep": "1 h",
            "no_data_after": "12 h",
        },
    )

    assert changed is not None
    assert isinstance(changed.condition, Share)
    assert changed.condition.above == 0.075
    assert changed.condition.least == 50
    assert (changed.hold, changed.keep, changed.no_data_after) == (
        timedelta(minutes=2), timedelta(hours=1), timedelta(hours=12),
    )  # fmt: skip
    assert (changed.id, changed.channels) == ("HIGH-002", _RULES["HIGH-002"].channels)


def test_rules_in_force_are_those_of_the_release_but_for_what_was_changed() -> None:
    changes: dict[str, dict[str, Any]] = {
        "HIGH-005": {"threshold": "0.2 %"},
        "MEDIUM-002": {"enabled": False},
        "HIGH-003": {},
        "GONE-001": {"threshold": "0.2 %"},
    }

    found = {rule.id: rule for rule in in_force(own_rules(), changes)}

    assert set(_RULES) - set(found) == {"MEDIUM-002"}
    assert [rule_id for rule_id in found if found[rule_id] != _RULES[rule_id]] == ["HIGH-005"]


@pytest.mark.parametrize(
    ("rule_id", "body", "field"),
    [
        ("HIGH-005", {"threshold": 0.002}, "threshold"),
        ("HIGH-005", {"limit": "0.2 %"}, "limit"),
        ("HIGH-005", {"least": "10"}, "least"),
        ("HIGH-005", {"hold": 60}, "hold"),
        ("HIGH-005", {"enabled": "no"}, "enabled"),
        ("HIGH-005", {"window": "10 min"}, "window"),
        ("HIGH-005", {"channels": []}, "channels"),
        ("HIGH-005", {"no_data_after": "5 min"}, "no_data_after"),
        ("HIGH-002", {"no_data_after": "0 s"}, "no_data_after"),
        ("BURN-latency_p95-1", {"threshold": "1 %"}, "threshold"),
        ("WATCH-001", {"least": 3}, "least"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_rule_and_field(
    rule_id: str, body: dict[str, Any], field: str
) -> None:
    with pytest.raises(SetupError, match=rf"alert rule {rule_id}: .*\b{field}\b"):
        in_force(own_rules(), {rule_id: body})


@pytest.mark.parametrize("rule", own_rules(), ids=lambda rule: rule.id)
def test_every_field_that_may_be_changed_can_be(rule: Rule) -> None:
    values: dict[str, Any] = {
        "threshold": "3 %", "least": 77, "hold": "77 s", "keep": "78 s", "no_data_after": "79 s",
    }  # fmt: skip
    for name in changeable(rule):
        if name != "enabled":
            assert changed_rule(rule, {name: values[name]}) not in {None, rule}
    assert (changed_rule(rule, {"enabled": True})) == rule


def test_the_digest_tells_rules_apart_and_minds_no_order() -> None:
    rules = own_rules()
    others = [in_force(rules, {rule.id: {"keep": "77 min"}}) for rule in rules] + [
        rules[1:],
        in_force(rules, {"HIGH-005": {"threshold": "0.2 %"}}),
    ]

    assert digest_of(rules) == digest_of(tuple(reversed(rules)))
    assert len(digest_of(rules)) == 32
    assert len({digest_of(each) for each in (rules, *others)}) == len(others) + 1
