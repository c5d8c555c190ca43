"""A run of everything that a machine can look at: decided or not, and put down with its numbers."""

# ruff: noqa: S608 - the one value is an id of ours

from __future__ import annotations

from datetime import timedelta

from engine.database.sessions import session_of
from engine.readiness.assessment import Verdict
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.items import Dependency
from engine.readiness.running import run, runnable
from engine.runtime import Runtime
from tests.database.databases import rows
from tests.database.releases import Lookout
from tests.support import Agency


def test_every_box_that_can_be_looked_at_is_looked_at_and_put_down(agency: Agency) -> None:
    quote_id = agency.create()
    agency.update(quote_id, 1, fees=36)
    runtime = agency.runtime
    look = Lookout(runtime, name=runtime.settings.release).deployed(
        runtime.clock.now() - timedelta(minutes=50)
    )
    release = look.readiness.release
    told: list[tuple[str, int, int]] = []

    found = run(
        runtime,
        look.actor,
        release,
        runnable(release),
        lambda item, _found, done, total: told.append((item.id, done, total)),
    )

    assert [each for each in found.values() if each.reason.startswith("The look itself")] == []
    assert {found[box].verdict for box in ("PRE-1.9", "PRE-5.2", "PRE-9.4")} == {Verdict.PASSING}
    assert [each[0] for each in told] == list(found) == [each.id for each in runnable(release)]
    assert told[-1][1:] == (len(found), len(found))
    put_down = rows(
        runtime.target.owner,
        "SELECT item_id, body::jsonb -> 'numbers' ->> 'probe' FROM readiness_record"
        " WHERE kind = 'evidence' ORDER BY item_id",
    )
    assert put_down == [(box, release.items[box].probe) for box in sorted(found)]
    # Of what the probes saved there is left what nothing leads on from, and what was deleted.
    canaries = rows(
        runtime.target.owner,
        f"SELECT DISTINCT status FROM quote WHERE agent_id <> '{agency.agent_id}' ORDER BY status",
    )
    assert canaries == [("ACCEPTED",), ("CANCELLED",), ("EXPIRED",)]


def test_a_box_of_the_release_is_not_looked_at_by_other_code(runtime: Runtime) -> None:
    look = Lookout(runtime)
    release = look.readiness.release
    items = [release.items[box] for box in ("PRE-1.4", "PRE-2.1")]

    found = run(runtime, look.actor, release, items)

    assert found["PRE-1.4"].verdict is Verdict.UNKNOWN
    assert found["PRE-1.4"].reason.startswith("This process runs 0.1.0, not 2026.48")
    assert found["PRE-2.1"].verdict is Verdict.PASSING


def test_evidence_goes_stale_when_other_code_runs(runtime: Runtime) -> None:
    look = Lookout(runtime)
    other = runtime.settings.model_copy(update={"release": "2026.49"})
    with session_of(runtime.target) as session:
        ours = fingerprints_now(session, runtime.settings, look.readiness.release)
        theirs = fingerprints_now(session, other, look.readiness.release)

    assert {each for each in ours if ours[each] != theirs[each]} == {Dependency.RELEASE}
