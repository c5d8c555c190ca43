"""`saveguard readiness feedback` and `candidates`: what is said of a release, and what is odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.facts import one_line
from engine.cli.options import NAME, data_dir_option, json_option, ready_database
from engine.cli.readiness_release import readiness_of, release_id_of, release_option
from engine.database.sessions import session_of
from engine.readiness.feedback import dispose, dispositions_of, feedback_of, put_down_feedback
from engine.readiness.looking import Readiness
from engine.readiness.records import body_of, written_instant


@click.group("feedback")
def feedback_group() -> None:
    """What people say of a release that is in use."""


@feedback_group.command("add")
@click.argument("words", type=NAME)
@release_option
@click.option(
    "--correlation-id", "ids", type=NAME, multiple=True, help="Of a save; may be repeated."
)
@data_dir_option
def feedback_add(
    words: str, name: str, environment: str | None, ids: Sequence[str], data_dir: Path | None
) -> None:
    """Puts down what somebody said: without names, for it is a record that stays."""
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        release_id = release_id_of(session, settings, name, environment)
        actor = at_terminal(clock)
        unless_refusal(
            session, put_down_feedback(session, clock, actor, release_id, words, tuple(ids))
        )
    click.echo("Put down; POST-8.5 is looked at, and vouched for, anew.")


@feedback_group.command("list")
@release_option
@data_dir_option
@json_option
def feedback_list(
    name: str, environment: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """Lists what was said, oldest first."""
    with ready_database(data_dir) as (settings, target, _clock), session_of(target) as session:
        release_id = release_id_of(session, settings, name, environment)
        listed = [
            {"at": written_instant(each.recorded_at), "by": each.recorded_by, **body_of(each)}
            for each in feedback_of(session, release_id)
        ]
    if as_json:
        click.echo(json.dumps(listed))
        return
    for each in listed:
        ids = f" ({', '.join(each['correlationIds'])})" if each["correlationIds"] else ""
        click.echo(f"{each['at']}  {each['by']}: {one_line(each['words'])}{ids}")


@click.group("candidates")
def candidates_group() -> None:
    """What was odd since a deployment, and what it is."""


@candidates_group.command("list")
@release_option
@data_dir_option
@json_option
def candidates_list(
    name: str, environment: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """Lists the candidates of the last look at POST-8.6, each with what was said of it."""
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        readiness = readiness_of(session, settings, clock, name, environment)
        disposed = dispositions_of(session, readiness.release.id)
    listed = [
        {"candidate": each, "disposition": disposed.get(each)} for each in _proposed(readiness)
    ]
    if as_json:
        click.echo(json.dumps(listed))
        return
    for each in listed:
        click.echo(f"{each['candidate']}: {_told(disposed.get(str(each['candidate'])))}")
    if not listed:
        click.echo("None; they are found by: saveguard readiness run --box POST-8.6")


@candidates_group.command("dispose")
@click.argument("candidate", type=NAME)
@release_option
@click.option("--reason", type=NAME, required=True, help="What it is.")
@click.option("--issue", type=NAME, help="Where it is followed up, if it is one.")
@data_dir_option
def candidates_dispose(
    candidate: str,
    name: str,
    environment: str | None,
    reason: str,
    issue: str | None,
    data_dir: Path | None,
) -> None:
    """Says what became of a candidate, as it is listed; said again, the last word counts."""
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        release_id = release_id_of(session, settings, name, environment)
        made = dispose(
            session, clock, at_terminal(clock), release_id, candidate, reason, issue or ""
        )
        unless_refusal(session, made)
    click.echo("Put down; look at POST-8.6 again.")


def _proposed(readiness: Readiness) -> Sequence[str]:
    """The candidates of the newest look."""
    looks = [
        gate
        for name, gate in readiness.knowledge.gates.items()
        if readiness.release.items[name].probe == "edge.propose"
    ]
    found: Sequence[str] = looks[0].numbers.get("candidates", []) if looks else []
    return found


def _told(disposed: dict[str, Any] | None) -> str:
    if disposed is None:
        return "nobody has said what it is"
    issue = f" ({disposed['issue']})" if disposed["issue"] else ""
    return one_line(f"{disposed['reason']}{issue}")
