"""The HTTP application: the desk that answers the calls, and FastAPI for their document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Final

from fastapi import FastAPI, Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from engine.access.rate_limits import RateLimits
from engine.api.desk import DOCUMENT, QUOTES, Desk
from engine.api.document import CALLS
from engine.api.edge import Edge
from engine.api.gate import Gate
from engine.api.health import health_routes
from engine.api.metrics import Metrics
from engine.api.reads import Reads
from engine.api.refused_reads import RefusedReads
from engine.api.schemas import components
from engine.api.writes import Writes
from engine.attempts.edge_counts import EdgeCounts
from engine.database.pool import Pool
from engine.payload import encode
from engine.runtime import Runtime

PREFIX: Final = "/api"
DOCUMENT_PATH: Final = PREFIX + DOCUMENT
_READ_THREADS: Final = 4


@contextmanager
def open_api(
    runtime: Runtime,
    metrics: Metrics,
    report: Callable[[str, BaseException], None],
    *,
    is_alone: bool = False,
) -> Iterator[list[BaseRoute]]:
    """The API's routes, to be mounted at the root of an ASGI application.

    Args:
        runtime: the open engine.
        metrics: what /metrics shows.
        report: told of what should never happen.
        is_alone: whether nothing else is served: then every other address is answered, too.
    """
    settings, clock = runtime.settings, runtime.clock
    limits = RateLimits(clock)

    def gate(pool: Pool) -> Gate:
        return Gate(runtime.identities, limits, pool, settings, clock)

    with (
        ThreadPoolExecutor(settings.pool_size, "save") as save_threads,
        ThreadPoolExecutor(_READ_THREADS, "read") as read_threads,
    ):
        desk = Desk(
            # There is a connection for every thread that saves: none waits for another's.
            writes=Writes(runtime.saver, gate(runtime.save_pool), settings, report),
            reads=Reads(
                runtime.quotes,
                gate(runtime.read_pool),
                RefusedReads(runtime.read_pool, clock),
                clock,
            ),
            save_threads=save_threads,
            read_threads=read_threads,
            edge_counts=_edge_counts(runtime),
            clock=clock,
            body_limit=settings.body_limit,
            body_time=settings.body_time,
            report=report,
            document=cache(lambda: document_of(settings.release)),
        )
        routes = [
            Everything(PREFIX, app=Edge(desk, clock, metrics.arrived)),
            *health_routes(runtime, metrics),
        ]
        if is_alone:
            routes.append(Everything("", app=Edge(desk.nowhere, clock, metrics.arrived)))
        yield routes


def _edge_counts(runtime: Runtime) -> EdgeCounts:
    if runtime.edge_counts is None:
        raise ValueError("an API needs a runtime that has an edge")
    return runtime.edge_counts


class Everything(Mount):
    """A mount of every path below its own, and of its own.

    Starlette's leaves out paths with a line break in them, and redirects from its own path to
    wherever the caller's Host says.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a connection is for the mounted application."""
        root_path: str = scope.get("root_path", "")
        path: str = scope.get("path", "").removeprefix(root_path)
        if path != self.path and not path.startswith(f"{self.path}/"):
            return Match.NONE, {}
        return Match.FULL, {"root_path": root_path + self.path, "endpoint": self.app}


def documented_api(release: str) -> FastAPI:
    """FastAPI that knows every call and answers none: it writes the document.

    Args:
        release: version of the document.
    """
    api = FastAPI(
        title="Saveguard",
        description=(
            "Saves travel quotes: nothing lost, nothing doubled, nothing silent."
            " No text may hold the NUL character; null stands for an optional field left out."
        ),
        version=release,
        servers=[{"url": PREFIX}],
    )
    for call in CALLS:
        api.add_api_route(
            QUOTES + call.path, _answered_by_the_desk, response_class=Response, **call.described()
        )
    return api


def document_of(release: str) -> bytes:
    """The OpenAPI document as JSON."""
    schemas = {
        "schemas": components(),
        "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
    }
    return encode(documented_api(release).openapi() | {"components": schemas})


async def _answered_by_the_desk() -> Response:
    """Never reached: nothing serves this application."""
    raise AssertionError
