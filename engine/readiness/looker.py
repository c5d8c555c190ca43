"""The process that looks, started by `apart`: reads one order, and says what it finds.

It has pools of its own, small ones, and runs when nothing else wants the processor: whoever saves
meanwhile is not to notice it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError

from engine.clock import SystemClock
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.logs import configure_logs, report
from engine.readiness.apart import Order
from engine.readiness.items import Item
from engine.readiness.looking import read_release
from engine.readiness.probes.limits import WAITS
from engine.readiness.probes.probe import Found
from engine.readiness.running import run
from engine.readiness.turn import CONNECTIONS, UnderWayError, turn
from engine.readiness.watching import WORKER
from engine.runtime import open_runtime

_NICE: Final = 10
_LEAVE_S: Final = 5.0


def main() -> int:
    """Looks at what the first line of standard input says; ends when that is closed."""
    say = _speaker()
    order = Order.read(sys.stdin.buffer.readline())
    configure_logs(order.settings.log_format)
    # Whoever is started in the background is born deaf to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    with suppress(OSError):
        os.nice(_NICE)
    try:
        _look(order, say)
    except UnderWayError as error:
        say({"refused": str(error), "isUnderWay": True})
        return 1
    except (SetupError, KeyboardInterrupt) as error:
        say({"refused": str(error) or "it was interrupted", "isUnderWay": False})
        return 1
    except (DBAPIError, psycopg.Error, PoolTimeout) as error:
        cause = getattr(error, "orig", None) or error
        words = f"the database could not be asked ({type(cause).__name__})"
        say({"refused": words, "isUnderWay": False})
        return 1
    say({"done": True})
    return 0


def _look(order: Order, say: Any) -> None:  # noqa: ANN401  # prints
    clock, target = SystemClock(), order.target

    def begin(item: Item) -> None:
        say({"begun": item.id})

    def progress(item: Item, found: Found, _done: int, _total: int) -> None:
        told = {"verdict": found.verdict, "reason": found.reason, "witness": found.witness}
        say({"found": item.id, "numbers": found.numbers, **told})

    name = WORKER if order.actor.name == WORKER else order.actor.correlation_id
    with turn(target, clock, name, order.patience):
        with session_of(target) as session:
            release = read_release(session, order.release_id)
        if release is None:
            raise SetupError("there is no such release")
        items = [release.items[each] for each in order.boxes]
        with open_runtime(
            order.settings, target, clock=clock, save_connections=CONNECTIONS, report=report
        ) as runtime:
            run(
                runtime, order.actor, release, items, progress,
                begin=begin, shared={WAITS: order.waits},
            )  # fmt: skip


def _speaker() -> Any:  # noqa: ANN401  # a function that prints
    """Says a line of JSON to whoever started this; whatever else is printed goes astray."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(fact: dict[str, object]) -> None:
        with suppress(BrokenPipeError):  # nobody is there to hear it
            out.write(json.dumps(fact, default=str) + "\n")
            out.flush()

    return say


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, be it killed.

    In order if it can: keys of canaries are revoked. What it was saving is resolved by others, as
    after every process that dies.
    """
    # Nobody writes: it returns when the other end is closed. Not by the buffered reader, whose lock
    # a thread that waits would still hold when the interpreter ends.
    os.read(sys.stdin.fileno(), 1)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    threading.Event().wait(_LEAVE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
