"""Calls on an engine, noted in a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine.quotes.lifecycle import Operation
from engine.readiness.probes.history import History
from engine.runtime import Runtime
from engine.saving.answer import Saved, SaveResult
from engine.saving.request import SaveRequest
from tests.support import Agency, quote_body


@dataclass
class Calls:
    """Somebody who calls an engine.

    Attributes:
        runtime: the engine.
        agency: an agent with a client.
        history: what was asked and answered.
    """

    runtime: Runtime
    agency: Agency
    history: History

    def request(
        self,
        operation: Operation,
        quote_id: UUID | None = None,
        body: dict[str, Any] | None = None,
        **more: Any,
    ) -> SaveRequest:
        """A request of the agency's; what it writes is told apart by its trip's name."""
        named = {"tripName": f"Trip {self.runtime.clock.uuid7()}"}
        if operation is Operation.CREATE:
            body = quote_body(**named) | (body or {})
        elif operation is Operation.UPDATE:
            body = named | (body or {})
        return self.agency.request(operation, quote_id, body, **more)

    def send(self, request: SaveRequest) -> SaveResult:
        """Makes a call and notes it."""
        return self.history.save(self.runtime.saver, request)

    def save(
        self,
        operation: Operation,
        quote_id: UUID | None = None,
        body: dict[str, Any] | None = None,
        **more: Any,
    ) -> SaveResult:
        """Makes a call and notes it."""
        return self.send(self.request(operation, quote_id, body, **more))

    def create(self, **more: Any) -> UUID:
        """A new quote's id."""
        return saved(self.save(Operation.CREATE, **more)).quote_id

    def update(self, quote_id: UUID, version: int, **more: Any) -> SaveResult:
        """Changes a quote from a version."""
        return self.save(Operation.UPDATE, quote_id, {"version": version}, **more)


def saved(result: SaveResult) -> Saved:
    """The answer of a save that has to have succeeded by itself."""
    assert isinstance(result, Saved), result
    return result
