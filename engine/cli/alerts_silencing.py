"""`saveguard alerts silence`: not to be told of some alerts for a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import click

from engine.alerting.durations import read_duration
from engine.alerting.matching import Matcher
from engine.alerting.rules import AlertSeverity, Rule
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.silences import add_silence, end_silence, preview, silences
from engine.alerting.tables import AlertSilence
from engine.attempts.words import instant
from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.facts import one_line
from engine.cli.options import NAME, data_dir_option, json_option, ready_database
from engine.database.pool import EngineConnection
from engine.database.sessions import session_of
from engine.database.target import Target

F = TypeVar("F", bound=Callable[..., Any])


class Length(click.ParamType[timedelta]):
    """A duration such as "2 h"."""

    name = "duration"

    def convert(
        self,
        value: Any,  # noqa: ANN401  # as click hands it on
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """The duration; a usage error says that it is none."""
        if isinstance(value, timedelta):
            return value
        try:
            return read_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


LENGTH: Final = Length()


@click.group("silence")
def silence_group() -> None:
    """Not to be told of some alerts, for a while and for a reason."""


def matcher_options(command: F) -> F:
    """Adds `--rule`, `--severity` and `--code`: all that are given have to fit."""
    for option in (
        click.option("--code", type=NAME, help="Error code of the alerts."),
        click.option(
            "--severity",
            type=click.Choice([each.name for each in AlertSeverity], case_sensitive=False),
            help="Their severity.",
        ),
        click.option("--rule", type=NAME, help="Id of their rule; * stands for anything."),
    ):
        command = option(command)
    return command


@silence_group.command("add")
@matcher_options
@click.option("--for", "length", type=LENGTH, required=True, help='How long, such as "2 h".')
@click.option("--reason", type=NAME, required=True, help="Why, for those who wonder.")
@data_dir_option
def add_command(
    rule: str | None,
    severity: str | None,
    code: str | None,
    length: timedelta,
    reason: str,
    data_dir: Path | None,
) -> None:
    """Makes a silence; it holds from the next tick on."""
    matcher = _matcher(rule, severity, code)
    with ready_database(data_dir) as (_settings, target, clock), session_of(target) as session:
        expires_at = clock.now() + length
        made = add_silence(
            session,
            clock,
            at_terminal(clock),
            _rules(target),
            matcher=matcher,
            expires_at=expires_at,
            reason=reason,
        )
        silence_id = unless_refusal(session, made)
    click.echo(f"silence {silence_id} of {matcher} holds until {instant(expires_at)}")


@silence_group.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that are over, too.")
@data_dir_option
@json_option
def list_command(data_dir: Path | None, *, is_all: bool, as_json: bool) -> None:
    """Lists the silences that hold, newest first."""
    with ready_database(data_dir) as (_settings, target, clock), session_of(target) as session:
        found = silences(session, clock.now(), is_over=is_all)
        listed = [_facts(each) for each in found]
    if as_json:
        click.echo(json.dumps(listed))
        return
    for each in listed:
        until = each["endedAt"] or each["expiresAt"]
        click.echo(
            f"{each['id']}  {Matcher.of(each['matcher'])}, until {until},"
            f" by {one_line(each['madeBy'])}: {one_line(each['reason'])}"
        )
    if not listed:
        click.echo("No silence holds.", err=True)


@silence_group.command("end")
@click.argument("silence_id", metavar="ID", type=click.UUID)
@data_dir_option
def end_command(silence_id: UUID, data_dir: Path | None) -> None:
    """Ends a silence before its time."""
    with ready_database(data_dir) as (_settings, target, clock), session_of(target) as session:
        unless_refusal(session, end_silence(session, clock, at_terminal(clock), silence_id))
    click.echo(f"silence {silence_id} is over")


@silence_group.command("preview")
@matcher_options
@data_dir_option
def preview_command(
    rule: str | None, severity: str | None, code: str | None, data_dir: Path | None
) -> None:
    """Lists what a silence would have hidden in the last 24 hours."""
    matcher = _matcher(rule, severity, code)
    with ready_database(data_dir) as (_settings, target, clock), session_of(target) as session:
        found = preview(session, _rules(target), matcher, clock.now())
        lines = [
            f"{instant(each.fired_at)}  {each.severity} {each.rule_id} {each.error_code}:"
            f" {one_line(each.message)}"
            for each in found
        ]
    click.echo("\n".join(lines) if lines else "It would have hidden nothing.")


def _matcher(rule: str | None, severity: str | None, code: str | None) -> Matcher:
    return Matcher(rule, None if severity is None else AlertSeverity[severity.upper()], code)


def _rules(target: Target) -> list[Rule]:
    with EngineConnection.connect(target.app, autocommit=True) as connection:
        return list(read_rules_in_force(connection))


def _facts(silence: AlertSilence) -> dict[str, Any]:
    def said(at: datetime | None) -> str | None:
        return None if at is None else instant(at)

    return {
        "id": str(silence.id),
        "matcher": silence.matcher,
        "reason": silence.reason,
        "madeAt": said(silence.made_at),
        "madeBy": silence.made_by,
        "expiresAt": said(silence.expires_at),
        "endedAt": said(silence.ended_at),
        "endedBy": silence.ended_by,
    }
