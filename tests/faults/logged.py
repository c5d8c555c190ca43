"""Log lines held against the ledger, field by field, by means that the engine does not use."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from engine.database.target import Target

NEVER_LOGGED: Final = {"idempotency_key", "client_id", "payload_hash"}
_OF_THE_LINE: Final = {"event", "level", "timestamp"}


def lines_in(data_dir: Path, *events: str) -> list[dict[str, Any]]:
    """The whole lines of the attempts' log files, in no order; half lines are left out."""
    found = []
    for path in (data_dir / "logs").glob("attempts.*.jsonl"):
        for raw in path.read_bytes().splitlines():
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if line["event"] in events:
                found.append(line)
    return found


def disagreements(
    target: Target,
    data_dir: Path,
    agent_id: UUID,
    *,
    may_be_twice: bool = False,
    unlogged: Collection[str] = (),
) -> list[str]:
    """What is wrong between canonical lines and the ledger's rows.

    Args:
        target: the database.
        data_dir: whose log files.
        agent_id: whose attempts.
        may_be_twice: whether a process was killed, whose lines may be there twice.
        unlogged: correlation ids of attempts whose line could not be written.
    """
    by_id: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines_in(data_dir, "attempt", "attempt_swept"):
        if line["agent_id"] == str(agent_id):
            by_id[line["id"]].append(line)
    with psycopg.connect(target.owner, row_factory=dict_row) as connection:
        asked = connection.execute("SELECT * FROM ledger WHERE agent_id = %s", [agent_id])
        rows = {str(row["id"]): row for row in asked}
    found = [f"a line without a row: {each}" for each in by_id.keys() - rows.keys()]
    for attempt, row in rows.items():
        lines = by_id[attempt]
        if not lines:
            if row["correlation_id"] not in unlogged:
                found.append(f"a row without a line: {row}")
            continue
        if len(lines) > 1 and not may_be_twice:
            found.append(f"{len(lines)} lines of one row: {lines}")
        for line in lines:
            found += [f"{attempt}: {each}" for each in _different(line, row)]
    return found


def events_of(data_dir: Path, correlation_id: str) -> Counter[str]:
    """How many lines of each kind name a correlation id."""
    kinds = ("attempt", "attempt_swept", "attempt_waits")
    return Counter(
        line["event"]
        for line in lines_in(data_dir, *kinds)
        if line["correlation_id"] == correlation_id
    )


def _different(line: dict[str, Any], row: dict[str, Any]) -> list[str]:
    wanted = row.keys() - NEVER_LOGGED
    found = [f"{name} is logged" for name in line.keys() - wanted - _OF_THE_LINE]
    found += [f"{name} is not logged" for name in wanted - line.keys()]
    for name in wanted & line.keys():
        stored, logged = row[name], line[name]
        if isinstance(stored, datetime):
            logged = datetime.fromisoformat(logged)
        elif stored is not None and not isinstance(stored, bool | int | str | list):
            stored = str(stored)
        if stored != logged or type(stored) is not type(logged):
            found.append(f"{name} is {stored!r} in the ledger and {logged!r} in the log")
    return found
