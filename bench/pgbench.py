"""pgbench with the very SQL that the engine sends: the ceiling that a client in C reaches.

Two things pgbench cannot do are done by the server instead: the attempt's id is made by
gen_random_uuid() and its instant by now(). Every other parameter is a parameter. A worker's quote
is looked up once; its version is counted by pgbench.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.measure import Sample, cpu_of, percentile, spent_by_server
from engine.database.sql import Statement
from engine.saving import statements

_MADE_BY_SERVER = {"attempt_id": "gen_random_uuid()", "attempt_started_at": "now()"}
_PER_WORKER = {"id": "quote_id", "agent_id": "agent_id", "attempt_agent_id": "agent_id",
               "attempt_quote_id": "quote_id", "named_quote_id": "quote_id",
               "client_id": "client_id", "checked_client_id": "client_id",
               "attempt_client_id": "client_id"}  # fmt: skip
_PLACEHOLDER = re.compile(r"\$(\d+)(::)?")


def script(values: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The pgbench script of one save, and the variables it needs.

    Args:
        values: the parameters of a real save of the engine's.
    """
    variables: dict[str, str] = {}
    read = _with_variables(statements.read_quote(keyed=False), values, variables)
    write = _with_variables(
        statements.change_in_one(keyed=False, has_queue=False), values, variables
    )
    lines = [
        r"\if :known",
        r"\else",
        "SELECT agent_id, quote_id, client_id FROM bench_worker WHERE number = :client_id \\gset",
        r"\set known 1",
        r"\set expected_version 1",
        r"\endif",
        read + ";",
        r"\set version :expected_version + 1",
        write + ";",
        r"\set expected_version :version",
    ]
    return "\n".join(lines) + "\n", variables


def _with_variables(statement: Statement, values: dict[str, Any], variables: dict[str, str]) -> str:
    def spelled(match: re.Match[str]) -> str:
        name = statement.names[int(match[1]) - 1]
        cast = "::" if match[2] else ""
        if name in _MADE_BY_SERVER:
            return _MADE_BY_SERVER[name] + cast
        if name in _PER_WORKER:
            return f":w_{_PER_WORKER[name]}" + cast
        if name in {"expected_version", "version", "attempt_expected_version"}:
            return ":expected_version" + cast if name != "version" else ":version" + cast
        if name == "attempt_actual_version":
            return ":version" + cast
        value = values[name]
        if value is None:
            return "NULL" + cast
        variables[name] = _text(value)
        # Types that the engine's driver sends with the value are spelled out here.
        return f":{name}" + (cast or _cast_of(value))

    return _PLACEHOLDER.sub(spelled, " ".join(statement.text.split()))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cast_of(value: object) -> str:
    for kind, name in ((bool, "boolean"), (bytes, "bytea"), (Decimal, "numeric"), (UUID, "uuid")):
        if isinstance(value, kind):
            return f"::{name}"
    return ""


def run(
    binary: Path,
    environment: dict[str, str],
    data: Path,
    values: dict[str, Any],
    workers: int,
    seconds: float,
) -> Sample:
    """Runs pgbench for some seconds and reads its log of latencies."""
    text, variables = script(values)
    text = text.replace(":w_", ":")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "save.sql"
        path.write_text(text)
        command = [
            str(binary), "--no-vacuum", "--protocol=prepared", f"--client={workers}",
            f"--jobs={min(workers, 2)}", f"--time={max(int(seconds), 1)}", "--log",
            f"--log-prefix={directory}/latency", f"--file={path}", "--define=known=0",
            *(f"--define={name}={value}" for name, value in variables.items()),
        ]  # fmt: skip
        with cpu_of(spent_by_server(data)) as server:
            before = os.times()
            done = subprocess.run(  # noqa: S603
                command, env=environment, capture_output=True, text=True, check=False
            )
            after = os.times()
        if done.returncode:
            raise SystemExit(f"pgbench: {done.stderr[-2000:]}")
        latencies = sorted(
            int(line.split()[2]) / 1e6
            for log in Path(directory).glob("latency*")
            for line in log.read_text().splitlines()
        )
    client = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    count = len(latencies)
    return Sample(
        "pgbench", workers, count, seconds,
        percentile(latencies, 0.5) * 1e3,
        percentile(latencies, 0.95) * 1e3,
        percentile(latencies, 0.99) * 1e3,
        client / count * 1e6,
        server.seconds / count * 1e6,
    )  # fmt: skip
