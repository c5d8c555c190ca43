"""`saveguard client add`: whom agents work for."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from engine.access.audit import Action, Subject, event
from engine.cli.accounts import unless_refused
from engine.cli.acting import at_terminal
from engine.cli.facts import show_facts
from engine.cli.options import (
    EMAIL,
    NAME,
    data_dir_option,
    json_option,
    ready_database,
)
from engine.database.sessions import session_of
from engine.quotes.clients import add_client


@click.group("client")
def client_group() -> None:
    """Clients: whom agents prepare trips for."""


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
    *,
    as_json: bool,
) -> None:
    """Makes a client of an agent."""
    with (
        ready_database(data_dir) as (settings, target, clock),
        unless_refused(f"there is no agent {agent_id}; see: saveguard agent add"),
        session_of(target, settings) as session,
    ):
        client_id = add_client(
            session,
            clock,
            agent_id=agent_id,
            first_name=first_name,
            last_name=last_name,
            email=email,
        )
        session.add(
            event(
                clock,
                at_terminal(clock),
                Action.CLIENT_ADDED,
                subject=Subject("client", str(client_id)),
                details={"agentId": str(agent_id)},
            )
        )
    show_facts({"clientId": str(client_id)}, as_json=as_json)
