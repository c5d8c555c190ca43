"""What a probe needs cannot be reached: nothing is known then, and nothing is green."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from psycopg.conninfo import make_conninfo

from engine.database.pool import Pool
from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.items import Dependency
from engine.readiness.probes import calling
from engine.readiness.probes.probe import Found, Question
from engine.readiness.running import look_at, run, runnable
from engine.replay.line import Address
from engine.runtime import Runtime
from tests.database.releases import Lookout
from tests.faults.proxy import free_port

# These ask no database, but settings, logs, documents, receivers, and the release itself.
_WITHOUT: Final = {
    "boot.clean",
    "docs.gate",
    "docs.runbook",
    "env.model",
    "hook.lint",
    "tg.getchat",
    "tg.getme",
    "window.record",
}


@pytest.fixture
def stopped(runtime: Runtime) -> Iterator[Runtime]:
    """The same engine, whose database takes no connection any more."""
    port = free_port()
    nowhere = make_conninfo(runtime.target.app, host="127.0.0.1", port=port)
    target = Target(app=nowhere, owner=nowhere)
    settings = runtime.settings.model_copy(update={"pool_wait": timedelta(milliseconds=1)})
    pools = [Pool(target, settings, runtime.clock, size=1) for _ in range(2)]
    for pool in pools:
        pool.open()
    yield replace(runtime, target=target, settings=settings, save_pool=pools[0], read_pool=pools[1])
    for pool in pools:
        pool.close()


def test_where_the_database_is_stopped_nothing_is_known(
    runtime: Runtime, stopped: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long after a deployment, and as if the API still answered."""
    monkeypatch.setattr(calling, "_must_be", lambda *_: None)
    release = Lookout(runtime, name=runtime.settings.release).readiness.release
    deployed = replace(release, deployed_at=runtime.clock.now() - timedelta(hours=49))
    shared: dict[str, Any] = {calling._ADDRESS: Address("http://127.0.0.1:1")}
    found: dict[str, Found] = {}
    for phase in release.checklist.phases:
        for item in (release.items[box.id] for box in phase.boxes):
            if item in runnable(release) and item.probe not in _WITHOUT:
                found[item.id] = look_at(Question(stopped, deployed, item, phase, shared))

    assert len(found) > 60
    wrong = {
        box: each
        for box, each in found.items()
        if each.verdict is not Verdict.UNKNOWN or "database" not in each.reason
    }
    assert wrong == {}


def test_boxes_of_a_release_that_this_process_is_not_bound_to_are_not_looked_at(
    runtime: Runtime,
) -> None:
    look = Lookout(runtime)
    release = look.readiness.release
    items = [each for each in runnable(release) if Dependency.RELEASE in each.depends_on]

    found = run(runtime, look.actor, release, items)

    assert len(found) == len(items) > 20
    assert {each.verdict for each in found.values()} == {Verdict.UNKNOWN}
    assert all(each.reason.startswith("This process runs 0.1.0, not") for each in found.values())
