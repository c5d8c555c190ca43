"""The page of readiness: what is seen of a release, and by whom."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from dashboard import readiness_export, readiness_live
from dashboard.readiness_export import written
from dashboard.viewer import Viewer
from engine.access.roles import Role
from engine.readiness import sealing
from engine.runtime import Runtime
from tests.dashboard.readiness import (
    SMALL,
    acting,
    desk,
    interpreted,
    labels,
    opened,
    press,
    table,
    told,
)
from tests.dashboard.viewers import Seat, account_of
from tests.database.people import account


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


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ON_CALL])
def test_who_may_not_sign_sees_how_it_stands_and_can_do_nothing(
    engine: Runtime, seat: Seat, role: Role
) -> None:
    made = desk(engine, seat(Role.LEAD))
    seat(role)

    page = opened(release=str(made.release_id), phase="PRE-2", box="PRE-2.1")

    assert table(page, "Boxes of the phase")
    assert {row["Fact"] for row in table(page, "Facts of the box")} >= {"State", "Because"}
    assert not page.button
    assert not page.text_area


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_without_a_release_others_are_told_who_makes_one(
    engine: Runtime, seat: Seat, role: Role | None
) -> None:
    seat(role)

    page = opened()

    assert not page.button
    assert ("A lead makes it" in interpreted(page)) == (role is not None)
    del engine


def test_an_address_that_leads_nowhere_says_so(engine: Runtime, seat: Seat) -> None:
    viewer = seat(Role.LEAD)
    desk(engine, viewer)

    unread = opened(release="not an id")
    missing = opened(release=str(viewer.account_id))
    elsewhere = opened(phase="PRE-99", box="NOWHERE-1")

    assert "names a release by what is no id" in interpreted(unread)
    assert "There is no release with this id" in interpreted(missing)
    assert table(elsewhere, "Boxes of the phase")[0]["Box"] == "PRE-1.1"


def test_the_shortest_way_is_told_with_what_a_machine_can_do_first(
    engine: Runtime, seat: Seat
) -> None:
    made = desk(engine, seat(Role.LEAD))

    page = opened(release=str(made.release_id), phase="PRE-1")

    assert "Let a machine look: PRE-1.1" in told(page)
    assert "Sign PRE-1 on the page" in told(page)
    assert "Look at 9 boxes of PRE-1" in labels(page)


def test_releases_stand_side_by_side_and_the_newest_is_shown(engine: Runtime, seat: Seat) -> None:
    viewer = seat(Role.LEAD)
    desk(engine, viewer)
    newest = desk(engine, viewer, name="2026.49", checklist=SMALL)

    page = opened()

    assert "0 of 5 boxes settled" in told(page)
    assert [
        (row["Release"], row["Is at"], row["Settled"], row["Signed phases"])
        for row in table(page, "Releases side by side")
    ] == [
        ("2026.49", "PRE-1", "0 of 5", "0 of 3"),
        ("2026.48", "PRE-1", "0 of 170", "0 of 20"),
    ]
    del newest


def test_windows_run_from_the_deployment_that_is_put_down(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD), checklist=SMALL)
    page = opened(release=str(made.release_id))
    before = interpreted(page)
    deployed_at = engine.clock.now().replace(second=0, microsecond=0) - timedelta(minutes=3)

    page.datetime_input(key="deployed_at").set_value(deployed_at.replace(tzinfo=None))
    press(page, "Put the deployment down")

    assert "· after the deployment" in before
    assert "open for 3 min, 11 min left" in interpreted(page)
    assert made.now().release.deployed_at == deployed_at


def test_what_has_changed_since_the_forms_were_drawn_is_said(
    engine: Runtime, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk(engine, seat(Role.LEAD), checklist=SMALL)
    same = opened(release=str(made.release_id))
    live = readiness_live.live
    monkeypatch.setattr(
        readiness_live, "live", lambda release_id, phase, _seen: live(release_id, phase, "0" * 64)
    )

    other = opened(release=str(made.release_id))

    assert "Look again" not in labels(same)
    assert "Look again" in labels(other)
    assert "has changed since the forms below were drawn" in told(other)
    press(other, "Look again")


def test_hostile_text_is_only_text_wherever_it_stands(engine: Runtime, seat: Seat) -> None:
    viewer = seat(Role.LEAD)
    hostile = "<b id=x>b</b> [a](https://evil.example) **bold** :red[y] `c` \u202egnp.exe"
    made = desk(
        engine,
        viewer,
        name=hostile.replace("\u202e", ""),
        commit="[c](https://evil.example)",
        author=account(engine.target, engine.clock, email=f"{hostile}@x").email,
        checklist=f"## {hostile}\n\n### Phase 1: {hostile}\n\n- [ ] {hostile}\n",
    )
    phase = made.now().phases[0].phase
    page = opened(release=str(made.release_id), box=phase.boxes[0].id)
    key = f"{made.release_id}_{phase.boxes[0].id}"

    page.text_area(key=f"said_{key}").set_value(hostile)
    press(page, f"Vouch for {phase.boxes[0].id}")

    plain = interpreted(page).replace("\\", "")
    assert "[a](https" not in interpreted(page)
    assert "**bold**" not in interpreted(page)
    assert "<b" not in interpreted(page).replace("\\<", "")
    assert ":red[y]" not in interpreted(page)
    assert "\u202e" not in plain + told(page)
    (row,) = table(page, "Boxes of the phase")
    assert row["What has to be so"] == hostile.replace("\u202e", "\\u202e")
    assert row["Why it stands so"] == hostile.replace("\u202e", "\\u202e")


def test_each_form_of_a_release_is_made_on_the_click_for_who_may(
    engine: Runtime, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_OFF_MAX", timedelta.max)  # time stands still but at the database
    lead = seat(Role.LEAD)
    made = desk(engine, lead)
    viewer = Viewer(None, Role.VIEWER, account_of(engine, Role.VIEWER), "a viewer")

    files = {
        name: written(acting(lead), made.release_id, name).decode()
        for name in readiness_export.FORMS
    }
    refused = [
        written(acting(viewer), made.release_id, name).decode() for name in ("bundle", "json")
    ]

    assert files["markdown"].startswith("# ")
    assert json.loads(files["json"])["release"]["name"] == "2026.48"
    assert files["html"].lstrip().startswith("<!")
    assert json.loads(files["bundle"])["payloadType"] == "application/vnd.in-toto+json"
    assert all(each.startswith("AUTHORIZATION_FAILED: ") for each in refused)
