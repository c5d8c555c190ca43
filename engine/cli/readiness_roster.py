"""`saveguard readiness contacts` and `risks`: whom to call, and what is at stake."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import click

from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.facts import one_line
from engine.cli.options import NAME, data_dir_option, json_option, ready_database
from engine.cli.readiness_release import readiness_of, release_option
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.contacts import Contact, read_contacts, roster_of, set_contacts
from engine.readiness.export import risk_facts
from engine.readiness.risks import assess_risks, own_risks

_environment_option = click.option(
    "--environment", type=NAME, help="Whose; that of this system unless given."
)


@click.group("contacts")
def contacts_group() -> None:
    """Whom to call, and by which channel, in an environment."""


@contacts_group.command("set")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_environment_option
@data_dir_option
def contacts_set(file: Path, environment: str | None, data_dir: Path | None) -> None:
    """Puts down the contacts in FILE.

    All of them: those before stay as a record and count no more.

    TOML, a table [[contacts]] for each, with part (on-call, escalation or channel) and role; a
    person with name, phone and email, a channel with address.
    """
    contacts = _read(file)
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        actor = at_terminal(clock)
        made = set_contacts(session, clock, actor, environment or settings.environment, contacts)
        unless_refusal(session, made)
    click.echo(f"{len(contacts)} contacts put down")


@contacts_group.command("list")
@_environment_option
@data_dir_option
@json_option
def contacts_list(environment: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Lists the contacts; exits 1 when one is red."""
    with ready_database(data_dir) as (settings, target, _clock), session_of(target) as session:
        judged = roster_of(session, environment or settings.environment).judged()
    if as_json:
        listed = [asdict(each.contact) | {"fault": each.fault or None} for each in judged]
        click.echo(json.dumps(listed))
    else:
        for each in judged:
            contact = each.contact
            words = ", ".join(
                filter(None, (contact.name, contact.phone, contact.email, contact.address))
            )
            state = one_line(each.fault or words)
            mark = "ok " if each.is_good else "RED"
            click.echo(f"{mark}  {contact.part}, {contact.role}: {state}")
    sys.exit(int(not all(each.is_good for each in judged)))


@click.group("risks")
def risks_group() -> None:
    """The risks of the checklist, and what mitigates them."""


@risks_group.command("list")
@release_option
@data_dir_option
@json_option
def risks_list(name: str, environment: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Lists the risks; exits 1 when one is raised."""
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        readiness = readiness_of(session, settings, clock, name, environment)
    standings = assess_risks(own_risks(), readiness.standings)
    if as_json:
        listed = [risk_facts(each) for each in standings]
        click.echo(json.dumps(listed))
    else:
        for each in standings:
            was = f" (assessed as {each.risk.tier.value})" if each.is_raised else ""
            click.echo(f"{each.tier.value}{was}: {each.risk.text}: {one_line(each.reason)}")
    sys.exit(int(any(each.is_raised for each in standings)))


def _read(path: Path) -> tuple[Contact, ...]:
    try:
        return read_contacts(tomllib.loads(path.read_text("utf-8"))["contacts"])
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except KeyError:
        raise SetupError(f"{path} has no table [[contacts]]") from None
    except ValueError as error:
        raise SetupError(f"{path}: {error}") from None
