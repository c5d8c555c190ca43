"""The page of readiness: what is seen of a release, and by whom."""

from __future__ import annotations

from engine.access.roles import Role
from engine.runtime import Runtime
from tests.dashboard.readiness import desk, interpreted, opened, press, table, told
from tests.dashboard.viewers import Seat


def test_without_a_release_a_lead_is_told_what_to_do_and_makes_one(
    engine: Runtime, seat: Seat
) -> None:
    seat(Role.LEAD)
    page = opened()
    empty = interpreted(page)

    page.text_input(key="release_name").set_value("2026.49")
    page.text_input(key="release_commit").set_value("fedcba9")
    press(page, "Make the release")

    assert "There is no release yet" in empty
    assert "There is a release 2026.49. Correlation id: REQ-" in told(page)
    assert f"commit fedcba9 · for {engine.settings.environment}" in told(page)
    assert "0 of 170 boxes settled · 0 of 20 phases signed off" in told(page)


def test_a_fresh_release_shows_all_its_boxes_and_nothing_green(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))
    found = made.now()

    seen = 0
    for phase in found.phases:
        page = opened(release=str(made.release_id), phase=phase.phase.id)
        rows = table(page, "Boxes of the phase")
        seen += len(rows)

        assert [row["Box"] for row in rows] == [box.id for box in phase.phase.boxes]
        assert not {"passing"} & {row["State"][0] for row in rows}
        assert all(row["Why it stands so"] for row in rows)
        assert ":green[" not in interpreted(page)
    assert seen == 170
