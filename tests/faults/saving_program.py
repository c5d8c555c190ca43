"""A process that saves, for a test to kill; it tells every call before and after, line by line.

Its one argument is an `Order` as JSON. It leaves when it has made as many calls as it was told to.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from engine.attempts import journal
from engine.attempts.journal import Journal
from engine.attempts.ledger import AttemptRow
from engine.attempts.line_writer import LineWriter
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.history import Call, History
from engine.runtime import open_runtime
from engine.settings import Settings
from tests.faults.calls import Calls
from tests.faults.load import MIX, Load
from tests.support import Agency

# A line that begins so names an attempt that the journal has; every other line is a call.
BEGUN: Final = b"+"
_LAST: Final = 20


class Order(msgspec.Struct, kw_only=True):
    """What a program is to do.

    Attributes:
        app: conninfo of the application.
        owner: conninfo of the owner.
        data_dir: for the journal.
        write_form: how saves are written.
        agent_id: who saves.
        account_id: who is written down as the modifier.
        client_id: a client of the agent's.
        seed: of what it does.
        threads: how many save at once.
        most: how many calls in all.
        only_creates: nothing else.
        rotate_bytes: size of the journal at which it is written anew.
        quota: the agent's.
        dies: "before line" or "after line": kills itself at that place of its twentieth attempt.
    """

    app: str
    owner: str
    data_dir: str
    write_form: str
    agent_id: UUID
    account_id: UUID
    client_id: UUID
    seed: str
    threads: int = 8
    most: int = 1_000_000_000
    only_creates: bool = False
    rotate_bytes: int = 8 * 1024 * 1024
    quota: int = 100_000
    dies: str = ""


class Told(History):
    """A history that is told to whoever reads our output; a line is written in one piece."""

    def asked(self, call: Call) -> None:
        os.write(1, msgspec.json.encode(call) + b"\n")

    def answered(self, call: Call) -> None:
        os.write(1, msgspec.json.encode(call) + b"\n")


def tell_what_is_begun(of: Journal) -> None:
    """Tells of every attempt that the journal has taken, once it has."""
    begin = of.begin

    def begin_and_tell(row: AttemptRow) -> None:
        begin(row)
        os.write(1, BEGUN + row.correlation_id.encode() + b"\n")

    of.begin = begin_and_tell  # type: ignore[method-assign]


def die_at_line(of: LineWriter, place: str) -> None:
    """Kills this process right before or after it has written a line."""
    ended, count = of.ended, itertools.count(1)

    def end_and_die(row: AttemptRow) -> None:
        is_last = next(count) == _LAST
        if is_last and place == "before line":
            os.kill(os.getpid(), signal.SIGKILL)
        ended(row)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)

    of.ended = end_and_die  # type: ignore[method-assign]


def main(given: str) -> None:
    order = msgspec.json.decode(given, type=Order)
    settings = Settings.model_validate(
        {
            "data_dir": Path(order.data_dir),
            "write_form": order.write_form,
            # On a busy machine several of these start at once.
            "pool_wait": timedelta(seconds=8),
        }
    )
    journal._ROTATE_BYTES = order.rotate_bytes  # type: ignore[misc]
    with open_runtime(settings, Target(app=order.app, owner=order.owner)) as runtime:
        tell_what_is_begun(runtime.journal)
        if order.dies:
            die_at_line(runtime.lines, order.dies)
        agency = Agency(runtime, order.agent_id, order.account_id, order.client_id, "")
        mix = [Operation.CREATE] if order.only_creates else MIX
        more = {"max_active_quotes": order.quota}
        load = Load(Calls(runtime, agency, Told()), order.seed, most=order.most, mix=mix, more=more)
        with load.running(order.threads):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
