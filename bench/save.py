"""The save beside everything it is compared with, in one run on one embedded server.

    python -m bench.save [--seconds 4] [--rounds 3] [--workers 1,8,32] [--no-peer] [--json FILE]

Rounds are interleaved, so that a machine that gets slower meanwhile slows all of them; a ratio is
the median of the rounds' ratios. `--write` puts the tables into docs/reference/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from bench import pgbench
from bench.measure import (
    CpuMeter,
    Sample,
    cpu_of,
    machine,
    percentile,
    spent_by,
    spent_by_server,
)
from bench.payload import quote_payload
from bench.report import Results, print_tables, write_document
from bench.savers import Worker, make_workers, run_child
from bench.servers import free_port, serving
from engine.attempts.partitions import ensure_partitions
from engine.clock import SystemClock
from engine.correlation import make_correlation_id
from engine.database.cluster import Cluster
from engine.database.migrate import migrate_up
from engine.database.target import APP_ROLE, OWNER_ROLE, Target, bootstrap
from engine.quotes.lifecycle import Operation
from engine.runtime import open_runtime
from engine.saving import write as engine_write
from engine.saving.answer import Saved
from engine.saving.request import SaveRequest
from engine.settings import Settings

_HERE = Path(__file__).resolve().parent
_HOT_WORKERS, _HOT_ROUNDS = 32, 20
_PEER_AGENTS = 32


class Bench:
    """One server, our database and the peer's on it, and what is run against them."""

    def __init__(self, root: Path, seconds: float) -> None:
        self.root = root
        self.seconds = seconds
        self.clock = SystemClock()
        self.cluster = Cluster(root / "postgresql")
        self.cluster.start()
        self.superuser = self.cluster.conninfo("postgres")
        bootstrap(self.superuser, "bench")
        self.target = Target(
            app=make_conninfo(self.superuser, dbname="bench", user=APP_ROLE),
            owner=make_conninfo(self.superuser, dbname="bench", user=OWNER_ROLE),
        )
        migrate_up(self.target.owner, self.clock)
        with psycopg.connect(self.target.owner, autocommit=True) as connection:
            ensure_partitions(connection, self.clock.now())
            connection.execute(
                "CREATE TABLE bench_worker"
                " (number int PRIMARY KEY, agent_id uuid, quote_id uuid, client_id uuid)"
            )
            connection.execute(f"GRANT SELECT ON bench_worker TO {APP_ROLE}")

    def close(self) -> None:
        """Stops the server."""
        self.cluster.stop()

    # --- ours ---

    def workers(self, count: int) -> list[Worker]:
        """Fresh agents with a client each."""
        return make_workers(self.target.app, self.clock, count)

    def engine(self, kind: str, workers: int) -> Sample:
        """Our save in process, with (`engine`) or without (`bare`) its evidence."""
        made = self.workers(workers)
        job = {
            "kind": kind,
            "workers": workers,
            "seconds": self.seconds,
            "app": self.target.app,
            "data_dir": str(self.root / "engine"),
            "agents": [vars(each) for each in made],
            "payloads": [quote_payload(each.client_id) for each in made],
        }
        with self._server_cpu() as server:
            done = run_child("bench.engine_load", job)
        return _sample(kind, workers, done, done["cpu"], server.seconds)

    def pgbench(self, workers: int) -> Sample:
        """Pgbench with our SQL."""
        made = self.workers(workers)
        values = self._seed_quotes(made)
        environment = {
            "PATH": os.environ["PATH"],
            "PGHOST": str(self.cluster.socket_dir),
            "PGPORT": "5432",
            "PGUSER": APP_ROLE,
            "PGDATABASE": "bench",
        }
        return pgbench.run(
            self.cluster.bindir / "pgbench",
            environment,
            self.cluster.data,
            values,
            workers,
            self.seconds,
        )

    def _seed_quotes(self, made: list[Worker]) -> dict[str, Any]:
        """A quote at version 1 for each worker; returns the parameters of a real update."""
        captured: list[dict[str, Any]] = []
        original = engine_write._values

        def capturing(write: engine_write.Write) -> dict[str, Any]:
            captured.append(original(write))
            return captured[-1]

        settings = Settings(data_dir=self.root / "seed")
        with (
            open_runtime(settings, self.target) as runtime,
            psycopg.connect(self.target.owner, autocommit=True) as connection,
        ):
            connection.execute("TRUNCATE bench_worker")

            def save(
                worker: Worker, operation: Operation, quote_id: UUID | None, **more: Any
            ) -> Saved:
                attempt_id = self.clock.uuid7()
                saved = runtime.saver.save(
                    SaveRequest(
                        operation=operation,
                        agent_id=UUID(worker.agent_id),
                        modified_by=worker.account_id,
                        correlation_id=make_correlation_id(attempt_id),
                        attempt_id=attempt_id,
                        started_at=self.clock.now(),
                        received=self.clock.monotonic(),
                        quote_id=quote_id,
                        body=quote_payload(worker.client_id) | more,
                    )
                )
                if not isinstance(saved, Saved):
                    raise SystemExit(saved.body().decode())
                return saved

            for number, worker in enumerate(made):
                quote = save(worker, Operation.CREATE, None)
                connection.execute(
                    "INSERT INTO bench_worker VALUES (%s, %s, %s, %s)",
                    [number, worker.agent_id, quote.quote_id, worker.client_id],
                )
            model = save(made[0], Operation.CREATE, None)
            engine_write._values = capturing
            try:
                save(made[0], Operation.UPDATE, model.quote_id, version=1)
            finally:
                engine_write._values = original
        return captured[0]

    def http(self, workers: int) -> Sample:
        """Our save over HTTP, 80 % update."""
        made = self.workers(workers)
        with self._api() as (process, port):
            return self._drive(
                "http",
                process,
                port,
                [f"Authorization: Bearer {each.api_key}\r\n" for each in made],
                [quote_payload(each.client_id) for each in made],
            )

    def hot_quote(self) -> dict[str, Any]:
        """Our save when 32 workers read and save one quote."""
        (worker,) = self.workers(1)
        header = f"Authorization: Bearer {worker.api_key}\r\n"
        with self._api() as (_, port):
            quote_id = _create(port, header, quote_payload(worker.client_id))
            return _hot(port, header, quote_id)

    @contextmanager
    def _api(self) -> Iterator[tuple[psutil.Process, int]]:
        port = free_port()
        environment = os.environ | {
            "DATABASE_URL": _url(self.target.app),
            "SAVEGUARD_OWNER_DATABASE_URL": _url(self.target.owner),
            "SAVEGUARD_DATA_DIR": str(self.root / "api"),
            "SAVEGUARD_API_PORT": str(port),
        }
        with serving([sys.executable, "-m", "engine.cli", "api"], environment, port) as process:
            yield process, port

    # --- the peer ---

    def prepare_peer(self) -> None:
        """Installs the peer's program and makes its tables."""
        subprocess.run([str(_HERE / "peer" / "install.sh")], check=True, stdout=sys.stderr)  # noqa: S603
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute("CREATE DATABASE peer")
        with psycopg.connect(self._peer(), autocommit=True) as connection:
            for name in ("schema.sql", "seed.sql"):
                connection.execute((_HERE / "peer" / name).read_bytes())
            connection.execute("SELECT bench_seed(%s, 10)", [_PEER_AGENTS])
            connection.execute("VACUUM ANALYZE")

    def peer(self, workers: int) -> Sample:
        """The peer's save over HTTP, 80 % update."""
        with self._peer_server() as (process, port):
            return self._drive(
                "peer",
                process,
                port,
                [f"x-user-id: {_peer_id(1, number + 1)}\r\n" for number in range(workers)],
                [quote_payload(_peer_id(3, number + 1)) for number in range(workers)],
            )

    def peer_hot_quote(self) -> dict[str, Any]:
        """The peer's save when 32 workers read and save one quote."""
        header = f"x-user-id: {_peer_id(1, 1)}\r\n"
        with self._peer_server() as (_, port):
            quote_id = _create(port, header, quote_payload(_peer_id(3, 1)))
            return _hot(port, header, quote_id)

    @contextmanager
    def _peer_server(self) -> Iterator[tuple[psutil.Process, int]]:
        port = free_port()
        environment = os.environ | {
            "DATABASE_URL": _url(self._peer()),
            "PORT": str(port),
            "POOL": "16",
        }
        command = ["node", str(_HERE / "peer" / "server.mjs")]
        with serving(command, environment, port) as process:
            yield process, port

    def _peer(self) -> str:
        return make_conninfo(self.superuser, dbname="peer")

    # --- both ---

    def _drive(
        self,
        kind: str,
        process: psutil.Process,
        port: int,
        headers: list[str],
        payloads: list[dict[str, Any]],
    ) -> Sample:
        job = {"port": port, "workers": len(headers), "headers": headers, "payloads": payloads}
        run_child("bench.http_load", job | {"seconds": 2})  # warm
        with self._server_cpu() as server, cpu_of(spent_by(process)) as client:
            done = run_child("bench.http_load", job | {"seconds": self.seconds})
        return _sample(kind, len(headers), done, client.seconds, server.seconds)

    def _server_cpu(self) -> Any:
        return cpu_of(spent_by_server(self.cluster.data))


def _sample(
    kind: str, workers: int, done: dict[str, Any], client_s: float, server_s: float
) -> Sample:
    ordered = sorted(done["latencies"])
    count = len(ordered)
    return Sample(
        kind, workers, count, done["seconds"],
        percentile(ordered, 0.5) * 1e3,
        percentile(ordered, 0.95) * 1e3,
        percentile(ordered, 0.99) * 1e3,
        client_s / count * 1e6,
        server_s / count * 1e6,
    )  # fmt: skip


def _url(conninfo: str) -> str:
    """A URL for a conninfo over a unix socket."""
    from urllib.parse import quote, urlencode  # noqa: PLC0415

    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    given = conninfo_to_dict(conninfo)
    query = urlencode({"host": str(given["host"]), "port": str(given.get("port", 5432))})
    user, database = quote(str(given["user"])), quote(str(given["dbname"]))
    return f"postgresql://{user}@localhost/{database}?{query}"


def _peer_id(kind: int, agent: int, quote: int = 0) -> str:
    return f"{kind:08x}-0000-4000-8000-{agent:06x}{quote:06x}"


def _create(port: int, header: str, payload: dict[str, Any]) -> str:
    import urllib.request  # noqa: PLC0415

    name, _, value = header.strip().partition(": ")
    request = urllib.request.Request(  # loopback
        f"http://127.0.0.1:{port}/api/agents/quotes",
        data=json.dumps(payload).encode(),
        headers={name: value, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        quote_id: str = json.load(answer)["quoteId"]
        return quote_id


def _hot(port: int, header: str, quote_id: str) -> dict[str, Any]:
    done = run_child(
        "bench.http_load",
        {
            "port": port,
            "workers": _HOT_WORKERS,
            "rounds": _HOT_ROUNDS,
            "headers": [header],
            "quote_id": quote_id,
        },
    )
    rise = done["version"] - 1
    lost = done["acknowledged"] - rise
    return done | {"rise": rise, "lost": lost, "lost_share": lost / max(done["acknowledged"], 1)}


def main() -> None:
    """Runs everything and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind")
    parser.add_argument("--workers", default="1,8,32", help="how many at once, comma separated")
    parser.add_argument("--no-peer", action="store_true", help="leave the Node program out")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    levels = [int(each) for each in given.workers.split(",")]
    root = Path(tempfile.mkdtemp(prefix="saveguard-bench-"))
    root.chmod(0o755)  # as root, the server runs as another user
    bench = Bench(root, given.seconds)
    samples: list[Sample] = []
    hot: dict[str, Any] = {}
    try:
        if not given.no_peer:
            bench.prepare_peer()
        for number in range(given.rounds):
            for workers in levels:
                sys.stderr.write(f"round {number + 1} of {given.rounds}, {workers} at once\n")
                samples.append(bench.pgbench(workers))
                samples.append(bench.engine("engine", workers))
                samples.append(bench.engine("bare", workers))
                samples.append(bench.http(workers))
                if not given.no_peer:
                    samples.append(bench.peer(workers))
        hot["saveguard"] = bench.hot_quote()
        if not given.no_peer:
            hot["peer"] = bench.peer_hot_quote()
    finally:
        bench.close()
        shutil.rmtree(root, ignore_errors=True)
    results = Results(machine(), samples, hot)
    print_tables(results)
    if given.json:
        given.json.write_text(json.dumps(results.as_dict(), indent=2))
    if given.write:
        write_document(results)


if __name__ == "__main__":
    main()


__all__ = ["CpuMeter", "main"]
