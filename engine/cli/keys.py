"""`saveguard key add|list|revoke`: an account's API keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from sqlmodel import Session

from engine.access.keyring import add_key, find_key, keys_of, revoke
from engine.access.tables import ApiKey
from engine.cli.accounts import account_of
from engine.cli.facts import show_facts
from engine.cli.options import (
    EMAIL,
    data_dir_option,
    json_option,
    ready_database,
)
from engine.database.sessions import session_of
from engine.errors import SetupError


def _email_option(*, is_required: bool) -> Callable[[Any], Any]:
    return click.option(
        "--email", type=EMAIL, required=is_required, help="The account's e-mail address."
    )


@click.group("key")
def key_group() -> None:
    """API keys: another, which there are, revoke."""


@key_group.command("add")
@_email_option(is_required=True)
@data_dir_option
@json_option
def key_add(email: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Makes another key for an account and shows it, this once."""
    with ready_database(data_dir) as (_, target, clock), session_of(target) as session:
        made = add_key(session, clock, account_of(session, email).id)
    show_facts({"keyId": str(made.key_id), "apiKey": made.api_key}, as_json=as_json)


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
        since = f", revoked {key['revokedAt']}" if key["revokedAt"] else ""
        click.echo(f"{key['keyId']}  made {key['createdAt']}{since}")


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
        keys = _keys(session, key_id, email)
        facts = [_facts(key) for key in keys]
        revoked = {str(each) for each in revoke(session, clock.now(), keys)}
    if as_json:
        click.echo(json.dumps({"revoked": sorted(revoked)}))
        return
    for key in facts:
        was = "" if key["keyId"] in revoked else f" already, {key['revokedAt']}"
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
    found = None if key_id is None else find_key(session, key_id)
    if found is None:
        raise SetupError(f"there is no key {key_id}; see: saveguard key list --email E")
    return [found]


def _facts(key: ApiKey) -> dict[str, str | None]:
    revoked_at = key.revoked_at
    return {
        "keyId": str(key.id),
        "createdAt": key.created_at.isoformat(),
        "revokedAt": None if revoked_at is None else revoked_at.isoformat(),
    }
