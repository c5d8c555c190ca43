"""Over HTTP: a line that is kept, breaks, or leads elsewhere; and no answer lost for good."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, parse_headers
from pathlib import Path

import pytest

from engine.attempts.outcome import Outcome
from engine.errors import SetupError
from engine.replay.agencies import Agency, needed, open_agencies
from engine.replay.bookings import Booking, read_bookings
from engine.replay.http_sender import HttpSender, must_answer
from engine.replay.line import Address, Broken, Line
from engine.replay.sender import Unanswered, Unreachable
from engine.replay.ways import http_way
from tests.api.service import Service, served, settings_in
from tests.database.databases import cloned
from tests.database.replay_harness import agency_at, asked, message_of, replayed, some_rows
from tests.unit.replay_examples import write_csv


@pytest.fixture
def bookings(tmp_path: Path) -> list[Booking]:
    return read_bookings(write_csv(tmp_path / "bookings.csv.gz", some_rows(), compressed=True))


@pytest.fixture
def service(server: str, template: str, tmp_path: Path) -> Iterator[Service]:
    """A server with a database of its own."""
    with cloned(server, template) as target, served(target, settings_in(tmp_path / "api")) as made:
        yield made


def test_a_save_whose_answer_is_lost_on_the_line_is_saved_once(
    service: Service, bookings: list[Booking]
) -> None:
    clean = bookings[:20]
    with cutting_proxy(service.address, cut_after_answers={3, 20, 40}) as url:
        way = http_way(Address(url))
        report = replayed(way, service.runtime.target, service.runtime, clean, workers=1)

    assert report.is_clean, report
    assert report.total.by_outcome["unanswered"] == report.repeats == 3
    assert report.total.by_outcome["replayed"] == report.unanswered_in_ledger == 3
    assert report.fates == {"told to the end": 20}
    assert asked(service.runtime.target, "SELECT count(*) FROM quote") == [(20,)]


@contextmanager
def cutting_proxy(address: tuple[str, int], cut_after_answers: set[int]) -> Iterator[str]:
    """Hands everything on, but instead of some answers hangs up; counted over all lines."""
    counter = itertools.count(1)

    def serve(caller: socket.socket) -> None:
        server = HTTPConnection(*address)
        with closing(server), caller.makefile("rb") as requests:
            while asked_for := requests.readline():
                headers = parse_headers(requests)
                body = requests.read(int(headers.get("content-length", "0")))
                method, path, _ = asked_for.decode().split()
                server.request(method, path, body, dict(headers.items()))
                answer = server.getresponse()
                content = answer.read()
                if method != "GET" and next(counter) in cut_after_answers:
                    return
                head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
                head += [f"{name}: {value}" for name, value in answer.getheaders()]
                caller.sendall("\r\n".join([*head, "", ""]).encode() + content)

    with accepting(serve) as url:
        yield url


@contextmanager
def accepting(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serves every caller on a thread of its own, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def attend(caller: socket.socket) -> None:
        with caller:
            serve(caller)

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                threads.append(threading.Thread(target=attend, args=[listener.accept()[0]]))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [acceptor, *threads]:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def line(service: Service, bookings: list[Booking]) -> Iterator[tuple[HttpSender, Agency]]:
    """A line to a server, and an agency that it knows."""
    runtime = service.runtime
    sender = HttpSender(Address(service.url))
    ((_, agency),) = open_agencies(runtime.target, runtime.clock, "test", needed(bookings[:1]))
    yield sender, agency
    sender.close()


def test_a_line_that_the_server_closed_meanwhile_costs_no_answer(
    line: tuple[HttpSender, Agency],
) -> None:
    sender, agency = line
    assert sender.send(message_of(agency, "first")).outcome is Outcome.COMMITTED
    opened = sender._line._socket
    assert opened is not None
    opened.shutdown(socket.SHUT_RD)  # reads as a line that the other end has closed

    reply = sender.send(message_of(agency, "second"))

    assert reply.outcome is Outcome.COMMITTED
    assert sender._line._socket is not opened


def test_the_same_key_is_answered_again(line: tuple[HttpSender, Agency]) -> None:
    sender, agency = line
    first = sender.send(message_of(agency))

    second = sender.send(message_of(agency, correlation_id="RPL-test-2"))

    assert second == replace(first, outcome=Outcome.REPLAYED)


def test_who_is_no_saveguard_gives_no_answer_of_ours() -> None:
    with answering(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops") as url:
        sender = HttpSender(Address(url))

        with pytest.raises(Unanswered):
            sender.send(message_of(agency_at(1)))
        with pytest.raises(SetupError, match="is no Saveguard"):
            must_answer(Address(url))

        sender.close()


@contextmanager
def answering(response: bytes, times: int = 1) -> Iterator[str]:
    """A server that says the same whatever it is asked, a few times on each line."""

    def serve(caller: socket.socket) -> None:
        for _ in range(times):
            if caller.recv(1 << 20):
                caller.sendall(response)

    with accepting(serve) as url:
        yield url


def test_nobody_there_is_not_an_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sender = HttpSender(Address(f"http://127.0.0.1:{port}"))

    with pytest.raises(Unreachable):
        sender.send(message_of(agency_at(1)))


@pytest.mark.parametrize("url", ["127.0.0.1:8501", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="is not an address"):
        Address(url)


# --- the line itself ---


@pytest.mark.parametrize(
    ("response", "body", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", b"body", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
            b"body",
            True,
        ),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
            b"body",
            False,
        ),
    ],
    ids=["length", "nothing", "chunks", "last"],
)
def test_an_answer_is_read_to_its_end_and_the_line_kept(
    response: bytes, body: bytes, *, is_kept: bool
) -> None:
    with answering(response, times=2) as url:
        line = Line(Address(url))
        line.connect()
        first = line._socket

        assert line.exchange("GET", "/", {}).body == body

        line.connect()
        assert (line._socket is first) is is_kept
        assert line.exchange("POST", "/", {}, b"{}").body == body
        line.close()


@pytest.mark.parametrize(
    "response",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nbo", b"SSH-2.0-OpenSSH_9.2\r\n"],
    ids=["nothing", "half", "no HTTP"],
)
def test_half_an_answer_is_a_broken_line(response: bytes) -> None:
    with answering(response) as url:
        line = Line(Address(url))
        line.connect()

        with pytest.raises(Broken):
            line.exchange("GET", "/", {})

        with pytest.raises(Broken, match="not connected"):
            line.exchange("GET", "/", {})


def test_an_address_may_have_a_path_before_ours() -> None:
    seen: list[bytes] = []

    def serve(caller: socket.socket) -> None:
        seen.append(caller.recv(1 << 20))
        caller.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')

    with accepting(serve) as url:
        must_answer(Address(f"{url}/save guard/"))

    assert seen[0].startswith(b"GET /save%20guard/healthz HTTP/1.1\r\nHost: 127.0.0.1:")
