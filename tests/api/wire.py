"""Bytes on a socket, for requests that no HTTP library would send."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPMessage, HTTPResponse
from typing import Any, Final, NamedTuple, cast

from tests.api.service import Service

PATIENCE_S: Final = 20.0


class Heard(NamedTuple):
    """One response as it came over the wire."""

    status: int
    headers: HTTPMessage
    body: bytes


class Line:
    """One connection to a service."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")

    def send(self, *parts: bytes) -> None:
        """Sends bytes as they are."""
        for part in parts:
            self._socket.sendall(part)

    def hang_up_sending(self) -> None:
        """Says that nothing more will come; still listens."""
        self._socket.shutdown(socket.SHUT_WR)

    def hear(self, method: str = "GET") -> Heard:
        """The next response; `method` says which kind of request it answers."""
        response = HTTPResponse(cast("Any", _Borrowed(self._file)), method=method)
        response.begin()
        return Heard(response.status, response.headers, response.read())

    def hear_continue(self) -> bytes:
        """The line that asks for the body."""
        line = self._file.readline()
        assert self._file.readline() == b"\r\n"
        return line

    def close(self) -> None:
        """Lets go of the reading end; the connection goes with its block."""
        self._file.close()

    def hear_all(self) -> bytes:
        """Everything that comes until the other end hangs up."""
        return self._file.read()

    def is_closed(self) -> bool:
        """Whether the other end hangs up, now or soon."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


class _Borrowed:
    """A file that several responses read one after the other; none of them closes it."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def makefile(self, _mode: str) -> Any:
        return self

    def readline(self, limit: int = -1) -> bytes:
        return self._file.readline(limit)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def flush(self) -> None:
        """Nothing to flush."""

    def close(self) -> None:
        """The line closes it."""


@contextmanager
def line_to(service: Service) -> Iterator[Line]:
    """A connection for as long as the block lasts."""
    with (
        socket.create_connection(service.address, timeout=PATIENCE_S) as connection,
        closing(Line(connection)) as line,
    ):
        yield line


def request(
    method: str,
    path: str | bytes,
    *headers: bytes,
    body: bytes = b"",
    version: str = "HTTP/1.1",
) -> bytes:
    """A request as bytes; nothing is added but Host, and the length of a body."""
    target = path if isinstance(path, bytes) else path.encode()
    lines = [b" ".join([method.encode(), target, version.encode()]), b"Host: test", *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def hear_once(service: Service, data: bytes, method: str = "GET") -> Heard:
    """Sends bytes on a connection of their own and returns what answers them."""
    with line_to(service) as line:
        line.send(data)
        return line.hear(method)
