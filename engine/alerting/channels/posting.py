"""One HTTP request to a receiver, on a connection of its own and within a bounded time.

A connection that lay idle may have been closed by the other side a moment ago; whether what was
sent on it has arrived would be unknown. No proxy of the environment is used, no redirect is
followed, the addresses are those that were looked at, and an answer is read up to a limit.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import httpcore

from engine.alerting.channels.addresses import Address, Receiver, addresses_of, forbidden
from engine.alerting.channels.channel import FailureReason
from engine.clock import Clock

# From looking up the name to the last byte of the answer. A page must not wait behind a receiver
# that hangs, and one that needs longer than this to say yes is not well.
PATIENCE_S: Final = 10.0
_ANSWER_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered.

    Attributes:
        status: of HTTP.
        headers: by their names in small letters.
        body: at most 64 KiB of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """There was none.

    Attributes:
        reason: why.
        has_sent: whether something of the request was sent, so that it may have arrived.
        detail: more of it, without secrets; often nothing.
    """

    reason: FailureReason
    has_sent: bool = False
    detail: str = ""


def post(
    receiver: Receiver,
    headers: Mapping[str, str],
    content: bytes,
    clock: Clock,
    *,
    method: str = "POST",
    patience_s: float = PATIENCE_S,
) -> Answer | NoAnswer:
    """Sends a request, once.

    Args:
        receiver: where to.
        headers: beside Host, Content-Length and Connection.
        content: of the request.
        clock: for the deadline.
        method: of HTTP.
        patience_s: after so many seconds there is no answer.
    """
    line = _Line(receiver, clock, clock.monotonic() + patience_s)
    sent = [*headers.items(), ("Content-Length", str(len(content))), ("Connection", "close")]
    try:
        with (
            httpcore.ConnectionPool(
                _trust() if receiver.is_tls else None, network_backend=line
            ) as pool,
            pool.stream(
                method,
                receiver.url,
                headers=[("Host", _authority(receiver)), *sent],
                content=content,
                extensions={"timeout": dict.fromkeys(_TIMEOUTS, patience_s)},
            ) as response,
        ):
            headers_of_answer = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            }
            return Answer(response.status, headers_of_answer, _bounded(response))
    except _ForbiddenError:
        return NoAnswer(FailureReason.ADDRESS)
    except httpcore.TimeoutException:
        return NoAnswer(FailureReason.TIMEOUT, line.has_sent)
    except httpcore.ConnectError as error:
        return NoAnswer(*_unconnected(error))
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        is_odd = isinstance(error, httpcore.ProtocolError) and not _is_hung_up(error)
        reason = FailureReason.ANSWER if is_odd else FailureReason.BROKEN_LINE
        return NoAnswer(reason, line.has_sent)


_TIMEOUTS: Final = ("connect", "read", "write", "pool")


class _ForbiddenError(Exception):
    """The name leads to an address that nothing is sent to."""


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing waits beyond the deadline of its line."""

    def __init__(self, inner: httpcore.NetworkStream, line: _Line) -> None:
        self._inner, self._line = inner, line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._line.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._line.left(timeout, httpcore.WriteTimeout)
        self._line.has_sent = True
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._line.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._line)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # as httpcore has it
        return self._inner.get_extra_info(info)


class _Line(httpcore.NetworkBackend):
    """Connects to the addresses that were looked at, and to no others."""

    def __init__(self, receiver: Receiver, clock: Clock, deadline: float) -> None:
        self._receiver, self._clock, self._deadline = receiver, clock, deadline
        self._backend = httpcore.SyncBackend()
        self.has_sent = False

    def left(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        """Seconds that an operation may take."""
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to the first address that answers.

        A name may lead elsewhere the next time it is asked, so that it is asked once, here.
        """
        addresses = self._looked_up(host, port)
        if any(forbidden(each, is_tls=self._receiver.is_tls) for each in addresses):
            raise _ForbiddenError
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                return _Stream(
                    self._backend.connect_tcp(
                        str(address),
                        port,
                        self.left(timeout, httpcore.ConnectTimeout),
                        local_address,
                        socket_options,
                    ),
                    self,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _looked_up(self, host: str, port: int) -> list[Address]:
        """The addresses of a name; asking for them takes as long as the resolver likes."""
        found: list[list[Address] | OSError | UnicodeError] = []

        def ask() -> None:
            try:
                found.append(addresses_of(host, port))
            except (OSError, UnicodeError) as error:
                found.append(error)

        asking = threading.Thread(target=ask, name="look-up", daemon=True)
        asking.start()
        asking.join(self.left(None, httpcore.ConnectTimeout))
        if not found:
            raise httpcore.ConnectTimeout
        (answer,) = found
        if not isinstance(answer, list):
            raise httpcore.ConnectError(answer) from answer
        return answer


def _trust() -> ssl.SSLContext:
    """What the machine trusts; SSL_CERT_FILE and SSL_CERT_DIR add an authority of one's own."""
    return _trust_of(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=4)
def _trust_of(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    """Made once: reading all authorities takes 30 ms, in which no other thread runs Python."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _authority(receiver: Receiver) -> str:
    host = f"[{receiver.host}]" if ":" in receiver.host else receiver.host
    usual = 443 if receiver.is_tls else 80
    return host if receiver.port == usual else f"{host}:{receiver.port}"


def _bounded(response: httpcore.Response) -> bytes:
    """The body as far as it comes: what was answered is in the status, which is there."""
    body = bytearray()
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        for part in response.iter_stream():
            body += part
            if len(body) >= _ANSWER_BYTES_MAX:
                break
    return bytes(body[:_ANSWER_BYTES_MAX])


def _unconnected(error: BaseException) -> tuple[FailureReason, bool, str]:
    """Why no connection was made, from what lies beneath httpcore's own error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return FailureReason.CERTIFICATE, False, seen.verify_message
        if isinstance(seen, ssl.SSLError):
            return FailureReason.CERTIFICATE, False, seen.reason or ""
        if isinstance(seen, socket.gaierror):
            return FailureReason.UNREACHABLE, False, "no such name"
        seen = seen.__cause__ or seen.__context__
    return FailureReason.UNREACHABLE, False, ""


def _is_hung_up(error: Exception) -> bool:
    """Whether it closed the connection instead of answering."""
    with suppress(AttributeError, IndexError):
        return "disconnected" in str(error.args[0])
    return False
