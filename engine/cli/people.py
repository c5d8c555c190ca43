"""`saveguard agent|user|client add`: who may save, and for whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from uuid import UUID

import click
from sqlalchemy.exc import IntegrityError

from engine.access.accounts import add_agent, add_user
from engine.cli.options import (
    EMAIL,
    NAME,
    data_dir_option,
    json_option,
    ready_database,
    session_of,
)
from engine.errors import SetupError
from engine.quotes.clients import add_client

_INTEGER_MAX: Final = 2**31 - 1  # of PostgreSQL's integer


@click.group("agent")
def agent_group() -> None:
    """Travel agents: an account with a profile that may save quotes."""


@agent_group.command("add")
@click.argument("name", type=NAME)
@click.option("--email", type=EMAIL, required=True, help="E-mail address; one account each.")
@click.option(
    "--quota",
    type=click.IntRange(0, _INTEGER_MAX),
    default=100_000,
    show_default=True,
    help="Most active quotes.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(1, _INTEGER_MAX),
    help="Requests a minute; none unless given.",
)
@data_dir_option
@json_option
def agent_add(
    name: str,
    email: str,
    quota: int,
    rate_limit: int | None,
    data_dir: Path | None,
    as_json: bool,  # noqa: FBT001  # click calls by keyword
) -> None:
    """Makes an agent NAME and shows its API key, this once."""
    with ready_database(data_dir) as (_, target, clock), _taken(email), session_of(target) as made:
        agent = add_agent(
            made,
            clock,
            name=name,
            email=email,
            max_active_quotes=quota,
            rate_limit_per_minute=rate_limit,
        )
    _show({"agentId": str(agent.agent_id), "apiKey": agent.api_key}, as_json=as_json)


@click.group("user")
def user_group() -> None:
    """Users: an account without an agent profile."""


@user_group.command("add")
@click.option("--email", type=EMAIL, required=True, help="E-mail address; one account each.")
@data_dir_option
@json_option
def user_add(email: str, data_dir: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Makes a user and shows its API key, this once."""
    with ready_database(data_dir) as (_, target, clock), _taken(email), session_of(target) as made:
        user = add_user(made, clock, email=email)
    _show({"userId": str(user.account_id), "apiKey": user.api_key}, as_json=as_json)


@click.group("client")
def client_group() -> None:
    """Clients: whom an agent prepares trips for."""


@client_group.command("add")
@click.option("--agent", "agent_id", required=True, type=click.UUID, help="Whose client.")
@click.option("--first-name", type=NAME, required=True)
@click.option("--last-name", type=NAME, required=True)
@click.option("--email", type=EMAIL, required=True)
@data_dir_option
@json_option
def client_add(
    agent_id: UUID,
    first_name: str,
    last_name: str,
    email: str,
    data_dir: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Makes a client of an agent."""
    with ready_database(data_dir) as (_, target, clock):
        try:
            with session_of(target) as made:
                client_id = add_client(
                    made,
                    clock,
                    agent_id=agent_id,
                    first_name=first_name,
                    last_name=last_name,
                    email=email,
                )
        except IntegrityError:
            raise SetupError(f"there is no agent {agent_id}; see: saveguard agent add") from None
    _show({"clientId": str(client_id)}, as_json=as_json)


class _taken:  # noqa: N801  # reads as a phrase in a with statement
    """Turns the clash of an e-mail address into a line that says so."""

    def __init__(self, email: str) -> None:
        self._email = email

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, IntegrityError):
            raise SetupError(f"there is an account for {self._email} already") from None


def _show(facts: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    if "apiKey" in facts:
        click.echo("The key is shown this once and stored nowhere; keep it now.", err=True)
