"""The probes of error codes: the registry, the ledger's codes, and the critical ones."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Source
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode
from engine.readiness.assessment import Verdict
from engine.readiness.probes import codes
from engine.runtime import Runtime, log_directory
from tests.database.attempt_rows import AGENTS, attempt, write
from tests.database.databases import run
from tests.database.releases import NOON, Lookout, ago, at_noon, superuser
from tests.sabotage import sabotage


def refused(code: ErrorCode, at: datetime, **more: Any) -> tuple[Any, ...]:
    """An attempt that ended with a code."""
    return attempt(at, outcome=outcome_of(code).value, error_code=TAXONOMY[code].number, **more)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return at_noon(runtime)


@pytest.fixture
def provoked(look: Lookout, target: Target) -> Lookout:
    """Every code has been provoked by a drill, two days ago."""
    write(
        target.app,
        *(refused(code, ago(days=2), source=Source.DRILL.value) for code in TAXONOMY),
    )
    return look


def test_codes_that_were_all_provoked_are_green(provoked: Lookout) -> None:
    found = provoked("taxonomy.registry")

    assert found.verdict is Verdict.PASSING, found
    assert found.numbers["seen"]["DATABASE_TIMEOUT"]["drill"] == 1
    assert found.numbers["seen"]["DATABASE_TIMEOUT"]["last"]
    json.dumps(found.numbers)


def test_codes_that_nobody_has_provoked_are_named(look: Lookout, target: Target) -> None:
    write(target.app, *(refused(code, ago(hours=1)) for code in list(TAXONOMY)[:16]))

    found = look("taxonomy.registry")

    assert found.verdict is Verdict.INSUFFICIENT
    assert found.reason.endswith("provoked yet: RATE_LIMIT_EXCEEDED, INTERNAL_ERROR")


@sabotage("taxonomy.registry", "PRE-1.1")
def test_a_code_that_the_registry_does_not_know_is_red(provoked: Lookout, target: Target) -> None:
    write(target.app, attempt(ago(days=1), outcome=5, error_code=99))

    found = provoked("taxonomy.registry")

    assert found.verdict is Verdict.FAILING
    assert "[99]" in found.reason


@sabotage("taxonomy.registry", "PRE-1.1")
def test_a_registry_that_is_not_whole_is_red(
    provoked: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = ErrorCode.CURRENCY_INVALID
    silent = replace(TAXONOMY[code], action=" ")
    monkeypatch.setattr(codes, "TAXONOMY", {**TAXONOMY, code: silent})

    found = provoked("taxonomy.registry")

    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("The registry is not whole: CURRENCY_INVALID has no")


@sabotage("taxonomy.registry", "PRE-1.1")
def test_what_was_left_unclassified_in_the_last_day_is_red(
    provoked: Lookout, target: Target
) -> None:
    write(target.app, refused(ErrorCode.INTERNAL_ERROR, ago(hours=23)))

    found = provoked("taxonomy.registry")

    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("1 attempts of the last 24 hours")


# --- census ---------------------------------------------------------------------------------------


@pytest.fixture
def after_two_days(look: Lookout) -> Lookout:
    return look.deployed(ago(hours=48))


def test_every_code_is_counted_those_that_never_came_too(
    after_two_days: Lookout, target: Target
) -> None:
    write(
        target.app,
        attempt(ago(hours=3)),
        refused(ErrorCode.QUOTE_VALIDATION_FAILED, ago(hours=2)),
        refused(ErrorCode.AUTHENTICATION_FAILED, ago(hours=2), agent_id=AGENTS[0]),
    )

    found = after_two_days("codes.census")

    assert found.verdict is Verdict.PASSING, found
    assert found.numbers["failures"] == found.numbers["coded"] == 2
    assert found.numbers["codes"]["AUTHENTICATION_FAILED"] == 1
    assert found.numbers["codes"]["DATABASE_TIMEOUT"] == 0


@sabotage("codes.census", "POST-8.2")
def test_a_census_with_a_stranger_is_red(after_two_days: Lookout, target: Target) -> None:
    write(target.app, attempt(ago(hours=1), outcome=5, error_code=99))

    assert after_two_days("codes.census").verdict is Verdict.FAILING


@sabotage("codes.census", "POST-8.2")
def test_a_failure_without_a_code_is_red(
    after_two_days: Lookout, server: str, target: Target
) -> None:
    write(target.app, refused(ErrorCode.QUOTE_VALIDATION_FAILED, ago(hours=1)))
    run(
        superuser(server, target),
        "ALTER TABLE attempt DROP CONSTRAINT attempt_is_sound",
        "UPDATE attempt SET error_code = NULL",
    )

    found = after_two_days("codes.census")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "1 attempts failed, and 0 have a code"


def test_no_attempt_is_no_census(after_two_days: Lookout) -> None:
    assert after_two_days("codes.census").verdict is Verdict.INSUFFICIENT


# --- critical -------------------------------------------------------------------------------------


@pytest.fixture
def just_deployed(look: Lookout) -> Lookout:
    return look.deployed(ago(minutes=10))


def logged(runtime: Runtime, at: datetime, level: str) -> None:
    """A line that a process of this host has written of itself."""
    directory = log_directory(runtime.settings)
    directory.mkdir(exist_ok=True)
    line = {"event": "unexpected_error", "level": level, "timestamp": at.isoformat()}
    path = directory / "process.host-1.0.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    os.utime(path, (NOON.timestamp(), NOON.timestamp()))  # a file has the machine's own time


def test_attempts_without_a_critical_one_are_green(
    just_deployed: Lookout, runtime: Runtime, target: Target
) -> None:
    write(
        target.app,
        attempt(ago(minutes=5)),
        refused(ErrorCode.QUOTE_ALREADY_SENT, ago(minutes=5)),
        refused(ErrorCode.INTERNAL_ERROR, ago(minutes=30)),
    )
    logged(runtime, ago(minutes=5), "info")
    logged(runtime, ago(minutes=30), "error")

    found = just_deployed("ledger.critical")

    assert found.verdict is Verdict.PASSING, found
    assert found.reason.startswith("0 of 2 attempts are critical")
    assert found.reason.endswith("so far")


@sabotage("ledger.critical", "POST-1.6")
def test_a_critical_attempt_is_red(just_deployed: Lookout, target: Target) -> None:
    write(target.app, attempt(ago(minutes=5)), refused(ErrorCode.INTERNAL_ERROR, ago(minutes=5)))

    found = just_deployed("ledger.critical")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "1 of 2 attempts ended with a critical code"


@sabotage("ledger.critical", "POST-1.6")
def test_an_error_in_the_log_is_red(
    just_deployed: Lookout, runtime: Runtime, target: Target
) -> None:
    write(target.app, attempt(ago(minutes=5)))
    logged(runtime, ago(minutes=5), "error")

    found = just_deployed("ledger.critical")

    assert found.verdict is Verdict.FAILING
    assert found.numbers["events"] == ["unexpected_error"]


def test_without_a_log_nothing_is_known_of_errors(
    just_deployed: Lookout, runtime: Runtime, target: Target
) -> None:
    write(target.app, attempt(ago(minutes=5)))
    logged(runtime, ago(minutes=5), "error")
    shutil.rmtree(log_directory(runtime.settings))

    found = just_deployed("ledger.critical")

    assert found.verdict is Verdict.UNKNOWN, found
    assert "No process of this host has a log" in found.reason


def test_no_attempt_is_no_sign_of_health(just_deployed: Lookout, runtime: Runtime) -> None:
    logged(runtime, ago(minutes=5), "info")

    assert just_deployed("ledger.critical").verdict is Verdict.INSUFFICIENT
