"""`saveguard alerts rules`: what the commands print and with which code they end."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from engine.alerting.changes import changed_rule, digest_of
from engine.alerting.loading import own_rules
from engine.alerting.rule_tests import own_tests
from engine.cli import alerts_rules
from engine.cli.main import cli
from engine.errors import SetupError


def _said(*arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(cli, ["alerts", "rules", *arguments])
    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    return ended.exit_code, ended.output


def test_list_says_when_each_rule_fires_and_the_digest_of_all() -> None:
    code, said = _said("list")
    _, as_json = _said("list", "--json")

    assert code == 0
    told = json.loads(as_json)
    assert told["digest"] == digest_of(own_rules()).hex()
    assert told["digest"] in said
    assert [each["id"] for each in told["rules"]] == [rule.id for rule in own_rules()]
    assert "fires when version conflicts are more than 0.1 % of attempts in 5 min\n" in said
    assert "in 5 min, for 1 min\n" in said


def test_lint_finds_nothing_and_looks_at_the_runbook() -> None:
    code, said = _said("lint")

    assert (code, said) == (0, f"{len(own_rules())} rules, 0 findings\n")


def test_lint_ends_with_1_when_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = tuple(rule for rule in own_rules() if rule.id == "MEDIUM-002")
    monkeypatch.setattr(alerts_rules, "own_rules", lambda: fewer)
    monkeypatch.setattr(alerts_rules, "_RUNBOOK", "docs/no such file")

    code, said = _said("lint")
    _, as_json = _said("lint", "--json")

    assert code == 1
    assert "objectives conflict_rate" in said
    assert "The runbook is not installed here and was not looked at" in said
    assert {"check": "objectives", "what": "conflict_rate"}.items() <= next(
        each for each in json.loads(as_json) if each["what"] == "conflict_rate"
    ).items()


def test_test_says_what_passed_and_ends_with_1_when_something_did_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, said = _said("test", "--rule", "HIGH-005")
    few = tuple(test for test in own_tests() if test.rules == ("HIGH-005",))
    wrong = tuple(rule for rule in own_rules() if rule.id == "HIGH-005")
    monkeypatch.setattr(alerts_rules, "own_tests", lambda: few)
    monkeypatch.setattr(
        alerts_rules, "own_rules",
        lambda: tuple(changed_rule(rule, {"threshold": "50 %"}) for rule in wrong),
    )  # fmt: skip

    failed, told = _said("test")

    assert code == 0
    assert "passed HIGH-005: two agents fight over one quote" in said
    assert "3 tests of 1 rules, 0 failed" in said
    assert failed == 1
    assert "FAILED HIGH-005: two agents fight over one quote" in told
    assert "after 35 min inactive, not firing" in told


def test_a_rule_that_there_is_not_is_refused_in_one_line() -> None:
    ended = CliRunner().invoke(cli, ["alerts", "rules", "test", "--rule", "HIGH-999"])

    assert isinstance(ended.exception, SetupError)
    assert str(ended.exception).startswith("there is no alert rule HIGH-999; ")
