"""`saveguard alerts rules …`: the rules of this release, whether they are sound, what they do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import psycopg

import engine
from engine.alerting.backtest import DAYS_MAX, Backtest, backtest
from engine.alerting.changes import changeable, changed_rule, digest_of
from engine.alerting.durations import tell_duration, write_duration
from engine.alerting.lint import Finding, lint, sections_of
from engine.alerting.loading import own_rules
from engine.alerting.rule_tests import own_tests, run_rule_tests
from engine.alerting.rule_words import tell_condition
from engine.alerting.rules import Rule
from engine.alerting.walking import Firing
from engine.cli.options import data_dir_option, json_option, ready_database
from engine.cli.progress import bar
from engine.errors import SetupError

_RUNBOOK: Final = "docs/runbooks/alerts.md"


@click.group("rules")
def rules_group() -> None:
    """The rules that alerts come from."""


@rules_group.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """Lists the rules of this release."""
    rules = own_rules()
    digest = digest_of(rules).hex()
    if as_json:
        click.echo(json.dumps({"digest": digest, "rules": [_plain(each) for each in rules]}))
        return
    for rule in rules:
        click.echo(f"{rule.id} {rule.severity.name}, told to {', '.join(rule.channels)}")
        held = f", for {write_duration(rule.hold)}" if rule.hold else ""
        click.echo(f"    fires when {tell_condition(rule.condition)}{held}")
    click.echo(f"{len(rules)} rules, digest {digest}")


@rules_group.command("lint")
@json_option
def lint_command(*, as_json: bool) -> None:
    """Looks for gaps and noise in the rules.

    Exits 1 with what is wrong: a code or an objective that no rule speaks of, a rule that is looser
    than what it guards or that another one shadows, a missing test or section of the runbook.
    """
    sections = _sections()
    findings = lint(own_rules(), own_tests(), sections)
    if as_json:
        click.echo(json.dumps([_plain_finding(each) for each in findings]))
    else:
        for each in findings:
            click.echo(f"{each.check:<10} {each.what:<28} {each.message}")
        if sections is None:
            click.echo(f"The runbook is not installed here and was not looked at: {_RUNBOOK}")
        click.echo(f"{len(own_rules())} rules, {len(findings)} findings")
    raise SystemExit(int(bool(findings)))


@rules_group.command("test")
@click.option("--rule", "rule_id", help="Only this one.")
def test_command(rule_id: str | None) -> None:
    """Walks each rule through the pasts that it has to fire in, or must not.

    Exits 1 with what came out otherwise.
    """
    rules = own_rules() if rule_id is None else (_rule(rule_id),)
    runs = run_rule_tests(rules, own_tests())
    failed = 0
    for run in runs:
        failed += bool(run.failures)
        click.echo(f"{'FAILED' if run.failures else 'passed'} {run.rule_id}: {run.test.name}")
        for failure in run.failures:
            click.echo(f"       {failure}")
    click.echo(f"{len(runs)} tests of {len(rules)} rules, {failed} failed")
    raise SystemExit(int(bool(failed)))


@rules_group.command("backtest")
@click.argument("rule_id", metavar="RULE")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=30, help="How far back.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Try it with this changed, such as threshold='0.2 %'; may be given again.",
)
@data_dir_option
@json_option
def backtest_command(
    rule_id: str, days: int, changes: tuple[str, ...], data_dir: Path | None, *, as_json: bool
) -> None:
    """Says when a rule would have fired in the last days, by the ledger's own counters."""
    rule = changed_rule(_rule(rule_id), _body(_rule(rule_id), changes))
    if rule is None:
        raise SetupError(f"alert rule {rule_id}: one that is not enabled never fires")
    with (
        ready_database(data_dir) as (_settings, target, clock),
        psycopg.connect(target.app, autocommit=True) as connection,
        bar("days") as progress,
    ):
        found = backtest(connection, rule, now=clock.now(), days=days, progress=progress)
    if as_json:
        click.echo(json.dumps(_plain_backtest(found)))
    else:
        click.echo("\n".join(_told(found)))


def _rule(rule_id: str) -> Rule:
    for rule in own_rules():
        if rule.id == rule_id:
            return rule
    raise SetupError(f"there is no alert rule {rule_id}; saveguard alerts rules list has all")


def _body(rule: Rule, changes: Sequence[str]) -> dict[str, Any]:
    """What a change's body says, from NAME=VALUE: whole numbers and flags are no texts."""
    body: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise SetupError(f"{change}: say NAME=VALUE; names are {', '.join(changeable(rule))}")
        flags = {"true": True, "false": False}
        body[name] = int(value) if value.isascii() and value.isdigit() else flags.get(value, value)
    return body


def _sections() -> frozenset[str] | None:
    """Of the runbook of this checkout; None where only the packages are installed."""
    path = Path(engine.__file__).parent.parent / _RUNBOOK
    return sections_of(path.read_text("utf-8")) if path.exists() else None


def _told(found: Backtest) -> Iterator[str]:
    yield f"{found.rule.id} fires when {tell_condition(found.rule.condition)}"
    yield f"from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    if found.by_minute_since > found.since:
        yield (
            f"before {found.by_minute_since:%Y-%m-%d %H:%M} only hours are kept: a shorter burst"
            " may not show"
        )
    yield f"{found.looks:,} looks; {found.bad:,} of {found.attempts:,} attempts were bad"
    for each in found.firings:
        lasted = "still fires" if each.ended is None else f"for {tell_duration(each.lasted)}"
        yield f"{each.began.at:%Y-%m-%d %H:%M} {lasted}: {each.began.reason}"
    if found.firings:
        yield f"{len(found.firings)} alerts, {tell_duration(found.fired)} in all"
    else:
        yield "it would not have fired"


def _plain(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": rule.severity.name,
        "fires_when": tell_condition(rule.condition),
        "channels": list(rule.channels),
        "hold_s": rule.hold.total_seconds(),
        "keep_s": rule.keep.total_seconds(),
        "guards": sorted(rule.guards),
        "runbook": rule.runbook,
    }


def _plain_finding(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "what": finding.what, "message": finding.message}


def _plain_backtest(found: Backtest) -> dict[str, Any]:
    return {
        "rule": found.rule.id,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "by_minute_since": found.by_minute_since.isoformat(),
        "looks": found.looks,
        "attempts": found.attempts,
        "bad": found.bad,
        "fired_s": found.fired.total_seconds(),
        "firings": [_plain_firing(each) for each in found.firings],
    }


def _plain_firing(firing: Firing) -> dict[str, Any]:
    return {
        "began": firing.began.at.isoformat(),
        "ended": firing.ended.at.isoformat() if firing.ended else None,
        "lasted_s": firing.lasted.total_seconds(),
        "is_no_data": firing.began.is_no_data,
        "reason": firing.began.reason,
        "numbers": dict(firing.began.numbers),
    }
