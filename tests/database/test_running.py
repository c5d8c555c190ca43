"""A run of everything that a machine can look at: decided or not, and put down with its numbers."""

from __future__ import annotations

from datetime import timedelta

from engine.readiness.assessment import Verdict
from engine.readiness.running import run, runnable
from tests.database.databases import rows
from tests.database.releases import Lookout
from tests.support import Agency


def test_every_box_that_can_be_looked_at_is_looked_at_and_put_down(agency: Agency) -> None:
    quote_id = agency.create()
    agency.update(quote_id, 1, fees=36)
    runtime = agency.runtime
    look = Lookout(runtime).deployed(runtime.clock.now() - timedelta(minutes=50))
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
        "SELECT item_id FROM readiness_record WHERE kind = 'evidence' ORDER BY item_id",
    )
    assert [box for (box,) in put_down] == sorted(found)
