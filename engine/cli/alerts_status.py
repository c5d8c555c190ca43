"""`saveguard alerts status`: what fires now, and whether anybody is looking."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import psycopg

from engine.alerting.durations import tell_duration
from engine.alerting.inhibition import is_held_back, is_loud
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.states import RuleState
from engine.alerting.status import AlertingStatus, FiringAlert, read_status
from engine.attempts.words import instant
from engine.cli.facts import one_line
from engine.cli.options import data_dir_option, json_option, ready_database


@click.command("status")
@data_dir_option
@json_option
def status_command(data_dir: Path | None, *, as_json: bool) -> None:
    """Says what fires, what is unknown, and whether anybody looks.

    Exits 1 when something fires that nothing mutes, or when the evaluator has not looked for two
    intervals.
    """
    with (
        ready_database(data_dir) as (settings, target, clock),
        psycopg.connect(target.app, autocommit=True) as connection,
    ):
        now = clock.now()
        status = read_status(connection, settings, read_rules_in_force(connection), now)
    if as_json:
        click.echo(json.dumps(_plain(status), default=_json))
    else:
        click.echo("\n".join(_lines(status)))
    is_calm = not any(is_loud(each.muted_by) for each in status.firing)
    sys.exit(0 if is_calm and status.ticks.is_alive(now) else 1)


def _lines(status: AlertingStatus) -> Iterator[str]:
    for alert in status.firing:
        yield _firing(alert, status.read_at)
    if not status.firing:
        yield "Nothing fires."
    for state in (RuleState.PENDING, RuleState.UNKNOWN):
        for each in status.in_state(state):
            yield f"{state.upper():<9} {each.rule_id}: {one_line(each.reason)}"
    yield ""
    yield f"Evaluator: {_evaluator(status)}"
    yield f"Heartbeat: {_heartbeat(status)}"
    for channel in status.channels:
        waiting = f", {channel.waiting} waiting" if channel.waiting else ""
        aside = f", {channel.not_configured} not configured" if channel.not_configured else ""
        yield (
            f"{channel.channel.capitalize()}: {channel.delivered} delivered,"
            f" {channel.failed} failed{aside} in a day{waiting}"
        )
    yield f"Silences that hold: {status.silences}"


def _firing(alert: FiringAlert, now: datetime) -> str:
    held = f"for {tell_duration(now - alert.fired_at)}"
    who = f", in hand: {one_line(alert.acknowledged_by)}" if alert.acknowledged_by else ""
    how = "held back by" if is_held_back(alert.muted_by) else "muted by"
    muted = "" if alert.muted_by is None else f", {how} {_muted(alert)}"
    return (
        f"{alert.severity.name:<9} {alert.rule_id} {held}{who}{muted}: {one_line(alert.message)}"
        f" {alert.error_code} {one_line(alert.correlation_id)} alert {alert.id}"
    )


def _muted(alert: FiringAlert) -> str:
    return ", ".join(f"{what} {which}" for what, which in (alert.muted_by or {}).items())


def _evaluator(status: AlertingStatus) -> str:
    ticks = status.ticks
    age = ticks.age(status.read_at)
    if age is None:
        return "has never looked"
    state = "looked" if ticks.is_alive(status.read_at) else "STANDS STILL: looked last"
    lag = "" if ticks.lag_p99_s is None else f", 99 of 100 at most {ticks.lag_p99_s:.1f} s late"
    return (
        f"{state} {tell_duration(max(age, timedelta(0)))} ago, tick {ticks.number};"
        f" {ticks.count} in a day, {ticks.missing} missing{lag}"
    )


def _heartbeat(status: AlertingStatus) -> str:
    heartbeat = status.heartbeat
    if not heartbeat.is_configured:
        return "NOT CONFIGURED: nobody outside notices when all of this stops (ALERT_HEARTBEAT_URL)"
    heard = heartbeat.acknowledged_at
    last = "the watcher has never heard" if heard is None else f"heard at {instant(heard)}"
    return last if heartbeat.reason is None else f"{last}; the last one failed: {heartbeat.reason}"


def _plain(status: AlertingStatus) -> dict[str, Any]:
    facts = asdict(status)
    for rule in facts["rules"]:
        del rule["rule"]
    for alert in facts["firing"]:
        alert["severity"] = alert["severity"].name
    return facts


def _json(value: object) -> object:
    """What JSON has no type of."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case _:
            return str(value)
