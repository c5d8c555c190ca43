"""Listening: a port that is taken, or not ours to take, is one line that says what to do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from engine.cli.listening import listen, require_free, url_of
from engine.errors import SetupError

LOOPBACK = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_port_in_use_is_named_with_what_chooses_another(taken: int) -> None:
    with pytest.raises(SetupError) as caught:
        require_free(LOOPBACK, taken, "--port")

    assert str(caught.value) == (
        f"port {taken} is in use: stop what listens there, or choose another with --port"
    )


def test_a_name_is_refused_when_one_of_its_addresses_is_taken(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = socket.getaddrinfo("127.0.0.2", taken, type=socket.SOCK_STREAM)
    both = [*free, *socket.getaddrinfo(LOOPBACK, taken, type=socket.SOCK_STREAM)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_more: both)

    with pytest.raises(SetupError, match="in use"):
        require_free("two-addresses", taken, "--port")


def test_asking_leaves_the_port_free() -> None:
    port = free_port()

    require_free(LOOPBACK, port, "--port")
    sockets = listen(LOOPBACK, port, "--port")

    for each in sockets:
        assert each.getsockname() == (LOOPBACK, port)
        each.close()


def test_whoever_listens_is_connected_to_at_once() -> None:
    port = free_port()
    (listening,) = listen(LOOPBACK, port, "--port")

    with closing(listening), closing(socket.create_connection((LOOPBACK, port), timeout=5)) as made:
        assert made.getpeername() == (LOOPBACK, port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "x" * 300])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(SetupError) as caught:
        require_free(host, free_port(), "--port")

    assert str(caught.value) == f"SAVEGUARD_HOST {host}: is no address of this machine"


def test_a_port_that_is_not_ours_to_take_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object) -> None:
        raise PermissionError(errno.EACCES, "whatever the system says")

    monkeypatch.setattr(socket.socket, "bind", refuse)

    with pytest.raises(SetupError) as caught:
        require_free(LOOPBACK, 80, "--port or SAVEGUARD_PORT")

    assert str(caught.value) == (
        "cannot listen on port 80 (Permission denied): choose another with --port or SAVEGUARD_PORT"
    )


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert url_of("::1", 8501) == "http://[::1]:8501"
    assert url_of(LOOPBACK, 8501) == "http://127.0.0.1:8501"
