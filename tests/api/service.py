"""A served API for tests: the real application on a real socket, and a look at its rows."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import jsonschema_rs
import psycopg
import uvicorn
from psycopg.rows import dict_row
from starlette.routing import Router
from starlette.types import ASGIApp

from engine.api.app import document_of, open_api
from engine.api.metrics import Metrics
from engine.clock import Clock, SystemClock
from engine.database.target import Target
from engine.logs import report
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.support import Agency, new_agency

CLOCK: Final = SystemClock()
QUOTES: Final = "/api/agents/quotes"


class Surprise(NamedTuple):
    """Something that the engine reports because it should never happen."""

    correlation_id: str
    error: BaseException


class Stock(NamedTuple):
    """Everything that a refused request must leave as it is, and the attempts, which it adds to."""

    quotes: int
    versions: int
    revisions: int
    keys: int
    last_modified: object
    attempts: int

    def after_refusals(self, count: int) -> Stock:
        """What stands when nothing happened but this many refused attempts."""
        return self._replace(attempts=self.attempts + count)


_STOCK: Final = """
    SELECT
        (SELECT count(*) FROM quote),
        (SELECT coalesce(sum(version), 0) FROM quote),
        (SELECT count(*) FROM quote_revision),
        (SELECT count(*) FROM idempotency_key),
        (SELECT max(last_modified_at) FROM quote),
        (SELECT count(*) FROM attempt)
"""


@dataclass(frozen=True)
class Service:
    """A running API and what stands behind it."""

    address: tuple[str, int]
    runtime: Runtime
    metrics: Metrics
    database: psycopg.Connection[Any]
    surprises: list[Surprise]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def agency(self, **more: Any) -> Agency:
        """A new agent with one client."""
        return new_agency(self.runtime, **more)

    def stock(self) -> Stock:
        """Counts the rows, as the owner sees them."""
        (row,) = self.database.execute(_STOCK).fetchall()
        return Stock(*row)

    def execute(self, statement: str, *values: object) -> None:
        """Runs a statement as the owner."""
        self.database.execute(statement.encode(), values or None)

    def attempts(self, correlation_id: str) -> list[dict[str, Any]]:
        """The ledger's rows with a correlation id."""
        with self.database.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                "SELECT * FROM ledger WHERE correlation_id = %s", [correlation_id]
            ).fetchall()

    def attempt(self, correlation_id: str) -> dict[str, Any]:
        """The one row of the ledger with a correlation id."""
        (row,) = self.attempts(correlation_id)
        return row

    def version(self, quote_id: str | UUID) -> int:
        """A quote's version as it stands in its row."""
        row = self.database.execute(
            "SELECT version FROM quote WHERE id = %s", [quote_id]
        ).fetchone()
        assert row is not None
        return int(row[0])

    def take_surprises(self) -> list[Surprise]:
        """What was reported since, which the test expected."""
        taken = list(self.surprises)
        self.surprises.clear()
        return taken


@contextmanager
def served(target: Target, settings: Settings, clock: Clock = CLOCK) -> Iterator[Service]:
    """Serves the API as `saveguard api` does, until the block ends.

    What the engine reports, and what uvicorn logs as an error, fails the block unless it was taken
    with `take_surprises`.
    """
    surprises: list[Surprise] = []

    def note(correlation_id: str, error: BaseException) -> None:
        report(correlation_id, error)
        surprises.append(Surprise(correlation_id, error))

    metrics = Metrics()
    with (
        open_runtime(
            settings, target, clock=clock, has_edge=True, observe=metrics.ended, report=note
        ) as runtime,
        open_api(runtime, metrics, note) as routes,
        psycopg.connect(target.owner, autocommit=True) as database,
        _server_errors(note),
        listening(Router(routes=routes)) as address,
    ):
        yield Service(address, runtime, metrics, database, surprises)
    assert surprises == []


@contextmanager
def listening(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """Serves an application on a free port of loopback."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
            )
        )
        # The kernel queues whoever comes before the server is ready: nobody has to wait for it.
        thread = threading.Thread(target=server.run, args=([listener],), name="uvicorn")
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@contextmanager
def _server_errors(note: Callable[[str, BaseException], None]) -> Iterator[None]:
    """Whatever uvicorn calls an error is a surprise, too."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            note("", error or RuntimeError(record.getMessage()))

    handler = Handler(logging.ERROR)
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("uvicorn.error").removeHandler(handler)


def eventually(condition: Callable[[], object], limit_s: float = 20) -> bool:
    """Waits for a condition; whether it came true in time."""
    deadline = CLOCK.monotonic() + limit_s
    while not condition():
        if CLOCK.monotonic() > deadline:
            return False
        CLOCK.sleep(0.01)
    return True


def settings_in(directory: Path, **more: Any) -> Settings:
    """Settings with a journal of their own, that look every key up anew and bear wrong ones."""
    return Settings.model_validate(
        {
            "data_dir": directory,
            "identity_lifetime": 0,
            # All tests of a module call from one address.
            "bad_credentials_per_minute": 100_000,
        }
        | more
    )


# --- the document ---------------------------------------------------------------------------------


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this release."""
    found: dict[str, Any] = json.loads(document_of("0.1.0"))
    return found


def documented_call(method: str, path: str) -> dict[str, Any]:
    """What the document says of a call, given the path of a request."""
    for template, calls in document()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", "/api" + template)
        if re.fullmatch(pattern, path) and method.lower() in calls:
            found: dict[str, Any] = calls[method.lower()]
            return found
    raise LookupError(f"{method} {path} is not in the document")


@cache
def validator(method: str, path: str, status: int, media_type: str) -> jsonschema_rs.Validator:
    """Checks a body against what the document says of one answer of a call.

    Raises:
        LookupError: the call, the status or the media type is not documented.
    """
    answer = documented_call(method, path)["responses"][str(status)]
    schema = answer["content"][media_type]["schema"]
    return jsonschema_rs.validator_for(
        {"components": document()["components"], **schema}, validate_formats=True
    )
