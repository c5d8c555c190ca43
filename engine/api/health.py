"""Whether the process lives, whether it can save, and what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, request_response

from engine.api.edge import Edge
from engine.api.metrics import Metrics
from engine.runtime import Runtime

_OK, _UNAVAILABLE = 200, 503
_PATIENCE_S: Final = 2.0


def health_routes(runtime: Runtime, metrics: Metrics) -> list[BaseRoute]:
    """`/healthz`, `/readyz` and `/metrics`."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "release": runtime.settings.release})

    async def readyz(_request: Request) -> Response:
        checks = await asyncio.to_thread(_checks, runtime)
        is_ready = all(checks.values())
        return JSONResponse(
            {"status": "ready" if is_ready else "not ready", "checks": checks},
            _OK if is_ready else _UNAVAILABLE,
        )

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(runtime), media_type=CONTENT_TYPE_LATEST)

    def route(path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
        # These answers carry a correlation id as well; who asks them is not counted.
        served = Edge(request_response(answer), runtime.clock, lambda _arrival, _malformed: None)
        return Route(path, served, methods=["GET"])

    return [
        route("/healthz", healthz),
        route("/readyz", readyz),
        route("/metrics", exposition),
    ]


def _checks(runtime: Runtime) -> dict[str, Any]:
    """What a save needs, each true or false."""
    return {"database": _database_answers(runtime), "journal": runtime.journal.is_writable()}


def _database_answers(runtime: Runtime) -> bool:
    deadline = runtime.clock.monotonic() + _PATIENCE_S
    try:
        with runtime.read_pool.connection(deadline) as connection:
            connection.execute("SELECT FROM attempt LIMIT 1")
    except (psycopg.Error, PoolTimeout):
        return False
    return True
