"""What the documentation says of the alert rules is what the rules say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.alerting.changes import changeable
from engine.alerting.durations import write_duration
from engine.alerting.lint import Check, sections_of
from engine.alerting.loading import own_rules
from engine.alerting.rule_words import tell_condition
from engine.alerting.rules import AlertCode, Rule, Standstill
from engine.alerting.states import RuleState
from engine.alerting.tallies import Tally, is_shown

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_PARTS = ("Symptom", "Cause", "Action", "Verify")


def _page(name: str) -> str:
    return (_DOCS / name).read_text("utf-8")


@pytest.mark.parametrize("rule", own_rules(), ids=lambda rule: rule.id)
def test_every_rule_is_documented_in_its_own_words(rule: Rule) -> None:
    least = "" if isinstance(rule.condition, Standstill) else f"{rule.condition.least:,}"
    cells = (
        f"`{rule.id}`", rule.severity.name, tell_condition(rule.condition), least,
        write_duration(rule.hold), write_duration(rule.keep), ", ".join(rule.channels),
        ", ".join(sorted(rule.guards)),
    )  # fmt: skip

    assert f"| {' | '.join(cells)} |" in _page("reference/alert-rules.md").splitlines()


def test_no_rule_is_documented_that_there_is_not() -> None:
    documented = re.findall(
        r"^\| `([A-Za-z]+-[^`]+)` \|", _page("reference/alert-rules.md"), re.MULTILINE
    )

    assert documented == [rule.id for rule in own_rules()]


@pytest.mark.parametrize("rule", own_rules(), ids=lambda rule: rule.id)
def test_every_rule_has_a_whole_runbook_section(rule: Rule) -> None:
    runbook = _page("runbooks/alerts.md")

    section = runbook.partition(f"## {rule.runbook}\n")[2].partition("\n## ")[0]
    assert [part for part in _PARTS if f"- **{part}**: " not in section] == []


def test_the_runbook_has_no_section_of_what_there_is_not() -> None:
    sections = sections_of(_page("runbooks/alerts.md"))

    assert sections == {rule.runbook for rule in own_rules()} | {AlertCode.NO_DATA}


def test_what_it_takes_to_fire_is_as_the_table_says() -> None:
    page = _page("reference/alert-rules.md")
    (head,) = re.findall(r"^\| Threshold \| (.*) \|$", page, re.MULTILINE)
    counts = [int(each.removeprefix("of ").replace(",", "")) for each in head.split(" | ")]
    rows = re.findall(r"^\| (any|[0-9.]+ %) \| (.*) \|$", page, re.MULTILINE)

    assert len(rows) == 6
    for written, cells in rows:
        threshold = 0.0 if written == "any" else float(written.removesuffix(" %")) / 100
        for of, cell in zip(counts, cells.split(" | "), strict=True):
            assert is_shown(Tally(int(cell), of), threshold), (written, of)
            assert not is_shown(Tally(int(cell) - 1, of), threshold), (written, of)


def test_states_checks_and_fields_are_documented() -> None:
    page = _page("reference/alert-rules.md")

    assert [each for each in RuleState if f"| {each.value} | " not in page] == []
    assert [each for each in Check if f"| {each.value} | " not in page] == []
    fields = {name for rule in own_rules() for name in changeable(rule)}
    assert [name for name in sorted(fields) if f"`{name}`" not in page] == []


def test_the_table_of_detections_has_every_rule() -> None:
    page = _page("reference/alert-detection.md")
    # No tick can find a database that is away; the watchdog tells it, see test_alert_watchdog.py.
    evaluated = [rule.id for rule in own_rules() if rule.id != "WATCH-001-DATABASE"]

    assert [rule_id for rule_id in evaluated if f"\n| {rule_id} | " not in page] == []
    assert "0 alerts came outside of any incident" in page
