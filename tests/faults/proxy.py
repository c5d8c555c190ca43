"""A TCP proxy in front of PostgreSQL that breaks lines where a test says.

It follows the protocol just far enough to know where a request ends, what it would run, and whether
the server commits a save at its end. A request is what the client sends before it waits: one query,
or messages up to a Sync. Then the server answers up to ReadyForQuery.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.clock import SystemClock

_CLOCK: Final = SystemClock()
# Below the ports that a kernel hands out, so that nobody takes ours while we refuse connections.
_PORTS: Final = range(20_000, 32_000)
_CHUNK: Final = 65_536
# No gate of a test stays closed for longer, so that a failed test ends all the same.
_HELD_S: Final = 60.0
_READY, _ERROR = b"Z", b"E"
_IDLE: Final = b"I"
# What a server says that cannot flush its log: the commit is in the log, and may survive.
_PANIC_FIELDS: Final = b"SPANIC\0VPANIC\0C58030\0Mcould not fsync\0\0"
_PANIC: Final = _ERROR + struct.pack("!i", 4 + len(_PANIC_FIELDS)) + _PANIC_FIELDS


class Fault(Enum):
    """Where a line breaks, or how it stalls."""

    LOSE_REQUEST = "cut before the server sees the request"
    TEAR_REQUEST = "cut when half of the request has gone through"
    LOSE_REPLY = "the server answers, its answer is swallowed, the line is cut"
    TEAR_REPLY = "cut when half of the answer has gone through"
    PANIC = "the server commits, and says that it dies of its disk"
    SEVER = "the client loses the line at once, the server works on"
    STRAND = "the client loses the line at once, the request waits for the gate"
    HOLD_REQUEST = "the request waits for the gate, whether or not the client does"
    HOLD_REPLY = "the answer waits for the gate"


CUTS: Final = (Fault.LOSE_REQUEST, Fault.TEAR_REQUEST, Fault.LOSE_REPLY, Fault.TEAR_REPLY)
# After these the server has never seen the whole request, and never will.
UNSEEN: Final = frozenset({Fault.LOSE_REQUEST, Fault.TEAR_REQUEST})


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of the server in one go.

    Attributes:
        sql: the statement that it runs; empty when it runs none, but prepares one.
        saves: the server commits a save when it has run it.
        is_alone: it runs in no transaction but its own.
    """

    sql: str
    saves: bool
    is_alone: bool


def saves(request: Request) -> bool:
    """Requests after which the server has committed a save."""
    return request.saves


def records(request: Request) -> bool:
    """Requests that add one row to the ledger, and only that: a refusal's, or a tombstone."""
    return request.is_alone and request.sql.startswith("INSERT INTO attempt")


def anything(_request: Request) -> bool:
    """Every request."""
    return True


@dataclass(eq=False, slots=True)
class Rule:
    """What happens to the next requests of a kind.

    Attributes:
        matches: which requests.
        fault: what happens to them.
        times: to how many of them.
        gate: what a held request or answer waits for.
        met: set when it has happened; of a held one, when it has begun to wait.
        over: set when the server has answered, or will not.
        said: what the server answered: "ok", or the SQLSTATE of its error.
        then: called when it happens, by the line's own thread.
    """

    matches: Callable[[Request], bool]
    fault: Fault
    times: int = 1
    gate: threading.Event = field(default_factory=threading.Event)
    met: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)
    then: Callable[[], None] = lambda: None


class FaultProxy:
    """Listens on a port of 127.0.0.1 and passes on to a server, except where a rule says no."""

    def __init__(self, upstream: str) -> None:
        """Starts listening.

        Args:
            upstream: conninfo of the server.
        """
        given = conninfo_to_dict(upstream)
        self._host = str(given.get("host") or "127.0.0.1")
        self._port = int(str(given.get("port") or 5432))
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._chance: Callable[[Request], Fault | None] | None = None
        self._lines: set[_Line] = set()
        self._is_silent = False
        self.closing = threading.Event()
        self.faults: Counter[Fault] = Counter()
        self.requests = 0
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.port = free_port()
        self._listen(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what tests use ---

    def through(self, conninfo: str) -> str:
        """The same conninfo, leading through this proxy."""
        return make_conninfo(
            conninfo,
            host="127.0.0.1",
            port=self.port,
            sslmode="disable",
            gssencmode="disable",
            connect_timeout=2,
        )

    def on(
        self, matches: Callable[[Request], bool], fault: Fault, times: int = 1, **more: object
    ) -> Rule:
        """Breaks the next requests of a kind."""
        rule = Rule(matches, fault, times, **more)  # type: ignore[arg-type]
        with self._lock:
            self._rules.append(rule)
        return rule

    def forget_rules(self) -> None:
        """Drops every rule; what they hold stays held until its gate opens."""
        with self._lock:
            self._rules.clear()

    def by_chance(self, chance: Callable[[Request], Fault | None] | None) -> None:
        """Asks for a fault at every request that no rule is about; None ends that."""
        self._chance = chance

    def refuse(self) -> None:
        """Takes no new connections from now on, and breaks the old ones."""
        self.stop_listening()
        self.cut_all()

    def accept(self) -> None:
        """Takes connections again."""
        if self._listener is None:
            self._listen(self.port)

    def cut_all(self) -> None:
        """Breaks every line."""
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.cut()

    def silence(self) -> None:
        """Swallows everything from now on, on old and new lines, and cuts none."""
        with self._lock:
            self._is_silent = True
            for line in self._lines:
                line.is_silent = True

    def speak(self) -> None:
        """Passes on what new lines say; those that were silenced stay so for ever."""
        with self._lock:
            self._is_silent = False

    def close(self) -> None:
        """Breaks every line and ends every thread."""
        self.closing.set()
        with self._lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            rule.gate.set()
        self.stop_listening()
        self.cut_all()
        with self._lock:
            threads = [line.thread for line in self._lines]
        for thread in threads:
            thread.join(_HELD_S)

    # --- what lines use ---

    def fault_for(self, request: Request) -> tuple[Fault | None, Rule | None]:
        """What happens to a request."""
        with self._lock:
            self.requests += 1
            for rule in self._rules:
                if rule.times and rule.matches(request):
                    rule.times -= 1
                    self.faults[rule.fault] += 1
                    return rule.fault, rule
            fault = self._chance(request) if self._chance else None
            if fault is not None:
                self.faults[fault] += 1
            return fault, None

    def forget(self, line: _Line) -> None:
        """A line has ended."""
        with self._lock:
            self._lines.discard(line)

    def reach_server(self) -> socket.socket:
        """A connection to the server.

        Raises:
            OSError: there is none.
        """
        if self._host.startswith("/"):
            upstream = socket.socket(socket.AF_UNIX)
            try:
                upstream.connect(f"{self._host}/.s.PGSQL.{self._port}")
            except OSError:
                upstream.close()
                raise
            return upstream
        return socket.create_connection((self._host, self._port), 5)

    # --- listening ---

    def _listen(self, port: int) -> None:
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._acceptor = threading.Thread(target=self._take, args=(listener,), name="proxy")
        self._acceptor.start()

    def stop_listening(self) -> None:
        """Takes no new connections from now on; the old ones stay."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        if self._acceptor is not None:
            self._acceptor.join(_HELD_S)
        listener.close()

    def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = _Line(self, client)
            with self._lock:
                line.is_silent = self._is_silent
                self._lines.add(line)
            line.thread.start()


class _LineEnds(Exception):  # noqa: N818  # it is how a line ends, not an error
    """One of the two sides is gone, or we cut them."""


class _Line:
    """One client's connection and the server's end of it, served by one thread."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._is_client_there = True
        self._from_client = b""
        self._from_server = b""
        self._statements: dict[bytes, str] = {}
        self._status = _IDLE
        self._has_written = False
        self.is_silent = False
        self.thread = threading.Thread(target=self._run, name="proxy-line")

    def cut(self) -> None:
        """Breaks the line, from any thread; its own thread then closes it."""
        for end in (self._client, self._server):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            self._park_if_silent()
            self._server = self._proxy.reach_server()
            self._greet()
            while True:
                self._serve(self._next_request())
        except (_LineEnds, OSError):
            pass
        finally:
            self._hang_up_client()
            if self._server is not None:
                self._server.close()
            self._client.close()
            self._proxy.forget(self)

    # --- the start of a session: everything passes until the server is ready ---

    def _greet(self) -> None:
        startup = self._read_client(4)
        (length,) = struct.unpack("!i", startup)
        self._to_server(startup + self._read_client(length - 4))
        while True:
            self._await_either()
            while self._from_client:
                self._to_server(b"".join(self._client_message()))
            while (message := self._buffered_server_message()) is not None:
                self._to_client(b"".join(message))
                if message[0] == _READY:
                    return

    # --- one request ---

    def _next_request(self) -> tuple[bytes, Request]:
        self._await_client()
        raw, executed, bound = b"", "", ""
        while True:
            kind, body = self._client_message()
            raw += kind + body
            match kind:
                case b"P":
                    name, _, rest = body[4:].partition(b"\0")
                    self._statements[name] = rest.partition(b"\0")[0].decode()
                case b"B":
                    name = body[4:].partition(b"\0")[2].partition(b"\0")[0]
                    bound = self._statements.get(name, "")
                case b"E":
                    executed = bound
                case b"Q" | b"S":
                    sql = body[4:-1].decode() if kind == b"Q" else executed
                    return raw, self._request(sql)
                case b"X":
                    self._to_server(raw)
                    raise _LineEnds

    def _await_client(self) -> None:
        while not self._from_client:
            if not self._is_client_there:
                raise _LineEnds
            self._await_either()
            if self._from_server:
                # The server speaks unasked: it is going down, or a setting changed.
                self._to_client(self._from_server)
                self._from_server = b""

    def _request(self, sql: str) -> Request:
        writes = "INSERT INTO quote_revision" in sql
        is_alone = self._status == _IDLE
        self._has_written = writes or (self._has_written and not is_alone)
        commits = is_alone or sql == "COMMIT"
        return Request(sql, saves=self._has_written and commits, is_alone=is_alone)

    def _serve(self, asked: tuple[bytes, Request]) -> None:
        raw, request = asked
        self._park_if_silent()
        fault, rule = self._proxy.fault_for(request)
        try:
            self._answer(raw, fault, rule)
        finally:
            if rule is not None:
                rule.met.set()
                rule.over.set()

    def _answer(self, raw: bytes, fault: Fault | None, rule: Rule | None) -> None:
        match fault:
            case Fault.LOSE_REQUEST:
                self._happens(rule)
                raise _LineEnds
            case Fault.TEAR_REQUEST:
                self._to_server(raw[: len(raw) // 2])
                self._happens(rule)
                raise _LineEnds
            case Fault.HOLD_REQUEST if rule is not None:
                self._wait_for(rule)
            case Fault.SEVER | Fault.STRAND:
                self._hang_up_client()
                if rule is not None and fault is Fault.STRAND:
                    self._wait_for(rule)
                self._to_server(raw)
                self._happens(rule)
                self._read_reply(rule)
                raise _LineEnds
            case _:
                pass
        self._to_server(raw)
        reply = self._read_reply(rule)
        match fault:
            case Fault.LOSE_REPLY:
                self._happens(rule)
                raise _LineEnds
            case Fault.PANIC:
                self._to_client(_PANIC)
                self._happens(rule)
                raise _LineEnds
            case Fault.TEAR_REPLY:
                self._to_client(reply[: len(reply) // 2])
                self._happens(rule)
                raise _LineEnds
            case Fault.HOLD_REPLY if rule is not None:
                self._wait_for(rule)
            case _:
                pass
        self._park_if_silent()
        self._to_client(reply)

    def _happens(self, rule: Rule | None) -> None:
        if rule is not None:
            rule.then()
            rule.met.set()

    def _wait_for(self, rule: Rule) -> None:
        self._happens(rule)
        rule.gate.wait(_HELD_S)

    def _park_if_silent(self) -> None:
        """On a silent line nothing is heard any more, until somebody hangs up."""
        while self.is_silent:
            try:
                if not self._client.recv(_CHUNK):
                    raise _LineEnds
            except OSError:
                raise _LineEnds from None

    def _read_reply(self, rule: Rule | None) -> bytes:
        """The server's answer up to ReadyForQuery, whether or not the client still waits."""
        reply, said = b"", "ok"
        try:
            while True:
                message = self._buffered_server_message()
                if message is None:
                    self._await_server()
                    continue
                kind, body = message
                reply += kind + body
                if kind == _ERROR:
                    said = _sqlstate(body)
                if kind == _READY:
                    self._status = body[4:5]
                    if rule is not None:
                        rule.said.append(said)
                    return reply
        except (_LineEnds, OSError):
            if rule is not None:
                rule.said.append(said if said != "ok" else "gone")
            # What the server said last (that it goes down) still reaches the client.
            with contextlib.suppress(OSError):
                self._to_client(reply)
            raise

    # --- bytes ---

    def _client_message(self) -> tuple[bytes, bytes]:
        kind = self._read_client(1)
        head = self._read_client(4)
        (length,) = struct.unpack("!i", head)
        return kind, head + self._read_client(length - 4)

    def _read_client(self, count: int) -> bytes:
        while len(self._from_client) < count:
            chunk = self._client.recv(_CHUNK)
            if not chunk:
                raise _LineEnds
            self._from_client += chunk
        taken, self._from_client = self._from_client[:count], self._from_client[count:]
        return taken

    def _buffered_server_message(self) -> tuple[bytes, bytes] | None:
        if len(self._from_server) < 5:
            return None
        (length,) = struct.unpack("!i", self._from_server[1:5])
        if len(self._from_server) < 1 + length:
            return None
        kind, body = self._from_server[:1], self._from_server[1 : 1 + length]
        self._from_server = self._from_server[1 + length :]
        return kind, body

    def _await_either(self) -> None:
        for end in self._readable():
            chunk = end.recv(_CHUNK)
            if not chunk:
                raise _LineEnds
            if end is self._client:
                self._from_client += chunk
            else:
                self._from_server += chunk

    def _await_server(self) -> None:
        """Reads from the server; a client that hangs up meanwhile is noted, no more."""
        for end in self._readable():
            if end is self._server:
                chunk = end.recv(_CHUNK)
                if not chunk:
                    raise _LineEnds
                self._from_server += chunk
                continue
            try:
                chunk = end.recv(_CHUNK)
            except OSError:
                chunk = b""
            self._from_client += chunk
            self._is_client_there = bool(chunk)

    def _readable(self) -> Iterator[socket.socket]:
        ends = [end for end in (self._server, self._client) if end is not None]
        if not self._is_client_there:
            ends.remove(self._client)
        ready, _, _ = select.select(ends, [], [])
        yield from ready

    def _to_server(self, data: bytes) -> None:
        if self._server is not None:
            self._server.sendall(data)

    def _to_client(self, data: bytes) -> None:
        if self._is_client_there:
            self._client.sendall(data)

    def _hang_up_client(self) -> None:
        self._is_client_there = False
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no kernel hands out by itself.

    Raises:
        OSError: every one is taken.
    """
    start = int.from_bytes(_CLOCK.token(4), "big")
    for offset in range(len(_PORTS)):
        port = _PORTS[(start + offset) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("every port is taken")


def _sqlstate(body: bytes) -> str:
    fields = body[4:].split(b"\0")
    return next((each[1:].decode() for each in fields if each[:1] == b"C"), "?")
