"""The HTTP application: the desk that answers the calls, and FastAPI for their document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount

from engine.access.rate_limits import RateLimits
from engine.api.desk import QUOTES, Desk, no_such_address, no_such_method
from engine.api.document import CALLS
from engine.api.edge import Edge, read_exchange
from engine.api.exchange import refusal_to_answer
from engine.api.gate import Gate
from engine.api.health import health_routes
from engine.api.metrics import Metrics
from engine.api.reads import Reads
from engine.api.schemas import components
from engine.api.writes import Writes
from engine.clock import Clock
from engine.runtime import Runtime

PREFIX: Final = "/api"
_NOT_FOUND: Final = 404
_READ_THREADS: Final = 4


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
    settings, clock = runtime.settings, runtime.clock
    with (
        ThreadPoolExecutor(settings.pool_size, "save") as save_threads,
        ThreadPoolExecutor(_READ_THREADS, "read") as read_threads,
    ):
        desk = Desk(
            writes=Writes(runtime.saver, gate, settings.body_limit, report),
            reads=Reads(runtime.quotes, gate, clock),
            save_threads=save_threads,
            read_threads=read_threads,
            clock=clock,
            body_limit=settings.body_limit,
            report=report,
            otherwise=documented_api(settings.release, clock),
        )
        edge = Edge(desk, clock, metrics.arrived)
        yield [Mount(PREFIX, app=edge), *health_routes(runtime, metrics)]


def documented_api(release: str, clock: Clock) -> FastAPI:
    """FastAPI with the document at `/openapi.json`; also refuses addresses that do not exist.

    Args:
        release: version of the document.
        clock: for the timestamp of a refusal.
    """
    api = FastAPI(
        title="Saveguard",
        description="Saves travel quotes: nothing lost, nothing doubled, nothing silent.",
        version=release,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
    )
    for call in CALLS:
        api.add_api_route(
            QUOTES + call.path, _answered_by_the_desk, response_class=Response, **call.described()
        )

    generate = api.openapi

    def openapi() -> dict[str, Any]:
        return generate() | {
            "components": {
                "schemas": components(),
                "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            }
        }

    api.openapi = openapi  # type: ignore[method-assign]

    @api.exception_handler(HTTPException)
    async def _no_such_call(request: Request, error: HTTPException) -> Response:
        exchange = await read_exchange(request.scope, request.receive, 0)
        refusal = (
            no_such_address()
            if error.status_code == _NOT_FOUND
            else no_such_method(exchange.method)
        )
        answer = refusal_to_answer(exchange, refusal, clock.now(), error.headers or {})
        return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)

    return api


async def _answered_by_the_desk() -> Response:
    """Never reached: the desk stands in front and answers every call that is documented here."""
    raise AssertionError
