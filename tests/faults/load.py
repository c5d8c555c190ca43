"""A load of callers: a mix of saves on shared quotes, with retries, from many threads."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import UUID

from engine.clock import SystemClock
from engine.quotes.lifecycle import Operation
from engine.saving.answer import Refused, Replayed, Saved, SaveResult
from engine.saving.request import SaveRequest
from tests.faults.calls import Calls

THREADS: Final = 8
CLOCK: Final = SystemClock()
_TRIES_MAX: Final = 4
# A caller that is refused takes a breath; without it a short outage fills the spool for minutes.
_PAUSE_S: Final = 0.01
_FAILURES: Final = frozenset(
    {"QUOTE_PERSISTENCE_FAILED", "DATABASE_TIMEOUT", "DATABASE_TRANSACTION_ABORTED"}
)
MIX: Final = (
    *[Operation.CREATE] * 5,
    *[Operation.UPDATE] * 12,
    *[Operation.SEND] * 2,
    *[Operation.DELETE] * 1,
)
_SHARED_MAX: Final = 12

T = TypeVar("T")


class Dice:
    """Chance that a seed repeats."""

    def __init__(self, seed: object) -> None:
        self._seed = str(seed)
        self._count = count()

    def chance(self) -> float:
        """A fair number from 0 up to 1."""
        thrown = f"{self._seed}:{next(self._count)}".encode()
        return int.from_bytes(hashlib.blake2b(thrown, digest_size=7).digest(), "big") / 2**56

    def pick(self, of: Sequence[T]) -> T:
        """One of several."""
        return of[int(self.chance() * len(of))]


def new_seed() -> str:
    """A seed, printed, so that a failure can be looked into."""
    seed = CLOCK.token(4).hex()
    sys.stdout.write(f"seed {seed}\n")
    return seed


class Load:
    """Callers that save until told to stop, or until they have made enough calls."""

    def __init__(
        self,
        calls: Calls,
        seed: str,
        *,
        most: int = sys.maxsize,
        mix: Sequence[Operation] = MIX,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Describes a load.

        Args:
            calls: whose engine is called.
            seed: of what the callers do.
            most: attempts, retries included, after which they stop.
            mix: what they do, as often as it stands there.
            more: part of every request.
        """
        self._calls = calls
        self._mix = mix
        self._more = more
        self._seed = seed
        self._most = most
        self._made = count()
        self._lock = threading.Lock()
        self._shared: dict[UUID, int] = {}
        self._stop = threading.Event()
        self.errors: list[BaseException] = []

    @contextmanager
    def running(self, threads: int = THREADS) -> Iterator[None]:
        """Callers at work while the block runs; at its end they finish and leave."""
        callers = [
            threading.Thread(target=self._call, args=(number,), name=f"caller-{number}")
            for number in range(threads)
        ]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            if self._most == sys.maxsize:
                self._stop.set()
            for caller in callers:
                caller.join(110)
        assert self.errors == []
        assert not any(caller.is_alive() for caller in callers)

    def _call(self, number: int) -> None:
        dice = Dice(f"{self._seed}:{number}")
        try:
            while not self._stop.is_set():
                self._one(dice)
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            self.errors.append(error)
            self._stop.set()

    def _one(self, dice: Dice) -> None:
        """One wish of a caller, tried until it is answered or given up."""
        operation = dice.pick(self._mix)
        with self._lock:
            known = list(self._shared.items())
        if not known:
            operation = Operation.CREATE
        quote_id, version = (None, 0) if operation is Operation.CREATE else dice.pick(known)
        body: dict[str, Any] = {} if quote_id is None else {"version": version}
        key = f"key-{dice.chance()}" if dice.chance() < 0.6 else None
        more = {**self._more, "idempotency_key": key}
        request = self._calls.request(operation, quote_id, body, **more)
        for _ in range(_TRIES_MAX):
            if next(self._made) >= self._most:
                self._stop.set()
                return
            result = self._calls.send(request)
            # Now and then an answer is lost on the caller's side of us: it asks again.
            is_heard = key is None or dice.chance() >= 0.1
            if is_heard and not may_try_again(request, result):
                break
            CLOCK.sleep(_PAUSE_S)
            request = self._calls.agency.request(operation, quote_id, dict(request.body), **more)
        else:
            return
        self._learn(request, result)

    def _learn(self, request: SaveRequest, result: SaveResult) -> None:
        """What a caller now believes of the quote."""
        with self._lock:
            match result:
                case Saved() | Replayed() if request.operation is Operation.DELETE:
                    self._shared.pop(result.quote_id, None)
                case Saved() | Replayed():
                    if len(self._shared) < _SHARED_MAX or result.quote_id in self._shared:
                        self._shared[result.quote_id] = result.version
                case Refused() if request.quote_id in self._shared:
                    actual = result.refusal.details.get("actualVersion")
                    if actual is None:
                        self._shared.pop(request.quote_id, None)
                    else:
                        self._shared[request.quote_id] = actual


def may_try_again(request: SaveRequest, result: SaveResult) -> bool:
    """What a careful caller sends again: failures, and what is in doubt only under a key."""
    if not isinstance(result, Refused) or result.refusal.code.value not in _FAILURES:
        return False
    return not result.refusal.details or request.idempotency_key is not None
