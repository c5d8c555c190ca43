"""The HTTP application: routes to calls, calls to threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Mount

from engine.access.rate_limits import RateLimits
from engine.api import document
from engine.api.edge import Edge, read_exchange
from engine.api.exchange import Answer, Exchange, refusal_to_answer
from engine.api.gate import Gate
from engine.api.health import health_routes
from engine.api.metrics import Metrics
from engine.api.reads import Reads
from engine.api.writes import Writes
from engine.errors import ErrorCode, Refusal
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from engine.saving.refusals import from_failure

PREFIX: Final = "/api"
_QUOTES: Final = "/agents/quotes"
_ONE: Final = _QUOTES + "/{quote_id}"
_CREATED, _OK, _NOT_FOUND, _NOT_MODIFIED = 201, 200, 404, 304
_READ_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class _Desk:
    """Takes exchanges from the event loop to the threads that answer them."""

    runtime: Runtime
    writes: Writes
    reads: Reads
    save_threads: ThreadPoolExecutor
    read_threads: ThreadPoolExecutor
    report: Callable[[str, BaseException], None]

    async def save(self, request: Request, operation: Operation, quote_id: str | None) -> Response:
        return await self._serve(
            request,
            self.save_threads,
            lambda exchange: self.writes.answer(exchange, operation, quote_id),
        )

    async def read(self, request: Request, call: Callable[[Exchange], Answer]) -> Response:
        return await self._serve(request, self.read_threads, call)

    async def _serve(
        self, request: Request, threads: ThreadPoolExecutor, call: Callable[[Exchange], Answer]
    ) -> Response:
        try:
            exchange = await read_exchange(request, self.runtime.settings.body_limit)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_CLOSED)
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(threads, call, exchange)
        except Exception as error:  # noqa: BLE001  # the caller gets a code, never a traceback
            self.report(exchange.correlation_id, error)
            answer = self.refuse(exchange, from_failure(ErrorCode.INTERNAL_ERROR))
        return _response(answer)

    def refuse(self, exchange: Exchange, refusal: Refusal) -> Answer:
        return refusal_to_answer(exchange, refusal, self.runtime.clock.now(), {})


# The caller hung up before it had sent its request; nobody reads this status but the access log.
_CLIENT_CLOSED: Final = 499


@contextmanager
def open_api(
    runtime: Runtime, metrics: Metrics, report: Callable[[str, BaseException], None]
) -> Iterator[list[BaseRoute]]:
    """The API's routes, to be mounted at the root of an ASGI application.

    Args:
        runtime: the open engine.
        metrics: what /metrics shows.
        report: told of what should never happen.
    """
    gate = Gate(runtime.identities, RateLimits(runtime.clock))
    with (
        ThreadPoolExecutor(runtime.settings.pool_size, "save") as save_threads,
        ThreadPoolExecutor(_READ_THREADS, "read") as read_threads,
    ):
        desk = _Desk(
            runtime,
            Writes(runtime.saver, gate, runtime.clock, runtime.settings.body_limit),
            Reads(runtime.quotes, gate, runtime.clock),
            save_threads,
            read_threads,
            report,
        )
        api = Edge(build_api(desk), runtime.clock, metrics.arrived)
        yield [Mount(PREFIX, app=api), *health_routes(runtime, metrics)]


def build_api(desk: _Desk) -> FastAPI:
    """The FastAPI application with its OpenAPI document at `/openapi.json`."""
    api = FastAPI(
        title="Saveguard",
        description="Saves travel quotes: nothing lost, nothing doubled, nothing silent.",
        version=desk.runtime.settings.release,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
    )
    _add_saves(api, desk)
    _add_reads(api, desk)

    @api.exception_handler(HTTPException)
    async def _no_such_call(request: Request, error: HTTPException) -> Response:
        exchange = await read_exchange(request, 0)
        return _response(_no_route(desk, exchange, error))

    return api


def _add_saves(api: FastAPI, desk: _Desk) -> None:
    async def create(request: Request) -> Response:
        return await desk.save(request, Operation.CREATE, None)

    api.add_api_route(
        _QUOTES,
        create,
        methods=["POST"],
        summary="Create a quote",
        status_code=_CREATED,
        **_described(
            Operation.CREATE,
            document.saved_schema(),
            document.body(document.draft_schema(), is_required=True),
            document.IDEMPOTENCY_HEADER,
        ),
    )
    for operation, method, path, summary, schema in (
        (Operation.UPDATE, "PATCH", _ONE, "Change a quote", document.change_schema()),
        (Operation.DELETE, "DELETE", _ONE, "Delete a quote", document.version_schema()),
        (Operation.SEND, "POST", _ONE + "/send", "Send a quote", document.send_schema()),
        (Operation.ACCEPT, "POST", _ONE + "/accept", "Accept a quote", document.reason_schema()),
        (Operation.REJECT, "POST", _ONE + "/reject", "Reject a quote", document.reason_schema()),
    ):
        is_delete = operation is Operation.DELETE
        headers = [document.IDEMPOTENCY_HEADER, document.IF_MATCH_HEADER]
        api.add_api_route(
            path,
            _change_of(desk, operation),
            methods=[method],
            summary=summary,
            **_described(
                operation,
                document.deleted_schema() if is_delete else document.saved_schema(),
                document.body(schema, is_required=operation is Operation.UPDATE),
                *headers,
                *([_VERSION_QUERY] if is_delete else []),
            ),
        )


_VERSION_QUERY: Final = {
    "name": "version",
    "in": "query",
    "description": "The version that is to be deleted.",
    "schema": document.VERSION,
}


def _change_of(desk: _Desk, operation: Operation) -> Callable[..., Any]:
    async def change(request: Request, quote_id: str) -> Response:
        return await desk.save(request, operation, quote_id)

    change.__name__ = operation.name.lower()
    return change


def _described(
    operation: Operation, answer: dict[str, Any], body: dict[str, Any], *parameters: dict[str, Any]
) -> dict[str, Any]:
    status = _CREATED if operation is Operation.CREATE else _OK
    return {
        "response_class": Response,
        "responses": document.responses(document.CODES[operation], {status: answer}),
        "openapi_extra": {
            "requestBody": body,
            "parameters": list(parameters),
            "security": _SECURITY,
        },
    }


_SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}]


def _add_reads(api: FastAPI, desk: _Desk) -> None:
    async def page(request: Request) -> Response:
        return await desk.read(request, desk.reads.page)

    async def one(request: Request, quote_id: str) -> Response:
        return await desk.read(request, lambda exchange: desk.reads.quote(exchange, quote_id))

    async def history(request: Request, quote_id: str) -> Response:
        return await desk.read(request, lambda exchange: desk.reads.history(exchange, quote_id))

    for path, call, summary, codes, success in (
        (_QUOTES, page, "List quotes", document.READ_CODES, {_OK: document.page_schema()}),
        (
            _ONE,
            one,
            "Read a quote",
            document.READ_ONE_CODES,
            {_OK: document.one_schema(), _NOT_MODIFIED: None},
        ),
        (
            _ONE + "/history",
            history,
            "Read a quote's history",
            document.READ_ONE_CODES,
            {_OK: document.history_schema()},
        ),
    ):
        api.add_api_route(
            path,
            call,
            methods=["GET"],
            summary=summary,
            response_class=Response,
            responses=document.responses(codes, success),
            openapi_extra={
                "security": _SECURITY,
                "parameters": document.LIST_PARAMETERS if call is page else [],
            },
        )


def _no_route(desk: _Desk, exchange: Exchange, error: HTTPException) -> Answer:
    """An address or a method that does not exist, in our own words."""
    if error.status_code == _NOT_FOUND:
        refusal = Refusal(ErrorCode.QUOTE_NOT_FOUND, "There is nothing at this address.")
    else:
        refusal = Refusal(
            ErrorCode.QUOTE_VALIDATION_FAILED,
            "This address does not take this method.",
            {"method": exchange.method},
            error.status_code,
        )
    return refusal_to_answer(exchange, refusal, desk.runtime.clock.now(), error.headers or {})


def _response(answer: Answer) -> Response:
    return Response(
        answer.body,
        answer.status,
        {"cache-control": "no-store", **answer.headers},
        answer.media_type,
    )
