"""What the worker does for ledger and rollups, job by job."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from structlog.testing import capture_logs

from engine.attempts.partitions import partition_name, strays
from engine.runtime import Runtime
from engine.worker import Job, all_jobs, own_jobs
from tests.database.attempt_rows import attempt, told, write
from tests.database.databases import rows, value

LONG_AGO = datetime(2020, 2, 29, 12, tzinfo=UTC)


def job(runtime: Runtime, name: str) -> Job:
    (found,) = [each for each in all_jobs(runtime) if each.name == name]
    return found


def test_the_worker_makes_partitions_a_week_ahead(runtime: Runtime) -> None:
    target, today = runtime.target, runtime.clock.now().date()
    names = [partition_name(today + timedelta(days=number)) for number in range(-1, 8)]
    with psycopg.connect(target.owner, autocommit=True) as owner:
        for name in names[3:]:
            owner.execute(f"DROP TABLE {name}".encode())

    assert job(runtime, "partitions").run() == 6
    assert job(runtime, "partitions").run() == 0

    made = rows(target.owner, "SELECT tablename FROM pg_tables WHERE tablename ~ '^attempt_[0-9]'")
    assert {name for (name,) in made} >= set(names)


def test_the_worker_warns_of_the_default_partition_once_and_when_it_fills(
    runtime: Runtime,
) -> None:
    target, partitions = runtime.target, job(runtime, "partitions")

    def warned() -> list[Any]:
        with capture_logs() as logs:
            partitions.run()
        return [each["attempts"] for each in logs if each["event"] == "default_partition_used"]

    assert warned() == []
    write(target.app, attempt(LONG_AGO))
    assert [warned(), warned()] == [[1], []]
    write(target.app, attempt(LONG_AGO), attempt(LONG_AGO))
    assert [warned(), warned()] == [[3], []]


def test_strays_are_counted_in_the_default_partition_alone_and_not_for_ever(
    runtime: Runtime, monkeypatch: Any
) -> None:
    now = runtime.clock.now()
    write(runtime.target.app, attempt(now), attempt(LONG_AGO), attempt(LONG_AGO))
    with psycopg.connect(runtime.target.app, autocommit=True) as connection:
        assert strays(connection) == 2
        monkeypatch.setattr("engine.attempts.partitions.STRAYS_COUNTED", 1)
        assert strays(connection) == 1


def test_the_worker_rolls_and_drops(runtime: Runtime) -> None:
    write(runtime.target.app, attempt(LONG_AGO), attempt(runtime.clock.now()))

    assert job(runtime, "retention").run() == 0
    assert job(runtime, "roll").run() == 2
    assert job(runtime, "retention").run() == 1

    assert value(runtime.target.app, "SELECT count(*) FROM attempt") == 1
    assert told(runtime.target.app) == 2


def test_every_process_that_saves_counts_the_lines_of_the_dead_and_removes_their_old_files(
    runtime: Runtime,
) -> None:
    directory = runtime.lines.file.directory
    directory.mkdir()
    for name in ("attempts.dead-1.0.jsonl", "process.dead-1.0.jsonl"):
        (directory / name).write_text("{}\n")
        os.utime(directory / name, (0, 0))

    own = {each.name: each for each in own_jobs(runtime)}

    assert own["recount"].run() == 0
    assert own["logs"].run() == 2
    assert list(directory.iterdir()) == []
