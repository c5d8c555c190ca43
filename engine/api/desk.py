"""The desk: takes exchanges from the event loop to the threads that answer them.

It is an ASGI application of its own, without a framework's layers: measured, those cost more than
the save itself (docs/decisions).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.types import Receive, Scope, Send

from engine.api.edge import CallerLeft, arrival_of, read_exchange, send_answer
from engine.api.exchange import Answer, Exchange, refusal_to_answer
from engine.api.reads import Reads
from engine.api.writes import Writes
from engine.attempts.edge_counts import EdgeCounts
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.quotes.lifecycle import Operation
from engine.saving.refusals import from_failure

QUOTES: Final = "/agents/quotes"
DOCUMENT: Final = "/openapi.json"

Call = Callable[[Exchange], Answer]

_PATH: Final = re.compile(rf"{QUOTES}(?:/(?P<id>[^/]+)(?:/(?P<what>[a-z]+))?)?/?")
_MOVES: Final = {"send": Operation.SEND, "accept": Operation.ACCEPT, "reject": Operation.REJECT}


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers the calls of the API, and refuses in kind what is none."""

    writes: Writes
    reads: Reads
    save_threads: Executor
    read_threads: Executor
    edge_counts: EdgeCounts
    clock: Clock
    body_limit: int
    body_time: timedelta
    report: Callable[[str, BaseException], None]
    document: Callable[[], bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        matched = _PATH.fullmatch(path)
        found = (
            self._elsewhere(scope["method"], path)
            if matched is None
            else self._call(scope["method"], matched["id"], matched["what"])
        )
        await self._serve(scope, receive, send, found)

    async def nowhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request to an address that has nothing to do with the API."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        call: Call = lambda each: self._no_call(each, None)  # noqa: E731  # typed
        await self._serve(scope, receive, send, (self.read_threads, call))

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, found: tuple[Executor, Call]
    ) -> None:
        started_at, is_save = arrival_of(scope).started_at, found[0] is self.save_threads
        if is_save:
            self.edge_counts.arrived(started_at)
        try:
            exchange = await read_exchange(
                scope, receive, self.clock, self.body_limit, self.body_time
            )
        except CallerLeft:
            if is_save:
                self.edge_counts.left_early(started_at)
            return
        except asyncio.CancelledError:  # the process ends, and nothing has begun yet
            if is_save:
                self.edge_counts.left_early(started_at)
            raise
        await send_answer(await self._answer(exchange, *found), send)

    async def _answer(self, exchange: Exchange, threads: Executor, call: Call) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(threads, call, exchange)
        except Exception as error:  # noqa: BLE001  # the caller gets a code, never a traceback
            self.report(exchange.correlation_id, error)
            refusal = from_failure(ErrorCode.INTERNAL_ERROR)
            return refusal_to_answer(exchange, refusal, self.clock.now(), {})

    def _call(  # noqa: PLR0911  # the routing table
        self, method: str, quote_id: str | None, what: str | None
    ) -> tuple[Executor, Call]:
        """Which thread does what; an address or method that does not exist is refused in kind."""
        writes, reads = self.writes, self.reads

        def save(operation: Operation) -> tuple[Executor, Call]:
            return self.save_threads, lambda each: writes.answer(each, operation, quote_id)

        match method, quote_id, what:
            case "POST", None, None:
                return save(Operation.CREATE)
            case "PATCH", str(), None:
                return save(Operation.UPDATE)
            case "DELETE", str(), None:
                return save(Operation.DELETE)
            case "POST", str(), ("send" | "accept" | "reject") as move:
                return save(_MOVES[move])
            case "GET", None, None:
                return self.read_threads, reads.page
            case "GET", str() as known, None:
                return self.read_threads, lambda each: reads.quote(each, known)
            case "GET", str() as known, "history":
                return self.read_threads, lambda each: reads.history(each, known)
            case _:
                allowed = _ALLOWED.get((quote_id is not None, what))
                return self.read_threads, lambda each: self._no_call(each, allowed)

    def _elsewhere(self, method: str, path: str) -> tuple[Executor, Call]:
        """What is no quote's address: the document, or nothing."""
        if path != DOCUMENT:
            return self.read_threads, lambda each: self._no_call(each, None)
        if method in _READING:
            return self.read_threads, lambda _each: Answer(_OK, self.document())
        return self.read_threads, lambda each: self._no_call(each, ", ".join(_READING))

    def _no_call(self, exchange: Exchange, allowed: str | None) -> Answer:
        refusal = _no_such_address() if allowed is None else _no_such_method(exchange.method)
        headers = {} if allowed is None else {"allow": allowed}
        return refusal_to_answer(exchange, refusal, self.clock.now(), headers)


# Whether the address names a quote, and what follows it → the methods it takes.
_ALLOWED: Final = {
    (False, None): "GET, POST",
    (True, None): "GET, PATCH, DELETE",
    (True, "history"): "GET",
    (True, "send"): "POST",
    (True, "accept"): "POST",
    (True, "reject"): "POST",
}
_READING: Final = ("GET", "HEAD")
_OK, _METHOD_NOT_ALLOWED = 200, 405


def _no_such_address() -> Refusal:
    return Refusal(ErrorCode.QUOTE_NOT_FOUND, "There is nothing at this address.")


def _no_such_method(method: str) -> Refusal:
    return Refusal(
        ErrorCode.QUOTE_VALIDATION_FAILED,
        "This address does not take this method.",
        {"method": method[:16]},
        _METHOD_NOT_ALLOWED,
    )
