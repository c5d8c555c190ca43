"""`saveguard readiness release` and `deploy`: which releases there are, and when they went out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import click
from sqlmodel import Session

from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.export import InstantParameter
from engine.cli.facts import show_facts
from engine.cli.options import EMAIL, NAME, data_dir_option, json_option, ready_database
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.looking import Readiness, look, read_release, releases
from engine.readiness.records import body_of, written_instant
from engine.readiness.releases import (
    CHECKLIST_MAX,
    Plan,
    deployed_release,
    make_release,
    put_down_deployment,
    releases_named,
)
from engine.settings import Settings

INSTANT: Final = InstantParameter()
_Command = TypeVar("_Command", bound=Callable[..., Any])


def release_option(command: _Command) -> _Command:
    """Which release a command is about: its name, and the environment that it goes to."""
    named = click.option("--release", "name", type=NAME, required=True, help="The release's name.")
    environment = click.option(
        "--environment",
        type=NAME,
        help="That the release goes to; that of this system unless given, or the only one.",
    )
    return named(environment(command))


def release_id_of(
    session: Session, settings: Settings, name: str, environment: str | None = None
) -> UUID:
    """The release with a name: in one environment there is one, in several there may be several.

    Args:
        session: to read with.
        settings: of this process, whose environment is meant unless another is given.
        name: of the release.
        environment: that it goes to.

    Raises:
        SetupError: there is none, or it is not clear which is meant.
    """
    found = releases_named(session, name)
    if not found:
        raise SetupError(f"there is no release {name}; see: saveguard readiness release list")
    meant = settings.environment if environment is None else environment
    if meant in found:
        return found[meant]
    environments = ", ".join(sorted(found))
    if environment is not None:
        raise SetupError(f"there is no release {name} for {environment}, only for {environments}")
    if len(found) > 1:
        raise SetupError(
            f"there are releases {name} for {environments}: say which with --environment"
        )
    return next(iter(found.values()))


def readiness_of(
    session: Session, settings: Settings, clock: Clock, name: str, environment: str | None = None
) -> Readiness:
    """A release as it stands now.

    Raises:
        SetupError: as `release_id_of`.
    """
    release_id = release_id_of(session, settings, name, environment)
    release = read_release(session, release_id)
    if release is not None:
        fingerprints = fingerprints_now(session, settings, release)
        found = look(session, release_id, fingerprints, clock.now())
        if found is not None:
            return found
    raise SetupError(f"there is no release {name}")


@click.group("release")
def release_group() -> None:
    """Releases, each with a run of the checklist of its own."""


@release_group.command("add")
@click.argument("name", type=NAME)
@click.option("--commit", type=NAME, required=True, help="Of the source.")
@click.option("--environment", type=NAME, required=True, help="Where it is going.")
@click.option(
    "--author", type=EMAIL, help="Who made it, by the address of an account; they do not sign."
)
@click.option("--from", "start", type=INSTANT, help="When it is deployed at the earliest.")
@click.option("--until", "end", type=INSTANT, help="When at the latest.")
@click.option(
    "--checklist",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A Markdown checklist of your own; ours unless given.",
)
@data_dir_option
@json_option
def release_add(
    name: str,
    commit: str,
    environment: str,
    author: str | None,
    start: datetime | None,
    end: datetime | None,
    checklist: Path | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Makes a release, with the checklist as it is now.

    The author has to be named: the machine's user has no account, so nothing would keep whoever
    made a release from signing it.
    """
    if author is None:
        raise SetupError("say who made the release, who then does not sign it: --author EMAIL")
    plan = Plan(
        name=name,
        commit=commit,
        environment=environment,
        planned_from=start,
        planned_until=end,
        author=author,
        checklist=None if checklist is None else _read(checklist),
    )
    with ready_database(data_dir) as (_, target, clock), session_of(target) as session:
        made = make_release(session, clock, at_terminal(clock), plan)
        release_id = unless_refusal(session, made)
    show_facts({"releaseId": str(release_id)}, as_json=as_json)


@release_group.command("list")
@data_dir_option
@json_option
def release_list(data_dir: Path | None, *, as_json: bool) -> None:
    """Lists the releases, newest first."""
    with ready_database(data_dir) as (_, target, _clock), session_of(target) as session:
        listed = [_listed(session, each.release_id, body_of(each)) for each in releases(session)]
    if as_json:
        click.echo(json.dumps(listed))
        return
    for each in listed:
        deployed = each["deployedAt"] or "not deployed"
        running = ", runs now" if each["isRunning"] else ""
        click.echo(f"{each['name']}  {each['environment']}, {each['commit']}, {deployed}{running}")


@click.command("deploy")
@release_option
@click.option("--at", "deployed_at", type=INSTANT, help="When; now unless given.")
@data_dir_option
def deploy(
    name: str, environment: str | None, deployed_at: datetime | None, data_dir: Path | None
) -> None:
    """Puts down when a release was deployed.

    The windows of its phases run from there; said again, the last word counts.
    """
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        release_id = release_id_of(session, settings, name, environment)
        instant = deployed_at or clock.now()
        refusal = put_down_deployment(session, clock, at_terminal(clock), release_id, instant)
        unless_refusal(session, refusal)
    click.echo(f"{name} was deployed at {written_instant(instant)}")


def _listed(session: Session, release_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    release = read_release(session, release_id)
    deployed_at = None if release is None else release.deployed_at
    return {
        "releaseId": str(release_id),
        "name": body["name"],
        "environment": body["environment"],
        "commit": body["commit"],
        "author": body["author"],
        "deployedAt": None if deployed_at is None else written_instant(deployed_at),
        "isRunning": deployed_release(session, body["environment"]) == release_id,
    }


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than it may have tells that it has too many.
            return file.read(CHECKLIST_MAX + 1)
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {type(error).__name__}") from None
