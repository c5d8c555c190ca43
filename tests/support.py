"""What tests say often: a valid quote, an agency that saves, a look into the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlmodel import Session

from engine.access.accounts import add_agent
from engine.correlation import make_correlation_id
from engine.database.migrate import owner_engine
from engine.quotes.clients import add_client
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from engine.saving.answer import SaveResult
from engine.saving.request import SaveRequest


def quote_body(**changes: Any) -> dict[str, Any]:
    """A valid quote as a caller would send it: the eighth pricing vector of the domain page."""
    return {
        "tripName": "Lisbon week",
        "destination": "Lisbon",
        "startDate": "2026-06-01T00:00:00Z",
        "endDate": "2026-06-06T12:00:00+02:00",
        "adults": 2,
        "agentMarkupPercent": 12,
        "taxes": Decimal("120.50"),
        "fees": 35,
        "discount": 50,
        "flights": [
            {
                "airline": "TAP",
                "date": "2026-06-01",
                "price": 450,
                "priceType": "per_person",
                "priceAppliesTo": 2,
            }
        ],
        "hotels": [
            {
                "name": "Hotel do Chiado",
                "checkIn": "2026-06-01",
                "checkOut": "2026-06-06",
                "nights": 5,
                "price": 180,
                "priceType": "per_night",
            }
        ],
        "transfers": [{"provider": "Carris", "price": 80}],
        "activities": [
            {"name": "Tram 28", "price": 60, "priceType": "per_person", "priceAppliesTo": 2}
        ],
    } | changes


@dataclass(frozen=True)
class Agency:
    """An agent with one client, acting on a runtime."""

    runtime: Runtime
    agent_id: UUID
    account_id: UUID
    client_id: UUID
    api_key: str

    def request(
        self,
        operation: Operation,
        quote_id: UUID | None = None,
        body: dict[str, Any] | None = None,
        **more: Any,
    ) -> SaveRequest:
        """A request with a fresh attempt id and correlation id."""
        clock = self.runtime.clock
        attempt_id = clock.uuid7()
        given: dict[str, Any] = {
            "operation": operation,
            "agent_id": self.agent_id,
            "modified_by": str(self.account_id),
            "correlation_id": make_correlation_id(attempt_id),
            "attempt_id": attempt_id,
            "started_at": clock.now(),
            "received": clock.monotonic(),
            "quote_id": quote_id,
            "body": body or {},
        }
        return SaveRequest(**given | more)

    def save(
        self,
        operation: Operation,
        quote_id: UUID | None = None,
        body: dict[str, Any] | None = None,
        **more: Any,
    ) -> SaveResult:
        """Saves through the runtime's saver."""
        return self.runtime.saver.save(self.request(operation, quote_id, body, **more))

    def create(self, **changes: Any) -> UUID:
        """Creates a valid quote and returns its id."""
        result = self.save(Operation.CREATE, body=quote_body(**changes))
        assert result.http_status == 201, result.body()
        assert not hasattr(result, "refusal")
        return result.quote_id

    def update(self, quote_id: UUID, version: int, **changes: Any) -> SaveResult:
        """Changes a quote from a version."""
        return self.save(Operation.UPDATE, quote_id, {"version": version, **changes})

    def attempts(self) -> list[dict[str, Any]]:
        """This agent's rows of the ledger, oldest first."""
        return ledger_rows(self.runtime.target.owner, self.agent_id)


def new_agency(runtime: Runtime, **more: Any) -> Agency:
    """Makes an agent with a client in the runtime's database."""
    clock = runtime.clock
    with Session(owner_engine(runtime.target.app)) as session:
        agent = add_agent(
            session, clock, name="Agency", email=f"{clock.uuid7()}@agency.example", **more
        )
        client_id = add_client(
            session,
            clock,
            agent_id=agent.agent_id,
            first_name="Inês",
            last_name="Moreira",
            email="ines@example.org",
        )
        session.commit()
    return Agency(runtime, agent.agent_id, agent.account_id, client_id, agent.api_key)


def ledger_rows(conninfo: str, agent_id: UUID | None = None) -> list[dict[str, Any]]:
    """Rows of the view `ledger`, oldest first; of one agent, or all."""
    with psycopg.connect(conninfo, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT * FROM ledger WHERE agent_id = coalesce(%s, agent_id) ORDER BY started_at, id",
            [agent_id],
        ).fetchall()
