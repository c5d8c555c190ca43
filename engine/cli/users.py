"""`saveguard user …`: people and programs, what they may see, and how they sign in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from sqlmodel import Session, col, func, select

from engine.access import administration
from engine.access.accounts import find_account, find_agent
from engine.access.keys import Scope
from engine.access.roles import Role
from engine.access.tables import Account, AccountPassword, SignIn
from engine.cli.accounts import account_of
from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.facts import show_facts
from engine.cli.options import EMAIL, NAME, data_dir_option, json_option, ready_database
from engine.database.sessions import session_of
from engine.errors import SetupError

_NO_ROLE: Final = "none"
_ROLES: Final = click.Choice([role.value for role in Role])


def _email_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--email", type=EMAIL, required=True, help="The account's e-mail address.")(
        command
    )


@click.group("user")
def user_group() -> None:
    """Users: their roles and passwords."""


@user_group.command("add")
@click.option("--email", type=EMAIL, required=True, help="E-mail address; one account each.")
@click.option("--name", type=NAME, help="What the dashboard calls them.")
@click.option("--role", type=_ROLES, help="What they may see on the dashboard.")
@click.option("--key", "has_key", is_flag=True, help="With an API key, also where there is a role.")
@data_dir_option
@json_option
def user_add(
    email: str,
    name: str | None,
    role: str | None,
    data_dir: Path | None,
    *,
    has_key: bool,
    as_json: bool,
) -> None:
    """Makes a user; one without a role gets a key."""
    with (
        ready_database(data_dir, may_create=True) as (settings, target, clock),
        session_of(target, settings) as session,
    ):
        if find_account(session, email) is not None:
            raise SetupError(
                f"there is an account for {email} already; for another key: saveguard key add"
            )
        actor = at_terminal(clock)
        user_id = unless_refusal(
            session,
            administration.add_account(
                session,
                clock,
                actor,
                email=email,
                name=name,
                role=None if role is None else Role(role),
            ),
        )
        facts: dict[str, Any] = {"userId": str(user_id)}
        if has_key or role is None:
            made = administration.issue_key(
                session, clock, actor, user_id, name=None, scope=Scope.WRITE, expires_at=None
            )
            facts["apiKey"] = unless_refusal(session, made).api_key
    show_facts(facts, as_json=as_json)


@user_group.command("set")
@_email_option
@click.option("--role", type=click.Choice([*_ROLES.choices, _NO_ROLE]))
@click.option("--status", type=click.Choice(["active", "disabled"]))
@data_dir_option
@json_option
def user_set(
    email: str, role: str | None, status: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """Changes a role, or disables an account."""
    if role is None and status is None:
        raise click.UsageError("give --role, --status or both")
    with (
        ready_database(data_dir) as (settings, target, clock),
        session_of(target, settings) as session,
    ):
        account, actor = account_of(session, email), at_terminal(clock)
        if role is not None:
            wanted = None if role == _NO_ROLE else Role(role)
            unless_refusal(
                session, administration.set_role(session, clock, actor, account.id, wanted)
            )
        if status is not None:
            is_disabled = status == "disabled"
            unless_refusal(
                session,
                administration.set_disabled(
                    session, clock, actor, account.id, is_disabled=is_disabled
                ),
            )
        session.flush()
        facts = _facts(session, account, clock.now())
    show_facts(facts, as_json=as_json)


@user_group.command("list")
@data_dir_option
@json_option
def user_list(data_dir: Path | None, *, as_json: bool) -> None:
    """Lists the users, oldest first."""
    with (
        ready_database(data_dir) as (settings, target, clock),
        session_of(target, settings) as session,
    ):
        accounts = session.exec(select(Account).order_by(col(Account.id))).all()
        facts = [_facts(session, each, clock.now()) for each in accounts]
    if as_json:
        click.echo(json.dumps(facts))
        return
    for each in facts:
        words = [each["role"] or "no role", each["status"]]
        words += ["agent"] if each["agentId"] else []
        words += ["password"] if each["hasPassword"] else []
        click.echo(f"{each['email']}  {', '.join(words)}")


@user_group.command("password")
@_email_option
@click.option("--stdin", "from_stdin", is_flag=True, help="Read it from standard input.")
@data_dir_option
def user_password(email: str, data_dir: Path | None, *, from_stdin: bool) -> None:
    """Sets a password, and ends what was signed in."""
    with ready_database(data_dir) as (settings, target, clock):
        with session_of(target, settings) as session:
            user_id = account_of(session, email).id
        # Nothing is held while somebody types.
        password = _read_password(from_stdin=from_stdin)
        with session_of(target, settings) as session:
            actor = at_terminal(clock)
            unless_refusal(
                session, administration.set_password(session, clock, actor, user_id, password)
            )
    click.echo(f"The password of {email} is set; every sign-in with the old one has ended.")


@user_group.command("sign-out")
@_email_option
@data_dir_option
@json_option
def user_sign_out(email: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Signs a user out everywhere."""
    with (
        ready_database(data_dir) as (settings, target, clock),
        session_of(target, settings) as session,
    ):
        user_id, actor = account_of(session, email).id, at_terminal(clock)
        ended = unless_refusal(
            session, administration.end_all_sign_ins(session, clock, actor, user_id)
        )
    show_facts({"userId": str(user_id), "signInsEnded": ended}, as_json=as_json)


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise SetupError("a password is asked for at a terminal; give --stdin to pipe one in")
    typed: str = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    return typed


def _facts(session: Session, account: Account, now: datetime) -> dict[str, Any]:
    agent = find_agent(session, account.id)
    live = session.exec(
        select(func.count())
        .select_from(SignIn)
        .where(
            col(SignIn.account_id) == account.id,
            col(SignIn.ended_at).is_(None),
            col(SignIn.expires_at) > now,
        )
    ).one()
    return {
        "userId": str(account.id),
        "email": account.email,
        "name": account.name,
        "role": account.role,
        "status": "active" if account.disabled_at is None else "disabled",
        "agentId": None if agent is None else str(agent.id),
        "hasPassword": session.get(AccountPassword, account.id) is not None,
        "signIns": live,
    }
