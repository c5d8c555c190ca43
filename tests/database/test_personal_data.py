"""What a quote says of people: who gets it, and that nobody does without it being written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from engine.access import audit
from engine.access.roles import Role
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.quotes.personal_data import PersonalData, personal_data
from engine.runtime import Runtime
from tests.database.people import NOBODY, account, acting, trail
from tests.support import Agency

_NOTE: Final = "call her at the hotel"
_MAY: Final = {Role.LEAD, Role.ADMIN}


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


@pytest.fixture
def quote_id(agency: Agency) -> UUID:
    return agency.create(
        clientId=str(agency.client_id), agentNotes=_NOTE, importantInfo="passport", customNotes="x"
    )


@pytest.fixture
def look(
    connection: psycopg.Connection[Any], agency: Agency, runtime: Runtime, quote_id: UUID
) -> Callable[..., PersonalData | Refusal]:
    def ask(actor: audit.Actor, quote: UUID = quote_id) -> PersonalData | Refusal:
        return personal_data(connection, runtime.clock, actor, agency.agent_id, quote)

    return ask


def test_leads_administrators_and_the_agent_itself_get_it_and_each_look_is_written_down(
    target: Target,
    runtime: Runtime,
    agency: Agency,
    quote_id: UUID,
    look: Callable[..., PersonalData | Refusal],
) -> None:
    askers = {role: account(target, runtime.clock, role) for role in [None, *Role]}

    seen = {role: look(acting(who)) for role, who in askers.items()}
    own = look(audit.Actor(agency.account_id, "agent", audit.Way.PAGE, None, "REQ-OWN"))
    nobodys = look(NOBODY)

    assert {role for role, found in seen.items() if isinstance(found, PersonalData)} == _MAY
    everything = PersonalData("Inês", "Moreira", "ines@example.org", "passport", "x", _NOTE)
    assert own == seen[Role.LEAD] == everything
    assert isinstance(nobodys, Refusal)
    refused = [found for found in (*seen.values(), nobodys) if isinstance(found, Refusal)]
    assert {each.code for each in refused} == {ErrorCode.AUTHORIZATION_FAILED}
    written = [row for row in trail(target) if row["action"] == "personal data viewed"]
    assert [(row["outcome"], row["correlation_id"]) for row in written] == [
        *(
            ("done" if role in _MAY else "refused", acting(who).correlation_id)
            for role, who in askers.items()
        ),
        ("done", "REQ-OWN"),
        ("refused", NOBODY.correlation_id),
    ]
    assert {(row["subject_kind"], row["subject_id"]) for row in written} == {
        ("quote", str(quote_id))
    }
    told = str(written)
    assert not [word for word in (_NOTE, "Moreira", "ines@example.org", "passport") if word in told]
    assert "Moreira" not in repr(own)


def test_a_role_that_was_taken_away_a_moment_ago_opens_nothing(
    target: Target, runtime: Runtime, look: Callable[..., PersonalData | Refusal]
) -> None:
    lead = account(target, runtime.clock, Role.LEAD)
    before = look(acting(lead))
    with psycopg.connect(target.app) as plain:
        plain.execute("UPDATE account SET role = 'on-call' WHERE id = %s", [lead.id])
    taken = look(acting(lead))
    with psycopg.connect(target.app) as plain:
        plain.execute("UPDATE account SET role = 'lead', disabled_at = now()")
    disabled = look(acting(lead))

    assert isinstance(before, PersonalData)
    assert isinstance(taken, Refusal)
    assert isinstance(disabled, Refusal)


def test_a_quote_that_is_not_there_is_told_only_to_who_might_have_seen_it(
    target: Target, runtime: Runtime, look: Callable[..., PersonalData | Refusal]
) -> None:
    lead, on_call = (account(target, runtime.clock, role) for role in (Role.LEAD, Role.ON_CALL))
    nowhere = runtime.clock.uuid7()

    seen = [look(acting(who), nowhere) for who in (lead, on_call)]

    assert [each.code for each in seen if isinstance(each, Refusal)] == [
        ErrorCode.QUOTE_NOT_FOUND,
        ErrorCode.AUTHORIZATION_FAILED,
    ]


def test_nothing_is_returned_when_the_look_cannot_be_written_down(
    target: Target,
    runtime: Runtime,
    look: Callable[..., PersonalData | Refusal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead = account(target, runtime.clock, Role.LEAD)

    def fail(*_args: object) -> None:
        raise psycopg.errors.DiskFull

    monkeypatch.setattr(audit, "write", fail)

    with pytest.raises(psycopg.errors.DiskFull):
        look(acting(lead))
