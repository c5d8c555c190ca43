"""Receivers of alerts on loopback: a webhook, and a stand-in of the Bot API, that check bytes.

What they do to a request is scripted, so that a test can have every way in which a receiver fails.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

TOKEN: Final = "123456:AAbot-canary_token-0123456789"  # noqa: S105  # of a stand-in
CHAT: Final = "-1001234567890"
SECRET: Final = "webhook-canary-secret-0123456789"  # noqa: S105  # the same
TEXT_UNITS_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Request:
    """What was received.

    Attributes:
        method: of HTTP.
        path: with its query.
        headers: by their names in small letters.
        body: its bytes.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a receiver does with a request.

    Attributes:
        status: that it answers; None for nothing.
        body: of the answer.
        headers: of the answer, beside its length.
        is_accepted: whether it has taken what it was sent, whatever it says.
        then: with no answer: `reset` breaks the line, `hang` waits until the receiver closes.
    """

    status: int | None = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_accepted: bool = True
    then: str = "reset"


OK: Final = Reaction()
SERVER_ERROR: Final = Reaction(500, b"out of order", is_accepted=False)
RESET: Final = Reaction(None, is_accepted=False)
ACCEPT_AND_RESET: Final = Reaction(None)
HANG: Final = Reaction(None, is_accepted=False, then="hang")
ACCEPT_AND_HANG: Final = Reaction(None, then="hang")


def limited(seconds: int) -> Reaction:
    """A receiver that wants to be left alone, as HTTP says it."""
    return Reaction(429, b"slow down", {"Retry-After": str(seconds)}, is_accepted=False)


Script = Callable[[Request], Reaction]


class Receiver:
    """Takes requests on loopback until it is closed.

    Attributes:
        received: everything that came, in order.
        accepted: what it has taken, in order.
        faults: what was wrong with the bytes that came, in words.
        script: what is done with a request; may be changed at any time.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Request] = []
        self.accepted: list[Request] = []
        self.faults: list[str] = []
        self.script = script
        self._came = threading.Condition()
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_words: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_of: object) -> None:
                """A caller that has gone is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, count: int, patience_s: float = 30.0) -> None:
        """Waits until so many requests have come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.received) >= count, patience_s)

    def close(self) -> None:
        """Lets go of callers that hang, and ends."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", "0"))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(length)
        request = Request(handler.command, handler.path, headers, body)
        reaction = self.script(request)
        with self._came:
            self.received.append(request)
            if reaction.is_accepted:
                self.accepted.append(request)
            self._came.notify_all()
        self._react(handler, reaction)

    def _react(self, handler: BaseHTTPRequestHandler, reaction: Reaction) -> None:
        handler.close_connection = True
        if reaction.status is None:
            if reaction.then == "hang":
                self._closing.wait(60)
            else:
                _reset(handler.connection)
            return
        handler.send_response(reaction.status)
        for name, value in {"Content-Length": str(len(reaction.body)), **reaction.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reaction.body)


def _reset(line: socket.socket) -> None:
    """Closes so that the other side reads a reset instead of an end."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


@contextmanager
def webhook(
    script: Script | Reaction = OK,
    *,
    secret: str | None = SECRET,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """A webhook that checks what it gets.

    Args:
        script: what it does, always or by request.
        secret: that signs; None for one that expects no signature.
        tls: to speak it.
    """

    def checked(request: Request) -> Reaction:
        receiver.faults += faults_of_hook(request, secret)
        return script if isinstance(script, Reaction) else script(request)

    receiver = Receiver(checked, tls)
    try:
        yield receiver
    finally:
        receiver.close()


REQUIRED: Final = (
    "errorCode", "severity", "message", "metrics", "timestamp", "environment", "correlationId",
    "ruleId", "ruleName", "runbookUrl", "dashboardUrl",
)  # fmt: skip


def faults_of_hook(request: Request, secret: str | None) -> list[str]:
    """What is wrong with the bytes that a webhook was sent; written without our own code."""
    found = []
    headers = request.headers
    if headers.get("content-type") != "application/json":
        found.append("the content type is not JSON")
    try:
        body = json.loads(request.body.decode("utf-8"))
    except ValueError:
        return [*found, "the body is no JSON in UTF-8"]
    found += [f"no {name}" for name in REQUIRED if name not in body]
    if headers.get("idempotency-key") != body.get("id") or not body.get("id"):
        found.append("the key is not the body's id")
    if not isinstance(body.get("isPerhapsRepeated"), bool):
        found.append("it does not say whether it is a repetition")
    if secret is not None:
        signed = headers.get("saveguard-timestamp", "").encode() + b"." + request.body
        right = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if headers.get("saveguard-signature") != f"v1={right}":
            found.append("the signature is not of these bytes")
    return found


_LOOK_UPS: Final[Mapping[str, Mapping[str, Any]]] = {
    "getMe": {"id": 123456, "is_bot": True, "username": "saveguard_bot"},
    "getChat": {"id": int(CHAT), "type": "supergroup", "title": "On call"},
    "getChatMember": {"status": "member", "user": {"id": 123456}},
}


class BotApi:
    """A stand-in of the Bot API: as strict as it, and with its own words."""

    def __init__(self) -> None:
        self.script: Script = lambda _request: OK
        # What was written into the chat, in order.
        self.messages: list[Mapping[str, Any]] = []
        self.receiver = Receiver(self._answered)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """For TELEGRAM_API_URL."""
        return self.receiver.url

    def _answered(self, request: Request) -> Reaction:
        token, _, method = request.path.removeprefix("/bot").partition("/")
        if token != TOKEN:
            return _refusal(404, "Not Found")
        asked = json.loads(request.body)
        if method in _LOOK_UPS:
            return _said(_LOOK_UPS[method])
        fault = fault_of_message(asked) if method == "sendMessage" else "no such method"
        if fault is not None:
            self.receiver.faults.append(fault)
            return _refusal(400, f"Bad Request: {fault}")
        reaction = self.script(request)
        if not reaction.is_accepted:
            return reaction
        with self._lock:
            self.messages.append(asked)
            number = len(self.messages)
        answer = _said({"message_id": number, "text": asked["text"]})
        return answer if reaction.status is not None else reaction


@contextmanager
def bot_api() -> Iterator[BotApi]:
    """The stand-in, until the block ends."""
    api = BotApi()
    try:
        yield api
    finally:
        api.receiver.close()


def bot_limited(seconds: int) -> Reaction:
    """Too many messages, as the Bot API says it."""
    said = {
        "ok": False,
        "error_code": 429,
        "description": f"Too Many Requests: retry after {seconds}",
        "parameters": {"retry_after": seconds},
    }
    return Reaction(429, json.dumps(said).encode(), is_accepted=False)


def _said(result: Mapping[str, Any]) -> Reaction:
    return Reaction(200, json.dumps({"ok": True, "result": result}).encode())


def _refusal(status: int, description: str) -> Reaction:
    said = {"ok": False, "error_code": status, "description": description}
    return Reaction(status, json.dumps(said).encode(), is_accepted=False)


def fault_of_message(asked: Mapping[str, Any]) -> str | None:
    """Why the Bot API would refuse a message, or show it otherwise than meant."""
    text = asked.get("text")
    if not isinstance(text, str) or not text.strip():
        return "message text is empty"
    units = text.encode("utf-16-le", "surrogatepass")
    faults = {
        "chat not found": asked.get("chat_id") != CHAT,
        "can't parse entities: plain text was promised": "parse_mode" in asked,
        "message is too long": len(units) // 2 > TEXT_UNITS_MAX,
        "white space at an end is cut off, and entities move": text != text.strip(),
    }
    return next((fault for fault, is_so in faults.items() if is_so), None) or _fault_of_entities(
        units, asked.get("entities", [])
    )


def _fault_of_entities(units: bytes, entities: Sequence[Mapping[str, Any]]) -> str | None:
    end = 0
    for entity in entities:
        offset, length = entity["offset"], entity["length"]
        part = units[offset * 2 : (offset + length) * 2]
        if offset < end or length <= 0 or len(part) != length * 2:
            return "entity beyond the text"
        try:
            part.decode("utf-16-le")
        except UnicodeDecodeError:
            return "entity begins or ends within a character"
        end = offset + length
    return None
