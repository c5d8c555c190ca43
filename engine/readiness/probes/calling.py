"""Calling the running API as a canary does: over HTTP, to this machine's or the public address.

Readiness stands below the API and does not import it; what is proved by calling it is proved of the
process that serves, whichever that is. Where none answers, nothing is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from engine.access.canaries import Canary, keys_of_canaries
from engine.attempts.outcome import UNKNOWN_AGENT
from engine.errors import SetupError
from engine.payload import encode
from engine.readiness.knowledge import Release
from engine.readiness.probes.probe import Found, Probe, Question, unknown
from engine.readiness.running_code import is_of
from engine.replay.http_sender import must_answer
from engine.replay.line import Address, Broken, Line
from engine.runtime import Runtime
from engine.settings import Settings

QUOTES: Final = "/api/agents/quotes"
OK, CREATED = 200, 201
_UNAUTHORIZED: Final = 401
_JSON: Final = "application/json"
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not to listen on
_ADDRESS: Final = "calling.address"


class Heard(NamedTuple):
    """An answer.

    Attributes:
        status: of HTTP.
        headers: by lower-case name.
        raw: the body.
    """

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Mapping[str, Any]:
        """The body if it is an object of JSON, else an empty one."""
        try:
            found = json.loads(self.raw)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def code(self) -> str:
        """The error code; empty when there is none."""
        return str(self.body.get("errorCode", ""))

    @property
    def correlation_id(self) -> str:
        """As the header has it."""
        return self.headers.get("x-correlation-id", "")

    @property
    def etag(self) -> str:
        """As the header has it; empty when there is none."""
        return self.headers.get("etag", "")

    @property
    def version(self) -> object:
        """That the body names."""
        return self.body.get("version")

    @property
    def quote(self) -> Mapping[str, Any]:
        """The quote of the body; empty when there is none."""
        found = self.body.get("quote")
        return found if isinstance(found, dict) else {}

    @property
    def quote_id(self) -> str:
        """Of the quote that was saved; empty when there is none."""
        return str(self.body.get("quoteId", ""))

    def __str__(self) -> str:
        """As transcripts name it."""
        return f"{self.status} {self.code}".strip()


class Caller:
    """One who calls, with a key or without; for one thread."""

    def __init__(self, address: Address, api_key: str | None) -> None:
        self.address = address
        self._key = api_key
        self._line = Line(address)

    def __call__(self, method: str, path: str = "", body: object = None, **headers: str) -> Heard:
        """Sends one request below the quotes' address.

        Args:
            method: GET, POST, …
            path: after the quotes' address.
            body: bytes as they are, anything else as JSON; None for none.
            headers: with underscores for hyphens.

        Raises:
            OSError: nobody takes it.
            engine.replay.line.Broken: the line broke.
        """
        return self.at(QUOTES + path, method, body, **headers)

    def at(self, path: str, method: str = "GET", body: object = None, **headers: str) -> Heard:
        """Sends one request to any path."""
        content = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        given = {} if body is None else {"Content-Type": _JSON}
        if self._key is not None:
            given["Authorization"] = f"Bearer {self._key}"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._line.connect()
        answer = self._line.exchange(method, path, given, content)
        names = {name.decode("latin-1"): value.decode("latin-1")
                 for name, value in answer.headers.items()}  # fmt: skip
        return Heard(answer.status, names, answer.body)

    def declares(self, method: str, path: str, length: int) -> Heard:
        """Says that a body of some length will come, sends none of it, and hears what is said."""
        address = self.address
        lines = [
            f"{method} {address.path}{QUOTES}{path} HTTP/1.1",
            f"Host: {address.host}",
            f"Authorization: Bearer {self._key}",
            f"Content-Type: {_JSON}",
            f"Content-Length: {length}",
            "Connection: close",
            "",
            "",
        ]
        with address.connect() as opened:
            opened.sendall("\r\n".join(lines).encode())
            answer = HTTPResponse(opened, method=method)
            answer.begin()
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Heard(answer.status, headers, answer.read())

    def close(self) -> None:
        """Hangs up."""
        self._line.close()


@dataclass(frozen=True, slots=True)
class Stage:
    """What a look over HTTP has at hand.

    Attributes:
        runtime: to read the ledger with.
        address: of the API.
        keys: of the canaries that were asked for.
        opened: closed with the look.
    """

    runtime: Runtime
    address: Address
    keys: Mapping[Canary, str]
    opened: ExitStack

    def caller(self, canary: Canary | None = Canary.AGENT) -> Caller:
        """One who calls as a canary; None for somebody without a key."""
        return self.with_key(None if canary is None else self.keys[canary])

    def with_key(self, api_key: str | None) -> Caller:
        """One who calls with some key."""
        made = Caller(self.address, api_key)
        self.opened.callback(made.close)
        return made

    def rows(self, answers: Sequence[Heard]) -> Mapping[str, Mapping[str, Any]]:
        """The rows of the ledger that answers name, by correlation id; none that there are two of.

        Only those of canaries and of callers whom nobody knew.
        """
        found: dict[str, Mapping[str, Any]] = {}
        twice: set[str] = set()
        agents = [each.id for each in Canary] + [UNKNOWN_AGENT]
        with (
            self.runtime.read_pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            cursor.execute(_ROWS, [agents, [each.correlation_id for each in answers]])
            for row in cursor:
                correlation_id = row["correlation_id"]
                twice |= {correlation_id} if correlation_id in found else set()
                found[correlation_id] = row
        return {name: row for name, row in found.items() if name not in twice}

    def row(self, answer: Heard) -> Mapping[str, Any]:
        """The one row of an answer; empty when there is none, or are two."""
        return self.rows([answer]).get(answer.correlation_id, {})

    def quote_row(self, quote_id: str) -> tuple[Any, ...]:
        """Status, version and last modifier of a canary's quote, as its row has them."""
        with self.runtime.read_pool.connection() as connection:
            found = connection.execute(_QUOTE, [Canary.AGENT.id, UUID(quote_id)]).fetchone()
        return found or ()


_ROWS: Final = """
    SELECT id, correlation_id, operation, outcome, error_code, severity, retryable, http_status,
        quote_id, agent_id, expected_version, actual_version, retries, source, instance, release,
        environment, started_at
    FROM ledger
    WHERE agent_id = ANY(%s) AND correlation_id = ANY(%s)
"""
_QUOTE: Final = """
    SELECT status, version, last_modified_by FROM quote WHERE agent_id = %s AND id = %s
"""


def over_http(*canaries: Canary) -> Callable[[Callable[[Question, Stage], Found]], Probe]:
    """Makes a probe of a function that calls the API; unknown where none answers.

    Args:
        canaries: whose keys it needs beside that of the agent; they are revoked when it is over.
    """
    wanted = tuple(dict.fromkeys((Canary.AGENT, *canaries)))

    def made(look: Callable[[Question, Stage], Found]) -> Probe:
        def probe(question: Question) -> Found:
            try:
                with staged(question, *wanted) as stage:
                    return look(question, stage)
            except SetupError as error:
                return unknown(str(error))
            except (OSError, HTTPException, Broken) as error:
                return unknown(f"The line to the API broke ({type(error).__name__})")

        probe.__doc__ = look.__doc__
        return probe

    return made


@contextmanager
def staged(question: Question, *canaries: Canary) -> Iterator[Stage]:
    """All that a look over HTTP needs, for as long as the block lasts.

    Raises:
        SetupError: no API answers, or it is that of another database or of another release.
    """
    runtime = question.runtime
    address = question.shared.get(_ADDRESS) or _find(runtime.settings)
    _must_be(address, question.release)
    with (
        ExitStack() as opened,
        keys_of_canaries(runtime.target, runtime.clock, *canaries) as keys,
    ):
        if _ADDRESS not in question.shared:
            _must_know(address, keys[Canary.AGENT])
            question.shared[_ADDRESS] = address
        yield Stage(runtime, address, keys, opened)


def _must_be(address: Address, release: Release) -> None:
    """Makes sure that an API is of a release: what it answers is evidence of its own code alone."""
    caller = Caller(address, None)
    try:
        said = str(caller.at("/healthz").body.get("release", ""))
    finally:
        caller.close()
    if not is_of(release, said):
        raise SetupError(
            f"The API at {address.url} runs {said or 'nobody knows what'}, not {release.name}:"
            " set its SAVEGUARD_RELEASE, or look where it runs"
        )


def _must_know(address: Address, api_key: str) -> None:
    """Makes sure that an API uses this database; whether it is well is for the look to find."""
    caller = Caller(address, api_key)
    try:
        if caller("GET", "?limit=1").status == _UNAUTHORIZED:
            raise SetupError(
                f"The API at {address.url} does not know this database's agents: it uses another"
            )
    finally:
        caller.close()


def addresses(settings: Settings) -> tuple[str, ...]:
    """Where an API may be: on this machine by itself or with the dashboard, or at the public URL.

    Nowhere else is called, whatever anybody says.
    """
    host = _EVERYWHERE.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    local = [f"http://{host}:{port}" for port in (settings.port, settings.api_port)]
    return (*local, *([settings.public_url] if settings.public_url else []))


def _find(settings: Settings) -> Address:
    tried = addresses(settings)
    for url in tried:
        address = Address(url)
        try:
            must_answer(address)
        except SetupError:
            continue
        return address
    raise SetupError(f"No API answers at {', '.join(tried)}")


def quote_body(**changes: object) -> dict[str, object]:
    """A valid quote of a canary's: 252.00 in all (the first vector of the pricing rules)."""
    return {
        "tripName": "Readiness canary",
        "destination": "Nowhere",
        "startDate": "2030-06-01T00:00:00Z",
        "endDate": "2030-06-06T00:00:00Z",
        "adults": 2,
        "flights": [{"airline": "Canary Air", "date": "2030-06-01", "price": 200}],
        **changes,
    }
