"""`saveguard key add|list|rotate|revoke`: an account's API keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click
from sqlmodel import Session

from engine.access import administration
from engine.access.keyring import NewKey, find_key, keys_of
from engine.access.keys import Scope
from engine.access.tables import ApiKey
from engine.cli.accounts import account_of
from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.facts import show_facts
from engine.cli.options import (
    EMAIL,
    NAME,
    data_dir_option,
    json_option,
    ready_database,
)
from engine.database.sessions import session_of
from engine.errors import SetupError

# Longer than anybody plans, and short enough for the calendar.
_DAYS: Final = click.IntRange(1, 3_650)
_HOURS: Final = click.FloatRange(0, 24 * 365)
_SCOPES: Final = click.Choice([scope.value for scope in Scope])


def _email_option(*, is_required: bool) -> Callable[[Any], Any]:
    return click.option(
        "--email", type=EMAIL, required=is_required, help="The account's e-mail address."
    )


@click.group("key")
def key_group() -> None:
    """API keys: another, which there are, rotate, revoke."""


@key_group.command("add")
@_email_option(is_required=True)
@click.option("--name", type=NAME, help="What to call it, such as the program that uses it.")
@click.option(
    "--scope",
    type=_SCOPES,
    default=Scope.WRITE.value,
    show_default=True,
    help="What it is for; write reads as well.",
)
@click.option("--expires-in", "days", type=_DAYS, help="Days until it ends; never unless given.")
@data_dir_option
@json_option
def key_add(
    email: str,
    name: str | None,
    scope: str,
    days: int | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Makes another key for an account and shows it, this once."""
    with ready_database(data_dir) as (_, target, clock), session_of(target) as session:
        made = unless_refusal(
            session,
            administration.issue_key(
                session,
                clock,
                at_terminal(clock),
                account_of(session, email).id,
                name=name,
                scope=Scope(scope),
                expires_at=None if days is None else clock.now() + timedelta(days=days),
            ),
        )
    show_facts(_shown_once(made), as_json=as_json)


@key_group.command("list")
@_email_option(is_required=True)
@data_dir_option
@json_option
def key_list(email: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Lists an account's keys by their ids, oldest first."""
    with ready_database(data_dir) as (_, target, _clock), session_of(target) as session:
        facts = [_facts(key) for key in keys_of(session, account_of(session, email).id)]
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key in facts:
        click.echo(_line(key))


@key_group.command("rotate")
@click.argument("key_id", type=click.UUID)
@click.option(
    "--overlap",
    "hours",
    type=_HOURS,
    default=24,
    show_default=True,
    help="Hours for which the old one works on; never longer than it would have.",
)
@data_dir_option
@json_option
def key_rotate(key_id: UUID, hours: float, data_dir: Path | None, *, as_json: bool) -> None:
    """Makes a key that replaces KEY_ID and shows it, this once.

    It has the same name and scope, and lives as long as the old one was to.
    """
    with ready_database(data_dir) as (_, target, clock), session_of(target) as session:
        old = _key(session, key_id)
        made = unless_refusal(
            session,
            administration.rotate_key(
                session, clock, at_terminal(clock), key_id, timedelta(hours=hours)
            ),
        )
        old_ends_at = None if old.expires_at is None else old.expires_at.isoformat()
    show_facts({**_shown_once(made), "oldKeyExpiresAt": old_ends_at}, as_json=as_json)


@key_group.command("revoke")
@click.argument("key_id", type=click.UUID, required=False)
@_email_option(is_required=False)
@data_dir_option
@json_option
def key_revoke(
    key_id: UUID | None, email: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """Revokes the key KEY_ID, or every key of an account."""
    if (key_id is None) == (email is None):
        raise click.UsageError("give either KEY_ID or --email")
    with ready_database(data_dir) as (_, target, clock), session_of(target) as session:
        facts = [_facts(key) for key in _keys(session, key_id, email)]
        revoked = [key["keyId"] for key in facts if key["revokedAt"] is None]
        for each in revoked:
            unless_refusal(
                session,
                administration.revoke_key(session, clock, at_terminal(clock), UUID(each)),
            )
    if as_json:
        click.echo(json.dumps({"revoked": sorted(revoked)}))
        return
    for key in facts:
        was = "" if key["revokedAt"] is None else f" already, {key['revokedAt']}"
        click.echo(f"{key['keyId']}  revoked{was}")
    if revoked:
        click.echo(
            "A process that has just seen a key trusts it for SAVEGUARD_IDENTITY_LIFETIME longer,"
            " 2 s unless set.",
            err=True,
        )


def _keys(session: Session, key_id: UUID | None, email: str | None) -> Sequence[ApiKey]:
    if email is not None:
        return keys_of(session, account_of(session, email).id)
    return [] if key_id is None else [_key(session, key_id)]


def _key(session: Session, key_id: UUID) -> ApiKey:
    found = find_key(session, key_id)
    if found is None:
        raise SetupError(f"there is no key {key_id}; see: saveguard key list --email E")
    return found


def _shown_once(made: NewKey) -> dict[str, str | None]:
    expires_at = None if made.expires_at is None else made.expires_at.isoformat()
    return {"keyId": str(made.key_id), "apiKey": made.api_key, "expiresAt": expires_at}


def _facts(key: ApiKey) -> dict[str, Any]:
    instants = {
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked_at,
    }
    return {
        "keyId": str(key.id),
        "name": key.name,
        "scope": key.scope,
        **{name: None if at is None else at.isoformat() for name, at in instants.items()},
        "replacedBy": None if key.replaced_by is None else str(key.replaced_by),
    }


def _line(key: dict[str, Any]) -> str:
    """ID  write, made …, expires …, last used …; and its name last, which may be anything."""
    words = [key["scope"], f"made {key['createdAt']}"]
    for title, name in (
        ("expires", "expiresAt"),
        ("last used", "lastUsedAt"),
        ("revoked", "revokedAt"),
        ("replaced by", "replacedBy"),
    ):
        if key[name] is not None:
            words.append(f"{title} {key[name]}")
    name = "" if key["name"] is None else f"  {key['name']}"
    return f"{key['keyId']}  {', '.join(words)}{name}"
