"""The probes of settings, processes and look-ups, by what each says of itself."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from engine.attempts import ledger
from engine.clock import uuid7
from engine.correlation import make_correlation_id
from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes import logs, lookup
from engine.readiness.probes.absent import ABSENT
from engine.readiness.probes.registry import PROBES
from engine.runtime import Runtime, log_directory
from engine.settings import Settings
from tests.dashboard.attempts import add
from tests.dashboard.attempts import attempt as attempt_of
from tests.database.databases import run
from tests.database.releases import Lookout, ago, at_noon
from tests.sabotage import sabotage
from tests.support import Agency

# --- settings -------------------------------------------------------------------------------------


def sound(**changes: Any) -> Settings:
    return Settings(**{"environment": "staging", "release": "2026.48"} | changes)


def test_sound_settings_without_a_secret_are_green(runtime: Runtime) -> None:
    found = Lookout(runtime)("env.model", settings=sound())

    assert found.verdict is Verdict.PASSING, found


@sabotage("env.model", "PRE-5.1")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(), "This process is of development"),
        (sound(environment="production"), "This process is of production"),
        (Settings(environment="staging"), "SAVEGUARD_RELEASE"),
        (
            sound(database_url=SecretStr("postgresql://app:changeme@db.example/saveguard")),
            "placeholder stands in DATABASE_URL",
        ),
        (
            sound(oidc_client_secret=SecretStr("<your secret>")),
            "placeholder stands in SAVEGUARD_OIDC_CLIENT_SECRET",
        ),
        (sound(oidc_client_id="saveguard"), "SAVEGUARD_OIDC_METADATA_URL"),
    ],
    ids=["no environment", "another one", "no release", "password", "secret", "half a provider"],
)
def test_settings_that_are_not_those_of_the_environment_are_red(
    runtime: Runtime, settings: Settings, words: str
) -> None:
    found = Lookout(runtime)("env.model", settings=settings)

    assert found.verdict is Verdict.FAILING, found
    assert words in found.reason
    assert not {"changeme", "<your"} & set(json.dumps(found.numbers).split('"'))


def test_whether_a_secret_is_another_environments_cannot_be_told(runtime: Runtime) -> None:
    url = SecretStr("postgresql://app:gL8wQ2vT@db.example/saveguard")

    found = Lookout(runtime)("env.model", settings=sound(database_url=url))

    assert found.verdict is Verdict.UNKNOWN
    assert "nothing to compare with" in found.reason
    assert "gL8wQ2vT" not in repr(found)


# --- releases of processes ------------------------------------------------------------------------


def seen(target: Target, instance: str, release: str, environment: str = "staging") -> None:
    """A process that had something to do a minute ago."""
    number = ledger.origin_number(environment, release, instance)
    with psycopg.connect(target.owner) as connection:
        connection.execute(
            "INSERT INTO origin VALUES (%s, %s, %s, %s, now(), true)",
            [number, environment, release, instance],
        )
        connection.execute(
            "INSERT INTO edge_count VALUES (%s, gen_random_uuid(), %s, 1, 0)",
            [ago(minutes=1), number],
        )


def test_processes_that_are_all_of_this_release_are_green(runtime: Runtime, target: Target) -> None:
    look = at_noon(runtime)
    seen(target, "one", "2026.48")
    seen(target, "two", "2026.48+0123abc")

    found = look("deploy.version")

    assert found.verdict is Verdict.PASSING, found
    assert "of idle ones" in found.reason
    assert found.numbers["count"] == 2


@sabotage("deploy.version", "PRE-7.1", "POST-1.1")
@pytest.mark.parametrize(
    ("release", "environment"), [("2026.47", "staging"), ("2026.48", "production")]
)
def test_a_process_of_another_release_is_red(
    runtime: Runtime, target: Target, release: str, environment: str
) -> None:
    look = at_noon(runtime).deployed(ago(minutes=5))
    seen(target, "one", "2026.48")
    seen(target, "old", release, environment)

    found = [look("deploy.version", box) for box in ("PRE-7.1", "POST-1.1")]

    assert {each.verdict for each in found} == {Verdict.FAILING}
    assert all(f"old is {release} of {environment}" in each.reason for each in found)


@sabotage("deploy.version", "PRE-7.1")
def test_a_database_of_another_schema_is_not_this_release(runtime: Runtime, target: Target) -> None:
    look = at_noon(runtime)
    seen(target, "one", "2026.48")
    run(target.owner, "ALTER TABLE quote ADD COLUMN more text")

    found = look("deploy.version")

    assert (found.verdict, found.reason) == (
        Verdict.FAILING,
        "The schema is not that of this release",
    )


def test_where_nothing_ran_no_release_is_known(runtime: Runtime) -> None:
    look = at_noon(runtime)

    assert look("deploy.version", "PRE-7.1").verdict is Verdict.INSUFFICIENT
    assert look("deploy.version", "POST-1.1").verdict is Verdict.UNKNOWN


# --- logs -----------------------------------------------------------------------------------------


@contextmanager
def process_log(runtime: Runtime, *lines: tuple[datetime, str], number: int = 0) -> Iterator[None]:
    """The log of a process, which lives until the block ends."""
    directory = log_directory(runtime.settings)
    directory.mkdir(exist_ok=True)
    with Path(directory / f"process.host-1-of-its-own.{number}.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for at, level in lines:
            told = {"event": "told", "level": level, "timestamp": at.isoformat()}
            file.write(json.dumps(told) + "\n")
        file.flush()
        yield


def test_processes_that_came_up_without_a_word_of_trouble_are_green(runtime: Runtime) -> None:
    look = booted(runtime)
    now = runtime.clock.now()
    with process_log(runtime, (now - timedelta(hours=1), "error"), (now, "info")):
        found = look("boot.clean")

    assert found.verdict is Verdict.PASSING, found


def test_a_process_that_goes_on_in_another_file_has_not_ended(runtime: Runtime) -> None:
    look = booted(runtime)
    now = runtime.clock.now()
    with process_log(runtime, (now, "info")):
        pass
    with process_log(runtime, (now, "info"), number=1):
        found = look("boot.clean")

    assert found.verdict is Verdict.PASSING, found


@sabotage("boot.clean", "POST-1.2")
def test_an_error_since_the_deployment_is_red(runtime: Runtime) -> None:
    look = booted(runtime)
    now = runtime.clock.now() - timedelta(minutes=1)
    with process_log(runtime, (now, "info"), (now, "error")):
        found = look("boot.clean")

    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("1 errors, the first told")


@pytest.mark.parametrize("probe", ["boot.clean", "ledger.critical"])
def test_logs_that_are_too_long_to_be_read_prove_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, probe: str
) -> None:
    monkeypatch.setattr(logs, "_BYTES_MAX", 10)
    look = booted(runtime)
    with process_log(runtime, (runtime.clock.now(), "info")):
        found = look(probe)

    assert found.verdict is Verdict.UNKNOWN
    assert found.reason.startswith("Only the newest 10 bytes")


@sabotage("boot.clean", "POST-1.2")
def test_a_process_that_came_up_and_ended_is_red(runtime: Runtime) -> None:
    look = booted(runtime)
    with process_log(runtime, (runtime.clock.now(), "info")):
        pass

    found = look("boot.clean")

    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("1 processes that began since the deployment have ended")


def test_a_host_without_logs_says_nothing(runtime: Runtime) -> None:
    before = Lookout(runtime)("boot.clean")
    look = booted(runtime, name="2026.49")
    directory = log_directory(runtime.settings)
    directory.mkdir(exist_ok=True)
    # What attempts leave behind says nothing of processes.
    (directory / "attempts.host-1.0.jsonl").write_text("{}\n")
    gone = look("boot.clean")
    silent = directory / "process.host-1.0.jsonl"
    silent.touch()
    os.utime(silent, (0, 0))

    found = look("boot.clean")

    assert (before.verdict, gone.verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert gone.reason.startswith("No process of this host has a log")
    assert found.verdict is Verdict.INSUFFICIENT


def booted(runtime: Runtime, **changes: Any) -> Lookout:
    """Five minutes after a deployment; files have the machine's own time."""
    return Lookout(runtime, **changes).deployed(runtime.clock.now() - timedelta(minutes=5))


# --- look-ups -------------------------------------------------------------------------------------


def test_mangled_ids_lead_to_their_attempts(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_SLOWEST", timedelta.max)  # however slow the machine is
    for _ in range(20):
        agency.create()

    found = Lookout(agency.runtime)("lookup.sample")

    assert found.verdict is Verdict.PASSING, found
    assert (found.numbers["asked"], found.numbers["right"]) == (60, 60)
    assert "REQ-" not in json.dumps(found.numbers)


@sabotage("lookup.sample", "PRE-4.9")
def test_ids_whose_attempts_are_not_where_they_say_are_red(
    runtime: Runtime, target: Target
) -> None:
    """The time in an id says which days to look at; these ones lie about it."""
    days_ago = int(ago(days=9).timestamp() * 1000)
    with psycopg.connect(target.app, autocommit=True) as connection:
        add(
            connection,
            *(
                attempt_of(
                    ago(minutes=number + 1),
                    correlation_id=make_correlation_id(uuid7(days_ago, bytes([number] * 10))),
                )
                for number in range(20)
            ),
        )

    found = at_noon(runtime)("lookup.sample")

    assert found.verdict is Verdict.FAILING, found
    assert "did not lead to their attempt first" in found.reason


def test_few_ids_are_too_few(agency: Agency) -> None:
    agency.create()

    found = Lookout(agency.runtime)("lookup.sample")

    assert found.verdict is Verdict.INSUFFICIENT
    assert "only 1 of 20 ids" in found.reason


def test_answers_that_take_a_second_are_red() -> None:
    asked = [
        lookup.Asked("0123", "as it is", is_right=True, took=timedelta(seconds=number >= 56))
        for number in range(60)
    ]

    assert lookup.judged(asked, 20).verdict is Verdict.FAILING
    assert lookup.judged(asked[:-1], 20).verdict is Verdict.FAILING
    assert lookup.judged(asked[:57], 20).verdict is Verdict.PASSING


# --- what nothing looks for -----------------------------------------------------------------------


def test_a_box_that_nothing_looks_for_yet_says_why(runtime: Runtime) -> None:
    standings = Lookout(runtime).readiness.standings

    assert standings["PRE-10.7"].reason.startswith("Nothing tells the team of a release yet")
    assert "No test page goes to one person yet" in standings["PRE-10.10"].reason
    assert standings["PRE-9.6"].reason.startswith("Nothing records memory and CPU")
    assert standings["PRE-3.13"].reason.startswith("Nothing drives drills yet")
    assert standings["PRE-5.2"].reason == "Never looked at for this release"


def test_what_is_absent_is_asked_for_and_is_not_there(runtime: Runtime) -> None:
    asked = {each.probe for each in Lookout(runtime).readiness.release.items.values()}

    assert set(ABSENT) <= asked
    assert set(PROBES) <= asked
    assert not set(ABSENT) & set(PROBES)
