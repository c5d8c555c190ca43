"""Alerts through receivers that fail, a blackout, and a sender that is killed again and again.

    python -m bench.alert_delivery [--alerts 10000] [--kills 10] [--blackout 20] [--write]

Each alert goes to a webhook and to a stand-in of Telegram's Bot API. Both fail 30 % of the time, in
every way that there is; for a while nobody is reached at all; and the process that decides and
sends is killed with SIGKILL, half of the times right when a receiver has taken something and has
not answered yet. At the end everything that the receivers took is counted.

A webhook's receiver knows a repetition by its key. Telegram has none: whenever an answer is lost
there, be it on the line or with the process, somebody has to choose between perhaps twice and
perhaps never. So its repetitions can be no fewer than the answers that were lost, and the bench
loses one in 5,000 there; at the webhook one in 70.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from bench.alert_sender import alert_id
from bench.document import markdown_table, measured_on, write_numbers, write_part
from bench.holds import Hold
from bench.measure import machine, percentile
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.database.migrate import migrate_up
from engine.database.target import APP_ROLE, OWNER_ROLE, Target, bootstrap
from tests.alerting_receivers import (
    ACCEPT_AND_HANG,
    ACCEPT_AND_RESET,
    CHAT,
    OK,
    RESET,
    SECRET,
    SERVER_ERROR,
    TOKEN,
    Reaction,
    Request,
    bot_api,
    bot_limited,
    limited,
    webhook,
)

_TOP: Final = Path(__file__).resolve().parent.parent
_MARK: Final = "This may repeat an earlier message."
_POLL_S: Final = 0.05
_PATIENCE_S: Final = 3_600.0

# What a receiver does, and how often; the rest is done as it should.
Faults = list[tuple[float, Reaction]]
_AT_WEBHOOK: Final[Faults] = [
    (0.14, SERVER_ERROR),
    (0.13, RESET),
    (0.0155, limited(1)),
    (0.01, ACCEPT_AND_RESET),
    (0.0045, ACCEPT_AND_HANG),
]
_AT_TELEGRAM: Final[Faults] = [
    (0.15, SERVER_ERROR),
    (0.1448, RESET),
    (0.005, bot_limited(1)),
    (0.0001, ACCEPT_AND_RESET),
    (0.0001, ACCEPT_AND_HANG),
]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done.

    Attributes:
        alerts: how many, each on two channels.
        kills: how often the sender is killed.
        blackout_s: how long nobody is reached.
        seed: of chance.
    """

    alerts: int
    kills: int
    blackout_s: float
    seed: int = 7


class _Receiving:
    """What the two receivers do with requests, and what they have taken."""

    def __init__(self, size: Size, killing: list[Callable[[], None]]) -> None:
        self._size = size
        self._killing = killing  # filled in when there is a process
        self._random = random.Random(size.seed)  # noqa: S311  # nothing secret
        self._lock = threading.Lock()
        self._blackout_until: float | None = None
        self.tries = self.failed = self.accepted = self.kills = self.lost_answers = 0

    def reaction(self, faults: Faults, *, may_kill: bool) -> Reaction:
        """What is done with a request."""
        with self._lock:
            self.tries += 1
            if self._is_black():
                return RESET
            drawn, reaction = self._random.random(), OK
            for share, fault in faults:
                if drawn < share:
                    reaction = fault
                    break
                drawn -= share
            self.failed += reaction is not OK
            self.accepted += reaction.is_accepted
            self.lost_answers += reaction.is_accepted and reaction.status is None
            is_worst = may_kill and reaction is OK and self._is_time_to_kill(is_worst=True)
            if is_worst or self._is_time_to_kill(is_worst=False):
                self.kills += 1
                self._killing[0]()
        return reaction

    def _is_black(self) -> bool:
        """Whether nobody is reached: once, when two fifths are through."""
        now = time.monotonic()
        if self._blackout_until is None and self.accepted >= 0.8 * self._size.alerts:
            self._blackout_until = now + self._size.blackout_s
        return self._blackout_until is not None and now < self._blackout_until

    def _is_time_to_kill(self, *, is_worst: bool) -> bool:
        """Kills are spread over the run; every other one is at the webhook's worst moment."""
        if self.kills >= self._size.kills or (self.kills % 2 == 0) is not is_worst:
            return False
        due = (self.kills + 1) * 2 * self._size.alerts / (self._size.kills + 1)
        return self.accepted >= due


class _Process:
    """The sender's process, started again whenever it is dead."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._job = json.dumps(job)
        self._process: subprocess.Popen[str] | None = None

    def keep_up(self) -> None:
        """Starts it where there is none."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # our own interpreter and module
                [sys.executable, "-m", "bench.alert_sender"],
                cwd=_TOP,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            if self._process.stdin is not None:
                self._process.stdin.write(self._job)
                self._process.stdin.close()

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def run(target: Target, directory: Path, size: Size) -> dict[str, Any]:
    """Sends alerts under faults, and counts.

    Args:
        target: a migrated database without alerts.
        directory: for data of the sender.
        size: how much.
    """
    killing: list[Callable[[], None]] = []
    receiving = _Receiving(size, killing)
    began = time.monotonic()
    with (
        bot_api() as telegram,
        webhook(lambda _request: receiving.reaction(_AT_WEBHOOK, may_kill=True)) as hook,
    ):
        telegram.script = lambda _request: receiving.reaction(_AT_TELEGRAM, may_kill=False)
        process = _Process(
            {
                "app": target.app,
                "data_dir": str(directory),
                "alerts": size.alerts,
                "telegram": telegram.url,
                "webhook": f"{hook.url}/alerts",
                "token": TOKEN,
                "chat": CHAT,
                "secret": SECRET,
            }
        )
        killing.append(process.kill)
        try:
            _until_done(target, process, size)
        finally:
            process.kill()
        faults = [*telegram.receiver.faults, *hook.faults]
        return {
            "alerts": size.alerts,
            "kills": receiving.kills,
            "blackout_s": size.blackout_s,
            "seconds": time.monotonic() - began,
            "tries": receiving.tries,
            "failed_share": receiving.failed / max(receiving.tries, 1),
            "lost_answers": receiving.lost_answers,
            "malformed": len(faults),
            "webhook": _of_webhook(hook.accepted, size),
            "telegram": _of_telegram(telegram.messages, size),
            **_of_database(target),
        }


def _until_done(target: Target, process: _Process, size: Size) -> None:
    until = time.monotonic() + _PATIENCE_S
    with psycopg.connect(target.app, autocommit=True) as connection:
        while time.monotonic() < until:
            process.keep_up()
            row = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE state IN ('waiting', 'sending'))"
                " FROM alert_outbox"
            ).fetchone()
            if row is not None and row[0] >= 2 * size.alerts and not row[1]:
                return
            time.sleep(_POLL_S)
    raise TimeoutError("it does not end")


def _of_webhook(accepted: list[Request], size: Size) -> dict[str, Any]:
    """By the rules of a receiver: what has a key that was seen is the same notice."""
    alerts: Counter[str] = Counter()
    keys: dict[str, set[str]] = {}
    unmarked = 0
    for request in accepted:
        body = request.json
        name = body["alertId"]
        unmarked += alerts[name] > 0 and not body["isPerhapsRepeated"]
        alerts[name] += 1
        keys.setdefault(name, set()).add(request.headers["idempotency-key"])
    return {
        "lost": sum(str(alert_id(number)) not in alerts for number in range(size.alerts)),
        "on_the_wire_again": sum(alerts.values()) - len(alerts),
        "taken_twice": sum(len(each) - 1 for each in keys.values()),
        "unmarked": unmarked,
    }


def _of_telegram(messages: list[Mapping[str, Any]], size: Size) -> dict[str, Any]:
    seen: Counter[str] = Counter()
    unmarked = 0
    for message in messages:
        text = str(message["text"])
        (name,) = [line.split(":")[0] for line in text.splitlines() if line.startswith("alert ")]
        unmarked += seen[name] > 0 and _MARK not in text
        seen[name] += 1
    return {
        "lost": sum(f"alert {number}" not in seen for number in range(size.alerts)),
        "on_the_wire_again": sum(seen.values()) - len(seen),
        "taken_twice": sum(seen.values()) - len(seen),
        "unmarked": unmarked,
    }


def _of_database(target: Target) -> dict[str, Any]:
    with psycopg.connect(target.app, autocommit=True) as connection:
        states: dict[str, int] = dict(
            connection.execute("SELECT state, count(*) FROM alert_outbox GROUP BY state").fetchall()
        )
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE result = 'unknown') FROM alert_delivery"
        ).fetchone()
        most = connection.execute("SELECT max(tries) FROM alert_outbox").fetchone()
        waits = [
            float(seconds)
            for (seconds,) in connection.execute(
                "SELECT extract(epoch FROM ended_at - made_at) FROM alert_outbox"
                " WHERE state = 'delivered' ORDER BY 1"
            )
        ]
    return {
        "states": states,
        "tries_written": row[0] if row else 0,
        "claims_that_ran_out": row[1] if row else 0,
        "tries_max": most[0] if most else 0,
        "p50_s": percentile(waits, 0.5),
        "p99_s": percentile(waits, 0.99),
    }


def holds(results: Mapping[str, Any]) -> list[Hold]:
    """What is held of a run."""
    both = [results["webhook"], results["telegram"]]
    most = max(both, key=lambda each: each["taken_twice"])
    return [
        Hold("alerts that a receiver never got", sum(each["lost"] for each in both), 0),
        Hold(
            "alerts taken twice, of 1,000",
            most["taken_twice"] * 1_000 / results["alerts"],
            1.0,
            where="Telegram" if most is results["telegram"] else "webhook",
        ),
        Hold("repetitions that do not say so", sum(each["unmarked"] for each in both), 0),
        Hold("requests that a receiver found malformed", results["malformed"], 0),
    ]


def markdown(results: Mapping[str, Any]) -> list[str]:
    """The part of the performance page."""
    rows = [
        [
            name,
            f"{results['alerts']:,}",
            f"{results[key]['lost']:,}",
            f"{results[key]['on_the_wire_again']:,}",
            f"{results[key]['unmarked']:,}",
            f"{results[key]['taken_twice']:,}",
        ]
        for name, key in (("webhook", "webhook"), ("Telegram", "telegram"))
    ]
    held = [
        [each.claim, each.found_in_words, each.limit_in_words, each.verdict.value]
        for each in holds(results)
    ]
    told = (
        f"{results['tries']:,} requests in {results['seconds']:,.0f} s, of which"
        f" {results['failed_share']:.1%} were made to fail and more in a blackout of"
        f" {results['blackout_s']:.0f} s; {results['lost_answers']:,} answers were lost after"
        f" something was taken; the sender was killed {results['kills']} times, and"
        f" {results['claims_that_ran_out']} claims ran out. At most {results['tries_max']} tries"
        " for one notice."
    )
    return [
        "",
        measured_on(results["machine"]),
        "",
        *markdown_table(["Claim", "Found", "Hold", ""], held),
        "",
        *markdown_table(
            ["channel", "alerts", "lost", "sent again after being taken", "of these unmarked",
             "taken twice"],
            rows,
        ),
        "",
        told,
        "",
    ]  # fmt: skip


@contextmanager
def open_database(directory: Path) -> Iterator[Target]:
    """A migrated database on a server of its own."""
    cluster = Cluster(directory / "postgresql")
    cluster.start()
    try:
        superuser = cluster.conninfo("postgres")
        bootstrap(superuser, "bench")
        target = Target(
            app=make_conninfo(superuser, dbname="bench", user=APP_ROLE),
            owner=make_conninfo(superuser, dbname="bench", user=OWNER_ROLE),
        )
        migrate_up(target.owner, SystemClock())
        yield target
    finally:
        cluster.stop()


def main() -> None:
    """Runs it on a database of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--blackout", type=float, default=20.0, help="seconds")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saveguard-bench-") as directory:
        Path(directory).chmod(0o755)  # as root, the server runs as another user
        with open_database(Path(directory)) as target:
            size = Size(given.alerts, given.kills, given.blackout, given.seed)
            results = {"machine": machine(), **run(target, Path(directory) / "data", size)}
    results["holds"] = [hold.as_dict() for hold in holds(results)]
    print(json.dumps({name: each for name, each in results.items() if name != "holds"}, indent=2))
    for hold in holds(results):
        print(hold.line())
    if given.write:
        write_part("bench.alert_delivery", markdown(results))
        write_numbers("bench.alert_delivery", results)


if __name__ == "__main__":
    main()
