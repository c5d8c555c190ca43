"""Sending straight into the engine of this process."""

from __future__ import annotations

from typing import assert_never

from engine.attempts.outcome import Outcome, Source
from engine.quotes.lifecycle import Operation
from engine.replay.sender import Message, Reply, refused
from engine.runtime import Runtime
from engine.saving.answer import Refused, Replayed, Saved
from engine.saving.request import SaveRequest


class EngineSender:
    """Calls the saver; may be shared by any number of workers."""

    def __init__(self, runtime: Runtime, source: Source) -> None:
        """Takes an open engine.

        Args:
            runtime: to save with.
            source: what the ledger is to call this traffic.
        """
        self._saver = runtime.saver
        self._clock = runtime.clock
        self._source = source

    def send(self, message: Message) -> Reply:
        """Saves, or is refused; the engine always answers."""
        clock, version = self._clock, message.version
        body, query_version = message.body, None
        if message.operation is Operation.DELETE:
            query_version = str(version)
        elif version:
            body = {**body, "version": version}
        result = self._saver.save(
            SaveRequest(
                operation=message.operation,
                agent_id=message.agency.agent_id,
                modified_by=str(message.agency.account_id),
                correlation_id=message.correlation_id,
                attempt_id=clock.uuid7(),
                started_at=clock.now(),
                received=clock.monotonic(),
                quote_id=message.quote_id,
                body=body,
                query_version=query_version,
                idempotency_key=message.idempotency_key,
                source=self._source,
            )
        )
        match result:
            case Saved():
                return Reply(Outcome.COMMITTED, quote_id=result.quote_id, version=result.version)
            case Replayed():
                return Reply(Outcome.REPLAYED, quote_id=result.quote_id, version=result.version)
            case Refused(refusal):
                return refused(refusal.code, refusal.message, refusal.details)
            case _:
                assert_never(result)

    def close(self) -> None:
        """Leaves the engine open: it is not ours."""
