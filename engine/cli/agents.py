"""`saveguard agent add|set`: who may save quotes, how many, how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import click
from sqlmodel import Session

from engine.access.accounts import add_agent, add_profile, find_agent
from engine.access.tables import Agent
from engine.cli.accounts import account_of, unless_refused
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

_INTEGER_MAX: Final = 2**31 - 1  # of PostgreSQL's integer
_QUOTA: Final = click.IntRange(0, _INTEGER_MAX)
_RATE_LIMIT: Final = click.IntRange(1, _INTEGER_MAX)


class _RateLimit(NamedTuple):
    """A rate limit that was given.

    Attributes:
        per_minute: requests a minute, None for no limit.
    """

    per_minute: int | None


class _RateLimitParameter(click.ParamType[_RateLimit]):
    """Requests a minute, or the word `none`."""

    name = "integer or none"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> _RateLimit:
        return _RateLimit(None if value == "none" else _RATE_LIMIT(value, param, ctx))


@click.group("agent")
def agent_group() -> None:
    """Travel agents: accounts that may save quotes."""


@agent_group.command("add")
@click.argument("name", type=NAME)
@click.option("--email", type=EMAIL, required=True, help="E-mail address; one account each.")
@click.option(
    "--quota", type=_QUOTA, default=100_000, show_default=True, help="Most active quotes."
)
@click.option("--rate-limit", type=_RATE_LIMIT, help="Requests a minute; none unless given.")
@click.option(
    "--existing", is_flag=True, help="Make the account with that address an agent; its keys stay."
)
@data_dir_option
@json_option
def agent_add(
    name: str,
    email: str,
    quota: int,
    rate_limit: int | None,
    data_dir: Path | None,
    *,
    existing: bool,
    as_json: bool,
) -> None:
    """Makes an agent NAME and shows its API key, this once."""
    if existing:
        with (
            ready_database(data_dir) as (_, target, clock),
            unless_refused(
                f"the account for {email} is an agent already; see: saveguard agent set"
            ),
            session_of(target) as session,
        ):
            agent_id = add_profile(
                session,
                clock,
                account_of(session, email),
                name=name,
                max_active_quotes=quota,
                rate_limit_per_minute=rate_limit,
            )
        show_facts({"agentId": str(agent_id)}, as_json=as_json)
        return
    with (
        ready_database(data_dir, may_create=True) as (_, target, clock),
        unless_refused(
            f"there is an account for {email} already; to make it an agent, add --existing"
        ),
        session_of(target) as session,
    ):
        agent = add_agent(
            session,
            clock,
            name=name,
            email=email,
            max_active_quotes=quota,
            rate_limit_per_minute=rate_limit,
        )
    show_facts({"agentId": str(agent.agent_id), "apiKey": agent.api_key}, as_json=as_json)


@agent_group.command("set")
@click.option("--email", type=EMAIL, help="Which agent: its account's e-mail address.")
@click.option("--agent", "agent_id", type=click.UUID, help="Which agent: its id in the ledger.")
@click.option("--quota", type=_QUOTA, help="Most active quotes.")
@click.option(
    "--rate-limit", type=_RateLimitParameter(), help="Requests a minute; none for no limit."
)
@click.option(
    "--status", type=click.Choice(["active", "suspended"]), help="Whether it may do anything."
)
@data_dir_option
@json_option
def agent_set(
    email: str | None,
    agent_id: UUID | None,
    quota: int | None,
    rate_limit: _RateLimit | None,
    status: str | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Changes an agent; shows how it stands then."""
    if (email is None) == (agent_id is None):
        raise click.UsageError("give either --email or --agent")
    if quota is None and rate_limit is None and status is None:
        raise click.UsageError("give what to set: --quota, --rate-limit or --status")
    with ready_database(data_dir) as (_, target, _clock), session_of(target) as session:
        agent = _agent(session, email, agent_id)
        if quota is not None:
            agent.max_active_quotes = quota
        if rate_limit is not None:
            agent.rate_limit_per_minute = rate_limit.per_minute
        if status is not None:
            agent.status = status.upper()
        facts = {
            "agentId": str(agent.id),
            "email": agent.email,
            "status": agent.status,
            "maxActiveQuotes": agent.max_active_quotes,
            "rateLimitPerMinute": agent.rate_limit_per_minute,
        }
    show_facts(facts, as_json=as_json)


def _agent(session: Session, email: str | None, agent_id: UUID | None) -> Agent:
    if email is not None:
        found = find_agent(session, account_of(session, email).id)
        if found is None:
            raise SetupError(
                f"the account for {email} is no agent; make it one with: saveguard agent add NAME"
                f" --email {email} --existing"
            )
        return found
    found = session.get(Agent, agent_id)
    if found is None:
        raise SetupError(f"there is no agent {agent_id}")
    return found
