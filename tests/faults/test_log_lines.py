"""Whatever becomes of an attempt, its log line says what its row in the ledger says.

Every other test of this directory holds lines and rows against each other at its end, too.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from structlog.testing import capture_logs

from engine.attempts import ledger
from engine.attempts.journal import Journal
from engine.attempts.ledger import AttemptRow
from engine.clock import SystemClock
from engine.correlation import make_correlation_id
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime, open_runtime
from engine.saving.request import SaveRequest
from engine.settings import Settings
from tests.database.cluster_harness import eventually
from tests.faults.calls import saved
from tests.faults.load import new_seed
from tests.faults.logged import disagreements, events_of, lines_in
from tests.faults.programs import SavingProcess
from tests.faults.scene import ask, open_scene, refused
from tests.faults.test_journal_faults import journals_of, left_over
from tests.faults.test_process_death import account_for
from tests.support import new_agency

CLOCK = SystemClock()


def tombstone_of(request: SaveRequest) -> AttemptRow:
    return AttemptRow(
        agent_id=request.agent_id,
        started_at=request.started_at,
        id=request.attempt_id,
        origin_id=0,
        operation=request.operation.value,
        correlation_id=request.correlation_id,
    )


@pytest.mark.parametrize(
    ("dies", "lines_of_the_last"), [("before line", 1), ("after line", 2)], ids=["before", "after"]
)
def test_a_process_killed_around_its_line_leaves_it_once_or_twice_and_never_not(
    tmp_path: Path, target: Target, write_form: str, dies: str, lines_of_the_last: int
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        scene.has_killed = True
        with SavingProcess(scene, tmp_path, seed=new_seed(), threads=1, dies=dies) as process:
            assert eventually(process.is_over, 60)
        written = len(lines_in(tmp_path, "attempt"))

        scene.sweep()

        account_for(scene, list(process.calls.values()), process.begun, 1)
        (last,) = [each for each in process.calls.values() if each.answer is None]
        assert written == (20 if dies == "after line" else 19)
        found = events_of(tmp_path, last.correlation_id)
        assert sum(found.values()) == lines_of_the_last
        assert found["attempt_swept"] == 1


def test_a_row_in_the_spool_has_a_line_that_says_so_and_its_own_once_it_is_in_the_ledger(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    waits = {"pool_wait": timedelta(seconds=0.2)}
    with open_scene(tmp_path, target, write_form=write_form, **waits) as scene:
        scene.proxy.refuse()
        result = scene.save(Operation.CREATE, body={"adults": 0})
        assert refused(result) == ("QUOTE_VALIDATION_FAILED", False)
        meanwhile = events_of(tmp_path, result.correlation_id)
        scene.proxy.accept()

        scene.sweep()
        scene.sweep()

        assert meanwhile == Counter(attempt_waits=1)
        assert events_of(tmp_path, result.correlation_id) == Counter(
            attempt_waits=1, attempt_swept=1
        )


@pytest.mark.parametrize("is_spooled", [False, True], ids=["at once", "spooled"])
def test_a_refusal_that_finds_a_tombstone_in_its_place_is_logged_as_that(
    tmp_path: Path, target: Target, *, is_spooled: bool
) -> None:
    with open_runtime(Settings(data_dir=tmp_path), target) as runtime:
        agency = new_agency(runtime)
        request = agency.request(Operation.CREATE, body={"adults": 0})
        with psycopg.connect(target.app, autocommit=True) as other:
            ledger.settle(other, tombstone_of(request))
        runtime.journal._is_ledger_away = is_spooled

        result = runtime.saver.save(request)
        runtime.sweeper.sweep()

        assert refused(result) == ("QUOTE_VALIDATION_FAILED", False)
    (line,) = lines_in(tmp_path, "attempt", "attempt_swept")
    assert (line["error_code"], line["duration_us"]) == ("QUOTE_PERSISTENCE_FAILED", 0)
    assert line["instance"] is None  # nobody knows who put it there
    assert disagreements(target, tmp_path, agency.agent_id) == []


def test_a_sweeper_names_the_process_that_began_the_attempt(tmp_path: Path, target: Target) -> None:
    dead = Settings(data_dir=tmp_path, instance="dead", release="7.7", environment="there")
    agent_id = CLOCK.uuid7()
    with psycopg.connect(target.app, autocommit=True) as connection:
        ledger.register_origin(connection, dead, CLOCK.now(), has_edge=True)
    origin_id = ledger.origin_id(dead)
    left_over(journals_of(target, tmp_path), agent_id, 2, origin_id=origin_id)

    with open_runtime(Settings(data_dir=tmp_path, instance="heir"), target) as heir:
        heir.sweeper.sweep()

    lines = lines_in(tmp_path, "attempt_swept")
    assert {(each["environment"], each["release"], each["instance"]) for each in lines} == {
        ("there", "7.7", "dead")
    }
    assert disagreements(target, tmp_path, agent_id) == []
    # They count for that process, at once: whoever sweeps may have no other job.
    ((written, lost),) = ask(
        target, "SELECT written, lost FROM line_count WHERE origin_id = %s", origin_id
    )
    assert (written, lost) == (2, 0)


def test_a_sweeper_sees_that_a_server_has_come_under_a_name_that_had_none(
    tmp_path: Path, target: Target
) -> None:
    agent_id, both = CLOCK.uuid7(), Settings(data_dir=tmp_path, instance="both")
    origin_id = ledger.origin_id(both)
    with (
        open_runtime(Settings(data_dir=tmp_path, instance="heir"), target) as heir,
        psycopg.connect(target.app, autocommit=True) as connection,
    ):
        for has_edge in (False, True):
            ledger.register_origin(connection, both, CLOCK.now(), has_edge=has_edge)
            left_over(journals_of(target, tmp_path), agent_id, 2, origin_id=origin_id)
            heir.sweeper.sweep()

    asked = "SELECT sum(written)::int FROM line_count WHERE origin_id = %s"
    assert ask(target, asked, origin_id) == [(2,)]


def test_a_journal_that_has_to_be_read_again_has_no_line_written_again(
    tmp_path: Path, target: Target
) -> None:
    agent_id, directory = CLOCK.uuid7(), journals_of(target, tmp_path)
    dead = Journal(directory, f"dead-{CLOCK.uuid7()}")
    for outcome in (5, 9):  # the ledger does not take the second, so the file is kept
        attempt_id = CLOCK.uuid7()
        row = AttemptRow(
            agent_id=agent_id,
            started_at=CLOCK.now(),
            id=attempt_id,
            origin_id=0,
            operation=1,
            correlation_id=make_correlation_id(attempt_id),
        )
        dead.spool(msgspec.structs.replace(row, outcome=outcome))
    dead.close()

    with open_runtime(Settings(data_dir=tmp_path), target) as heir:
        for _ in range(3):
            with pytest.raises(psycopg.errors.CheckViolation):
                heir.sweeper.sweep()

    assert len(lines_in(tmp_path, "attempt_swept")) == 1
    assert disagreements(target, tmp_path, agent_id) == []


def test_without_a_place_for_logs_saves_go_on_and_what_is_lost_is_counted_and_said_once(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").write_text("not a directory")
    with (
        open_runtime(Settings(data_dir=tmp_path), target, has_edge=True) as runtime,
        capture_logs() as said,
    ):
        agency = new_agency(runtime)
        quote_id = agency.create()
        agency.update(quote_id, 1)
        (tmp_path / "logs").unlink()
        # It is tried again a moment later, not with every line.
        monkeypatch.setattr(runtime.lines.file, "_reopen_at", 0.0)
        agency.update(quote_id, 2)
        assert counted(runtime, target) == (1, 2)

    assert [(each["event"], each.get("error"), each.get("lost")) for each in said] == [
        ("log_lines_lost", "EEXIST", None),
        ("log_lines_written_again", None, 2),
    ]
    assert len(lines_in(tmp_path, "attempt")) == 1


def counted(runtime: Runtime, target: Target) -> tuple[Any, ...]:
    """What is stored of the lines of a process: written, lost."""
    with psycopg.connect(target.app, autocommit=True) as connection:
        runtime.lines.store_counts(connection)
    (found,) = ask(
        target,
        "SELECT sum(written)::int, sum(lost)::int FROM line_count WHERE process_id = %s",
        runtime.lines.counts._process_id,
    )
    return found


@pytest.mark.parametrize("takes", [0, 7], ids=["full", "almost full"])
def test_a_full_disk_behind_the_log_fails_no_save_and_leaves_whole_lines(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch, takes: int
) -> None:
    with open_runtime(Settings(data_dir=tmp_path), target, has_edge=True) as runtime:
        agency = new_agency(runtime)
        quote_id = agency.create()
        write, log = os.write, runtime.lines.file._file

        def full(file: int, line: bytes) -> int:
            if file != log:
                return write(file, line)
            if not takes:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, line[:takes])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            agency.update(quote_id, 1)
        agency.update(quote_id, 2)
        assert counted(runtime, target) == (2, 1)

    raw = b"".join(path.read_bytes() for path in (tmp_path / "logs").iterdir())
    assert [msgspec.json.decode(each)["operation"] for each in raw.splitlines()] == [
        "CREATE",
        "UPDATE",
    ]


def test_a_log_directory_that_was_removed_is_made_again(tmp_path: Path, target: Target) -> None:
    with open_scene(tmp_path, target) as scene:
        quote_id = scene.create()
        before = {each.correlation_id for each in scene.history.calls}
        shutil.rmtree(tmp_path / "logs")
        scene.unlogged |= before

        assert saved(scene.update(quote_id, 1)).version == 2

        (line,) = lines_in(tmp_path, "attempt")
        assert line["operation"] == "UPDATE"


def test_no_line_holds_what_tells_of_a_person_or_stands_for_a_secret(
    tmp_path: Path, target: Target
) -> None:
    with open_scene(tmp_path, target) as scene:
        client_id: UUID = scene.agency.client_id
        result = scene.save(
            Operation.CREATE,
            body={"clientId": str(client_id), "agentNotes": "a secret note"},
            idempotency_key="a-secret-key",
        )
        saved(result)

    raw = b"".join(path.read_bytes() for path in (tmp_path / "logs").iterdir()).decode()
    assert result.correlation_id in raw
    for secret in ("a secret note", "a-secret-key", str(client_id)):
        assert secret not in raw
    ((digest,),) = ask(
        target,
        "SELECT encode(payload_hash, 'hex') FROM attempt WHERE correlation_id = %s",
        result.correlation_id,
    )
    assert digest not in raw
