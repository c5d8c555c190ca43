"""Saving in this process, as a canary agent: where not the call is looked at but the save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Final
from uuid import UUID

from engine.access.canaries import Canary, see_to_canaries
from engine.attempts.outcome import Source
from engine.correlation import make_correlation_id
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.calling import quote_body
from engine.readiness.probes.history import History
from engine.readiness.probes.probe import Question
from engine.runtime import Runtime
from engine.saving.answer import Refused, SaveResult
from engine.saving.request import SaveRequest

_PATIENCE_S: Final = 60.0


def request(
    runtime: Runtime,
    agent_id: UUID,
    operation: Operation,
    quote_id: UUID | None = None,
    body: dict[str, Any] | None = None,
    **more: Any,  # noqa: ANN401  # of the request
) -> SaveRequest:
    """A request of a canary with ids of its own, that is synthetic."""
    clock = runtime.clock
    attempt_id = clock.uuid7()
    given: dict[str, Any] = {
        "operation": operation,
        "agent_id": agent_id,
        "modified_by": str(agent_id),
        "correlation_id": make_correlation_id(attempt_id),
        "attempt_id": attempt_id,
        "started_at": clock.now(),
        "received": clock.monotonic(),
        "quote_id": quote_id,
        "body": body or {},
        "source": Source.SYNTHETIC,
    }
    return SaveRequest(**given | more)


class Hand:
    """Saves as the canary agent; for any number of threads."""

    def __init__(self, runtime: Runtime) -> None:
        """Makes sure that there is such an agent.

        Args:
            runtime: to save with.
        """
        self.runtime = runtime
        self.agent_id = Canary.AGENT.id
        self.history = History(runtime.clock)
        see_to_canaries(runtime.target, runtime.clock, Canary.AGENT)

    def save(
        self,
        operation: Operation,
        quote_id: UUID | None = None,
        body: dict[str, Any] | None = None,
        **more: Any,  # noqa: ANN401  # of the request
    ) -> SaveResult:
        """Saves, and notes it in the history."""
        asked = request(self.runtime, self.agent_id, operation, quote_id, body, **more)
        return self.history.save(self.runtime.saver, asked)

    def create(self, **changes: object) -> UUID:
        """Creates a quote.

        Raises:
            RuntimeError: it was refused.
        """
        made = self.save(Operation.CREATE, body=quote_body(**changes))
        if isinstance(made, Refused):
            raise RuntimeError("a canary's quote was not created")  # noqa: TRY004  # no type
        return made.quote_id


def hand_of(question: Question) -> Hand:
    """One that saves for a probe."""
    return Hand(question.runtime)


def code_of(result: SaveResult) -> str:
    """The code of a refusal; empty when it was saved."""
    return result.refusal.code.value if isinstance(result, Refused) else ""


def at_once(
    threads: ThreadPoolExecutor, calls: Sequence[Callable[[], SaveResult]]
) -> list[SaveResult]:
    """Makes calls from as many threads, which start together; results in the calls' order.

    Args:
        threads: at least as many as there are calls.
        calls: each for a thread of its own.
    """
    barrier = Barrier(len(calls), timeout=_PATIENCE_S)

    def made(call: Callable[[], SaveResult]) -> SaveResult:
        barrier.wait()
        return call()

    return list(threads.map(made, calls))
