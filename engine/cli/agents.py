"""`saveguard agent add|set`: who may save quotes, how many, how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import click
from sqlmodel import Session

from engine.access.accounts import add_agent, add_profile, find_agent
from engine.access.administration import Limits
from engine.access.audit import Action, Actor, Subject, event
from engine.access.keys import Scope
from engine.access.tables import Agent
from engine.cli.accounts import account_of, unless_refused
from engine.cli.acting import at_terminal
from engine.cli.facts import show_facts
from engine.cli.options import (
    EMAIL,
    NAME,
    data_dir_option,
    json_option,
    ready_database,
)
from engine.clock import Clock
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
            ready_database(data_dir) as (settings, target, clock),
            unless_refused(
                f"the account for {email} is an agent already; see: saveguard agent set"
            ),
            session_of(target, settings) as session,
        ):
            account = account_of(session, email)
            agent_id = add_profile(
                session,
                clock,
                account,
                name=name,
                max_active_quotes=quota,
                rate_limit_per_minute=rate_limit,
            )
            limits = Limits(rate_limit, quota)
            _note_agent(session, clock, agent_id, account.id, limits, at_terminal(clock))
        show_facts({"agentId": str(agent_id)}, as_json=as_json)
        return
    with (
        ready_database(data_dir, may_create=True) as (settings, target, clock),
        unless_refused(
            f"there is an account for {email} already; to make it an agent, add --existing"
        ),
        session_of(target, settings) as session,
    ):
        agent = add_agent(
            session,
            clock,
            name=name,
            email=email,
            max_active_quotes=quota,
            rate_limit_per_minute=rate_limit,
        )
        actor = at_terminal(clock)
        account_id, key_id = str(agent.account_id), str(agent.key_id)
        session.add(
            event(clock, actor, Action.ACCOUNT_ADDED, subject=Subject("account", account_id))
        )
        session.add(
            event(
                clock,
                actor,
                Action.KEY_ADDED,
                subject=Subject("api_key", key_id),
                details={"accountId": account_id, "scope": Scope.WRITE.value, "expiresAt": None},
            )
        )
        _note_agent(
            session, clock, agent.agent_id, agent.account_id, Limits(rate_limit, quota), actor
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
    with (
        ready_database(data_dir) as (settings, target, clock),
        session_of(target, settings) as session,
    ):
        agent = _agent(session, email, agent_id)
        # As it stands once nobody else is changing it: what is not named stays.
        session.refresh(agent, with_for_update=True)
        limits = Limits(
            agent.rate_limit_per_minute if rate_limit is None else rate_limit.per_minute,
            agent.max_active_quotes if quota is None else quota,
        )
        _set(session, clock, agent, limits, status)
        session.flush()
        facts = {
            "agentId": str(agent.id),
            "email": agent.email,
            "status": agent.status,
            "maxActiveQuotes": agent.max_active_quotes,
            "rateLimitPerMinute": agent.rate_limit_per_minute,
        }
    show_facts(facts, as_json=as_json)


def _set(session: Session, clock: Clock, agent: Agent, limits: Limits, status: str | None) -> None:
    """Changes an agent, and writes down what has changed."""
    actor, subject = at_terminal(clock), Subject("agent", str(agent.id))

    def note(action: Action, old: object, new: object) -> None:
        details = {"old": old, "new": new}
        session.add(event(clock, actor, action, subject=subject, details=details))

    old = Limits(agent.rate_limit_per_minute, agent.max_active_quotes)
    if limits != old:
        agent.rate_limit_per_minute, agent.max_active_quotes = limits
        note(Action.LIMIT_CHANGED, old._asdict(), limits._asdict())
    if status is not None and agent.status != status.upper():
        before, agent.status = agent.status, status.upper()
        note(Action.AGENT_STATUS_CHANGED, before, agent.status)


def _note_agent(
    session: Session,
    clock: Clock,
    agent_id: UUID,
    account_id: UUID,
    limits: Limits,
    actor: Actor,
) -> None:
    """Writes down that an account has become an agent."""
    session.add(
        event(
            clock,
            actor,
            Action.AGENT_ADDED,
            subject=Subject("agent", str(agent_id)),
            details={"accountId": str(account_id), "limits": limits._asdict()},
        )
    )


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
