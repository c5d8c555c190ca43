"""`saveguard alerts status`: what fires now, and whether anybody is looking."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import psycopg

from engine.alerting.channels.opening import open_channels
from engine.alerting.durations import tell_duration
from engine.alerting.inhibition import is_held_back, is_loud
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.states import RuleState
from engine.alerting.status import AlertingStatus, ChannelStanding, FiringAlert, read_status
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
    missing = {name.value: each.missing for name, each in open_channels(settings, clock).items()}
    if as_json:
        click.echo(json.dumps(_plain(status, missing), default=_json))
    else:
        click.echo("\n".join(_lines(status, missing)))
    is_calm = not any(is_loud(each.muted_by) for each in status.firing)
    sys.exit(0 if is_calm and status.ticks.is_alive(now) else 1)


def _what_fires(status: AlertingStatus) -> Iterator[str]:
    for alert in status.firing:
        yield _firing(alert, status.read_at)
        if by_now := status.said_since(alert):
            yield f"          now: {one_line(by_now)}"
    if not status.ticks.is_alive(status.read_at):
        yield "UNKNOWN whether anything fires: nobody evaluates the rules."
    elif not status.firing:
        unknown = len(status.in_state(RuleState.UNKNOWN))
        yield "Nothing fires." + (
            f" {unknown} of {len(status.rules)} rules cannot say." if unknown else ""
        )


def _lines(status: AlertingStatus, missing: Mapping[str, str | None]) -> Iterator[str]:
    yield from _what_fires(status)
    for state in (RuleState.PENDING, RuleState.UNKNOWN):
        for each in status.in_state(state):
            yield f"{state.upper():<9} {each.rule_id}: {one_line(each.reason)}"
    yield ""
    yield f"Evaluator: {_evaluator(status)}"
    yield f"Heartbeat: {_heartbeat(status)}"
    if all(missing.values()):
        yield "NO CHANNEL IS CONFIGURED here: unless what serves has one, nobody is told"
    known = {each.channel: each for each in status.channels}
    for name in sorted({*known, *missing}):
        said = [] if (why := missing.get(name)) is None else [f"NOT CONFIGURED here: {why}"]
        if name in known:
            said.append(_channel(known[name]))
        if said:
            yield f"{name.capitalize()}: {'; '.join(said)}"
    yield f"Silences that hold: {status.silences}"


def _channel(channel: ChannelStanding) -> str:
    waiting = f", {channel.waiting} waiting" if channel.waiting else ""
    aside = f", {channel.not_configured} not configured" if channel.not_configured else ""
    return f"{channel.delivered} delivered, {channel.failed} failed{aside} in a day{waiting}"


def _firing(alert: FiringAlert, now: datetime) -> str:
    held = f"for {tell_duration(now - alert.fired_at)}"
    who = f", in hand: {one_line(alert.acknowledged_by)}" if alert.acknowledged_by else ""
    muted = "" if alert.muted_by is None else f", {_muted(alert.muted_by)}"
    return (
        f"{alert.severity.name:<9} {alert.rule_id} {held}{who}{muted}: {one_line(alert.message)}"
        f" {alert.error_code} {one_line(alert.correlation_id)} alert {alert.id}"
    )


def _muted(muted_by: Mapping[str, str]) -> str:
    if is_held_back(muted_by):
        until = instant(datetime.fromisoformat(muted_by["until"]))
        return f"held back by {one_line(muted_by['cause'])} until {until}"
    return "muted by " + ", ".join(f"{what} {one_line(by)}" for what, by in muted_by.items())


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


def _plain(status: AlertingStatus, missing: Mapping[str, str | None]) -> dict[str, Any]:
    facts = asdict(status)
    facts["not_configured_here"] = {name: why for name, why in missing.items() if why}
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
