"""What a worker does for releases: seals, looks again, and puts down what contradicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.access.audit import Actor, terminal_actor
from engine.clock import SystemClock
from engine.database.sessions import session_of
from engine.errors import TAXONOMY, ErrorCode
from engine.readiness import running, watching
from engine.readiness.assessment import State, Verdict
from engine.readiness.items import Item
from engine.readiness.knowledge import Release
from engine.readiness.probes.probe import Found, passing
from engine.readiness.records import RecordKind, body_of, records_of
from engine.readiness.releases import current_releases, deployed_release, put_down_deployment
from engine.readiness.running import run
from engine.readiness.sealing import sealer_of
from engine.readiness.turn import UnderWayError
from engine.runtime import Runtime
from engine.settings import Settings
from engine.worker import all_jobs
from tests.database.attempt_rows import attempt, write
from tests.database.databases import run as execute
from tests.database.releases import lead, readiness_of, released
from tests.database.watched import alerted

HERE = "development"
RUNS = Settings().release
INTERNAL = TAXONOMY[ErrorCode.INTERNAL_ERROR].number
TIMEOUT = TAXONOMY[ErrorCode.DATABASE_TIMEOUT].number
MINUTE = timedelta(minutes=1)


@pytest.fixture
def release_id(runtime: Runtime) -> UUID:
    assert runtime.settings.environment == HERE
    _, actor = lead(runtime.target, runtime.clock)
    return released(runtime.target, runtime.clock, actor, environment=HERE, name=RUNS)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Found]:
    """What the probes find, by name; nothing else is looked at."""
    answers: dict[str, Found] = {}

    class Probes(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            return name in answers

        def __getitem__(self, name: str) -> Any:
            return lambda _question: answers[name]

    monkeypatch.setattr(running, "PROBES", Probes())
    return answers


def deploy(runtime: Runtime, release_id: UUID, ago: timedelta) -> None:
    _, actor = lead(runtime.target, runtime.clock)
    with session_of(runtime.target) as session:
        at = runtime.clock.now() - ago
        assert put_down_deployment(session, runtime.clock, actor, release_id, at) is None


def look_at(runtime: Runtime, release_id: UUID, *boxes: str) -> None:
    release = readiness_of(runtime.target, runtime.settings, runtime.clock, release_id).release
    actor = terminal_actor(runtime.clock, "ops")
    run(runtime, actor, release, [release.items[box] for box in boxes])


def state(runtime: Runtime, release_id: UUID, box: str) -> tuple[State, str]:
    now = readiness_of(runtime.target, runtime.settings, runtime.clock, release_id)
    return now.standings[box].state, now.standings[box].reason


def in_this_process(
    runtime: Runtime, actor: Actor, release: Release, items: Sequence[Item], *, patience: timedelta
) -> dict[str, Found]:
    """Looks without a process of its own, so that what probes find can be said."""
    assert patience == timedelta(0)
    return run(runtime, actor, release, items)


def look_again(runtime: Runtime) -> int:
    return watching.look_again(runtime, in_this_process)


def kinds(runtime: Runtime, release_id: UUID, kind: RecordKind) -> list[dict[str, Any]]:
    with session_of(runtime.target) as session:
        return [
            body_of(each) | {"box": each.item_id}
            for each in records_of(session, release_id)
            if each.kind == kind
        ]


def test_the_worker_seals_what_has_come_and_tells_it_elsewhere(
    runtime: Runtime, release_id: UUID
) -> None:
    assert release_id is not None
    (job,) = [each for each in all_jobs(runtime) if each.name == "seal"]

    assert (job.run(), job.run(), job.interval, job.runs_at_end) == (
        1,
        0,
        timedelta(seconds=10),
        True,
    )
    with session_of(runtime.target) as session:
        sealer = sealer_of(session, runtime.settings, SystemClock())
    assert sealer.findings(runtime.target) == []
    assert len(sealer.checkpoints.read()) == 1


def test_live_boxes_of_the_running_release_are_looked_at_and_only_when_they_are_due(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["db.probe"] = passing("It answers in 2 ms")
    found["mig.applied"] = passing("At revision 0010")  # lasts until the schema changes

    assert look_again(runtime) == 0  # not deployed
    deploy(runtime, release_id, MINUTE)

    assert look_again(runtime) == 2  # PRE-5.2 and POST-1.4
    assert look_again(runtime) == 0
    assert state(runtime, release_id, "POST-1.4") == (State.PASSING, "It answers in 2 ms")
    assert state(runtime, release_id, "PRE-2.1")[0] is State.UNKNOWN


def test_a_release_whose_last_window_is_over_or_that_another_has_followed_is_left_alone(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["db.probe"] = passing("It answers in 2 ms")
    _, actor = lead(runtime.target, runtime.clock)
    later = released(runtime.target, runtime.clock, actor, environment=HERE, name="later")
    elsewhere = released(runtime.target, runtime.clock, actor, environment="staging", name="other")
    deploy(runtime, release_id, MINUTE)
    deploy(runtime, later, timedelta(hours=49))
    deploy(runtime, elsewhere, MINUTE)
    with session_of(runtime.target) as session:
        assert deployed_release(session, HERE) == release_id
        assert list(current_releases(session, HERE)) == [release_id, later]
    # Made before, and not deployed yet: overtaken, and still on its way.
    deploy(runtime, later, timedelta(seconds=1))
    waiting = released(runtime.target, runtime.clock, actor, environment=HERE, name="waiting")
    newest = released(runtime.target, runtime.clock, actor, environment=HERE, name="newest")
    deploy(runtime, newest, timedelta(0))
    with session_of(runtime.target) as session:
        assert list(current_releases(session, HERE)) == [waiting, newest]
    deploy(runtime, newest, timedelta(hours=51))
    deploy(runtime, later, timedelta(hours=49))

    deploy(runtime, release_id, timedelta(hours=50))
    assert look_again(runtime) == 0
    with session_of(runtime.target) as session:
        assert deployed_release(session, HERE) == later


def test_a_worker_that_comes_while_somebody_looks_comes_again_later(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["db.probe"] = passing("It answers in 2 ms")
    deploy(runtime, release_id, MINUTE)

    def taken(*_: Any, **__: Any) -> dict[str, Found]:
        raise UnderWayError("a look is under way")

    assert watching.look_again(runtime, taken) == 0
    assert look_again(runtime) == 2


@pytest.mark.parametrize(
    ("changes", "is_reopened"),
    [
        ({"error_code": INTERNAL}, True),
        ({"error_code": 99}, True),
        ({"error_code": TIMEOUT}, False),
        ({"error_code": INTERNAL, "source": 4}, False),
        ({"error_code": None, "outcome": 1}, False),
    ],
    ids=["catch-all", "unknown", "explained", "of a load run", "none"],
)
def test_a_code_that_nobody_explains_reopens_a_green_box_once(
    runtime: Runtime,
    release_id: UUID,
    found: dict[str, Found],
    changes: dict[str, Any],
    *,
    is_reopened: bool,
) -> None:
    found["taxonomy.registry"] = passing("18 codes")
    look_at(runtime, release_id, "PRE-1.1")
    assert watching.note_contradictions(runtime) == 0
    write(runtime.target.app, attempt(runtime.clock.now(), **{"outcome": 5, **changes}))

    counts = [watching.note_contradictions(runtime) for _ in range(2)]

    assert counts == [int(is_reopened), 0]
    if is_reopened:
        reopened, reason = state(runtime, release_id, "PRE-1.1")
        assert reopened is State.FAILING
        assert reason.startswith("Reopened: 1 live attempts have ended with ")
    look_at(runtime, release_id, "PRE-1.1")
    assert state(runtime, release_id, "PRE-1.1")[0] is State.PASSING
    assert watching.note_contradictions(runtime) == 0
    assert len(kinds(runtime, release_id, RecordKind.CONTRADICTION)) == int(is_reopened)


@pytest.mark.parametrize(
    ("began", "is_reopened"), [(-MINUTE, False), (MINUTE, True)], ids=["before", "meanwhile"]
)
def test_a_code_that_comes_while_a_look_is_under_way_reopens_its_box(
    runtime: Runtime,
    release_id: UUID,
    found: dict[str, Found],
    began: timedelta,
    *,
    is_reopened: bool,
) -> None:
    found["taxonomy.registry"] = passing("18 codes")
    release = readiness_of(runtime.target, runtime.settings, runtime.clock, release_id).release
    started_at = runtime.clock.now() - 2 * MINUTE
    with session_of(runtime.target) as session:
        running.put_down_found(
            session, runtime.clock, runtime.settings, terminal_actor(runtime.clock, "ops"),
            release, "PRE-1.1", found["taxonomy.registry"], started_at,
        )  # fmt: skip
    write(
        runtime.target.app,
        attempt(started_at + began, outcome=5, error_code=INTERNAL),
    )

    assert watching.note_contradictions(runtime) == int(is_reopened)
    assert watching.note_contradictions(runtime) == 0
    assert (state(runtime, release_id, "PRE-1.1")[0] is State.FAILING) is is_reopened


def test_a_code_of_an_attempt_that_began_before_a_look_and_ended_after_it_reopens_its_box(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["taxonomy.registry"] = passing("18 codes")
    began = runtime.clock.now()
    look_at(runtime, release_id, "PRE-1.1")
    lasted = int(MINUTE.total_seconds() * 1_000_000)
    write(
        runtime.target.app,
        attempt(began, outcome=5, error_code=INTERNAL, duration_us=lasted),
    )

    assert watching.note_contradictions(runtime) == 1


def test_what_changes_while_a_look_is_under_way_makes_its_evidence_stale(
    runtime: Runtime, release_id: UUID, found: dict[str, Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    found["mig.applied"] = passing("At the newest revision")

    def change(_question: object) -> Found:
        with psycopg.connect(runtime.target.owner, autocommit=True) as connection:
            connection.execute("CREATE VIEW meanwhile AS SELECT 1 AS one")
        return found["mig.applied"]

    monkeypatch.setattr(running, "look_at", change)

    look_at(runtime, release_id, "PRE-2.1")

    assert state(runtime, release_id, "PRE-2.1")[0] is State.STALE


def test_a_sweep_that_finds_a_rule_broken_reopens_what_rests_on_it(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["lock.race"] = passing("1 of 50, 20 times")
    found["inv.version"] = Found(Verdict.FAILING, "DI-16 is broken by 1 of 9 rows")
    look_at(runtime, release_id, "PRE-1.3", "PRE-1.9")

    assert watching.note_contradictions(runtime) == 1

    (noted,) = kinds(runtime, release_id, RecordKind.CONTRADICTION)
    assert (noted["box"], noted["fact"]) == ("PRE-1.3", "DI-16")
    assert state(runtime, release_id, "PRE-1.3") == (
        State.FAILING,
        "Reopened: PRE-1.9 has found: DI-16 is broken by 1 of 9 rows",
    )


def test_a_critical_alert_reopens_a_green_box_once_and_one_that_is_not_reopens_none(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["alerts.critical"] = passing("No critical alert in 8640 ticks")
    deploy(runtime, release_id, timedelta(hours=25))
    look_at(runtime, release_id, "STABLE-8")
    assert state(runtime, release_id, "STABLE-8")[0] is State.PASSING
    alerted(runtime.target, severity="HIGH", environment=HERE, fired_at=runtime.clock.now())
    alerted(runtime.target, environment="staging", fired_at=runtime.clock.now())
    others = watching.note_contradictions(runtime)
    alerted(runtime.target, environment=HERE, fired_at=runtime.clock.now())

    counts = [watching.note_contradictions(runtime) for _ in range(2)]

    assert (others, counts) == (0, [1, 0])
    reopened, reason = state(runtime, release_id, "STABLE-8")
    assert reopened is State.FAILING
    assert reason.startswith("Reopened: CRITICAL-003 fired at ")
    look_at(runtime, release_id, "STABLE-8")
    assert state(runtime, release_id, "STABLE-8")[0] is State.PASSING
    assert watching.note_contradictions(runtime) == 0


def test_a_changed_rule_reopens_the_box_of_the_rules(
    runtime: Runtime, release_id: UUID, found: dict[str, Found]
) -> None:
    found["rules.lint"] = passing("37 rules")
    look_at(runtime, release_id, "PRE-4.4")
    execute(
        runtime.target.owner,
        "INSERT INTO alert_rule_change VALUES (gen_random_uuid(), 'HIGH-005', now(), 'ops', NULL,"
        """ 'noisy', '{"enabled": false}')""",
    )

    assert watching.note_contradictions(runtime) == 1
    assert state(runtime, release_id, "PRE-4.4")[1].startswith("Reopened: HIGH-005 was changed at")
