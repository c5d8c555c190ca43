"""Sending over HTTP, the way any caller does: one kept-alive line for each worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from engine.attempts.outcome import Outcome
from engine.errors import ErrorCode, SetupError
from engine.payload import encode
from engine.quotes.lifecycle import Operation
from engine.replay.line import Address, Broken, Line, Response
from engine.replay.sender import Message, Reply, Unanswered, Unreachable, refused

_QUOTES: Final = "/api/agents/quotes"
_JSON: Final = "application/json"
_OK, _UNAUTHORIZED = 200, 401

_METHODS: Final = {
    Operation.CREATE: ("POST", ""),
    Operation.UPDATE: ("PATCH", ""),
    Operation.DELETE: ("DELETE", ""),
    Operation.SEND: ("POST", "/send"),
    Operation.ACCEPT: ("POST", "/accept"),
    Operation.REJECT: ("POST", "/reject"),
}


class _Answer(msgspec.Struct, rename="camel"):
    """The members of any answer that we read; the rest is passed over."""

    success: bool
    quote_id: UUID | None = None
    version: int = 0
    error_code: ErrorCode | None = None
    message: str = ""
    details: dict[str, Any] = {}


_decode: Final = msgspec.json.Decoder(_Answer).decode


def must_answer(address: Address) -> None:
    """Makes sure that a Saveguard lives at an address.

    Raises:
        SetupError: nobody does, or somebody else.
    """
    body = _get(address, "/healthz", {}).body
    try:
        is_alive = msgspec.json.decode(body, type=dict[str, Any]).get("status") == "ok"
    except msgspec.MsgspecError:
        is_alive = False
    if not is_alive:
        raise SetupError(f"what answers at {address.url} is no Saveguard")


def must_know(address: Address, api_key: str) -> None:
    """Makes sure that a Saveguard knows an agent that was just made, so uses the same database.

    Raises:
        SetupError: it does not, or does not answer.
    """
    status = _get(address, f"{_QUOTES}?limit=1", {"Authorization": f"Bearer {api_key}"}).status
    if status == _UNAUTHORIZED:
        raise SetupError(
            f"the Saveguard at {address.url} does not know this database's agents: give this"
            " command the same DATABASE_URL or SAVEGUARD_DATA_DIR as the server"
        )
    if status != _OK:
        raise SetupError(f"the Saveguard at {address.url} cannot read quotes: HTTP {status}")


def _get(address: Address, path: str, headers: Mapping[str, str]) -> Response:
    line = Line(address)
    try:
        line.connect()
        return line.exchange("GET", path, headers)
    except (OSError, Broken):
        raise SetupError(
            f"no Saveguard answers at {address.url}; start it with: saveguard up"
        ) from None
    finally:
        line.close()


class HttpSender:
    """Sends over one line; for one worker."""

    def __init__(self, address: Address) -> None:
        """Connects when it first sends.

        Args:
            address: of the server.
        """
        self._line = Line(address)

    def send(self, message: Message) -> Reply:
        """Sends an attempt and reads its answer.

        Raises:
            Unanswered: the line broke, or the answer was not one of ours.
            Unreachable: the server takes no connection.
        """
        try:
            self._line.connect()
        except OSError as error:
            raise Unreachable(error.strerror or type(error).__name__) from None
        version, body = message.version, message.body
        method, path = _METHODS[message.operation]
        if message.quote_id is not None:
            path = f"/{message.quote_id}{path}"
        headers = {
            "Authorization": f"Bearer {message.agency.api_key}",
            "X-Correlation-ID": message.correlation_id,
            "Idempotency-Key": message.idempotency_key,
        }
        content = b""
        if message.operation is Operation.DELETE:
            path += f"?version={version}"
        else:
            headers["Content-Type"] = _JSON
            content = encode({**body, "version": version} if version else body)
        try:
            response = self._line.exchange(method, _QUOTES + path, headers, content)
            return _reply(response)
        except (Broken, msgspec.MsgspecError) as error:
            raise Unanswered(type(error).__name__) from None

    def close(self) -> None:
        """Hangs up."""
        self._line.close()


def _reply(response: Response) -> Reply:
    answer = _decode(response.body)
    if answer.success:
        was_replayed = response.headers.get(b"idempotent-replayed") == b"true"
        outcome = Outcome.REPLAYED if was_replayed else Outcome.COMMITTED
        return Reply(outcome, quote_id=answer.quote_id, version=answer.version)
    if answer.error_code is None:
        raise Unanswered("a refusal without a code")
    return refused(answer.error_code, answer.message, answer.details)
