"""The two ways that a replay can go: into the engine of this process, or over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.attempts.outcome import Source
from engine.replay.agencies import Agency
from engine.replay.engine_sender import EngineSender
from engine.replay.http_sender import HttpSender, must_know
from engine.replay.line import Address
from engine.replay.sender import Sender
from engine.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Way:
    """What differs between the two.

    Attributes:
        name: engine or http.
        open_sender: gives a worker its line.
        must_know: makes sure that an agency that was just made can send; raises SetupError.
        settle: sees attempts into the ledger that their own saves could not.
    """

    name: str
    open_sender: Callable[[], Sender]
    must_know: Callable[[Agency], None]
    settle: Callable[[], None]


def engine_way(runtime: Runtime, source: Source) -> Way:
    """Into an open engine.

    Args:
        runtime: to save with.
        source: what the ledger is to call this traffic.
    """
    sender = EngineSender(runtime, source)

    def settle() -> None:
        runtime.sweeper.sweep()

    return Way("engine", lambda: sender, lambda _agency: None, settle)


def http_way(address: Address) -> Way:
    """To a server, which sweeps for itself."""
    return Way(
        "http",
        lambda: HttpSender(address),
        lambda agency: must_know(address, agency.api_key),
        lambda: None,
    )
