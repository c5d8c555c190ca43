"""The page of readiness: a new release, whom to call, what is at stake, a silent database."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NoReturn

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from streamlit.testing.v1 import AppTest

from dashboard import actions, session_reads, viewer
from dashboard.viewer import Viewer
from engine.access.roles import Role
from engine.database.sessions import session_of
from engine.readiness.contacts import Contact, roster_of
from engine.readiness.looking import read_release
from engine.readiness.releases import CHECKLIST_MAX, releases_named
from engine.runtime import Runtime
from tests.dashboard.readiness import (
    SMALL,
    Desk,
    again,
    desk,
    interpreted,
    labels,
    opened,
    press,
    table,
    told,
)
from tests.dashboard.viewers import Seat

_OWN: Final = "The file below"


def filled(page: AppTest, name: str = "2026.50", file: bytes | None = None) -> AppTest:
    """The form of a new release, filled in, with a file of one's own if there is one."""
    page.text_input(key="release_name").set_value(name)
    page.text_input(key="release_commit").set_value("fedcba9")
    if file is not None:
        page.radio(key="release_list").set_value(_OWN)
        page.file_uploader[0].set_value(("list.md", file, "text/markdown"))
    return page


def test_a_release_is_made_with_its_planned_time_in_utc(engine: Runtime, seat: Seat) -> None:
    seat(Role.LEAD)
    page = filled(opened())
    page.datetime_input(key="release_from").set_value(datetime(2026, 12, 1, 10))  # noqa: DTZ001  # as the field gives it
    page.datetime_input(key="release_until").set_value(datetime(2026, 12, 1, 12, 30))  # noqa: DTZ001  # likewise

    press(page, "Make the release")

    assert "There is a release 2026.50." in told(page)
    assert "planned for 2026-12-01 10:00 to 12:30 UTC" in told(page)
    assert page.datetime_input(key="release_from").value is None
    with session_of(engine.target) as session:
        (release_id,) = releases_named(session, "2026.50").values()
        release = read_release(session, release_id)
    assert release is not None
    assert release.planned_from is not None
    assert release.planned_from.isoformat() == "2026-12-01T10:00:00+00:00"


def test_half_a_planned_time_is_refused_and_what_was_written_is_kept(
    engine: Runtime, seat: Seat
) -> None:
    seat(Role.LEAD)
    page = filled(opened())
    page.datetime_input(key="release_from").set_value(datetime(2026, 12, 1, 10))  # noqa: DTZ001  # as the field gives it

    press(page, "Make the release")

    assert "A planned time has a beginning and an end." in told(page)
    assert page.text_input(key="release_name").value == "2026.50"
    del engine


def test_a_checklist_of_ones_own_is_taken_as_it_is(engine: Runtime, seat: Seat) -> None:
    seat(Role.LEAD)

    page = press(filled(opened(), file=SMALL.encode()), "Make the release")

    assert "0 of 5 boxes settled · 0 of 3 phases signed off" in told(page)
    # A checklist of somebody's own has risks and contacts of its own, of which nothing is known.
    assert "Risks · " not in "".join(each.label for each in page.expander)
    with session_of(engine.target) as session:
        (release_id,) = releases_named(session, "2026.50").values()
        release = read_release(session, release_id)
    assert release is not None
    assert release.checklist.markdown == SMALL


_NO_CHECKLISTS: Final = (
    (b"", "the file is empty, or has not come"),
    (b"# Nothing\n", "there is no box (- [ ] …) under a heading"),
    (b"## A\n- [ ] outside\n", "line 2: a box outside of any phase"),
    (b"## A\n### Phase 1: \xe9\n- [ ] x\n", "line 2: it is no text in UTF-8"),
    (SMALL.encode() + b" " * CHECKLIST_MAX, "and may have 262,144"),
    (b"## A\n### Phase 1: B\n" + b"- [ ] x\n" * 1_001, "it has 1,001 boxes in 1 phases"),
)


def test_a_file_that_is_no_checklist_is_refused_and_says_why(engine: Runtime, seat: Seat) -> None:
    seat(Role.LEAD)
    page = opened()

    for file, words in _NO_CHECKLISTS:
        press(filled(page, file=file), "Make the release")

        assert "The checklist cannot be read: " in told(page)
        assert words in told(page)
        assert "QUOTE_VALIDATION_FAILED" in interpreted(page)
    with session_of(engine.target) as session:
        assert not releases_named(session, "2026.50")


def test_a_file_that_has_not_come_makes_no_release_of_our_checklist(
    engine: Runtime, seat: Seat
) -> None:
    seat(Role.LEAD)
    page = filled(opened())
    page.radio(key="release_list").set_value(_OWN)

    press(page, "Make the release")

    assert "has not come" in told(page)
    with session_of(engine.target) as session:
        assert not releases_named(session, "2026.50")


def contacts(page: AppTest) -> dict[str, dict[str, Any]]:
    """The contacts that are shown, by what they are for."""
    return {f"{row['For']}, {row['Role']}": row for row in table(page, "Contacts")}


def choose(page: AppTest, contact: str) -> str:
    """Chooses a contact to change; the beginning of the keys of its fields."""
    page.selectbox(key="contact_chosen").set_value(contact)
    again(page)
    (field,) = [
        each
        for each in page.text_input
        if (each.key or "").endswith("_address" if contact.startswith("channel") else "_name")
        and (each.key or "").startswith("contact_")
    ]
    return (field.key or "").rpartition("_")[0]


def roster(made: Desk) -> tuple[Contact, ...]:
    runtime = made.engine
    with session_of(runtime.target) as session:
        return roster_of(session, runtime.settings.environment).contacts


def test_red_contacts_say_why_and_which_box_they_keep(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))
    page = opened(release=str(made.release_id))
    key = choose(page, "on-call, primary")
    page.text_input(key=f"{key}_name").set_value("[Name]")

    press(page, "Put it down")

    row = contacts(page)["on-call, primary"]
    assert "The contact for on-call, primary was put down." in told(page)
    assert (row["State"][0], row["Why"]) == ("red", "The name is a placeholder: [Name]")
    assert made.state("PRE-10.10") == "failing"
    assert "PRE-10.10 · failing" in "".join(links(page))
    assert "is red as long as one of them is" in interpreted(page)


def test_a_contact_that_can_be_reached_is_changed_and_taken_out(
    engine: Runtime, seat: Seat
) -> None:
    made = desk(engine, seat(Role.LEAD))
    page = opened(release=str(made.release_id))
    key = choose(page, "channel, slack")
    page.text_input(key=f"{key}_address").set_value("#saves")
    press(page, "Put it down")
    state = contacts(page)["channel, slack"]["State"][0]
    there = roster(made)

    key = choose(page, "channel, slack")
    prefilled = page.text_input(key=f"{key}_address").value
    page.text_input(key=f"{key}_address").set_value("")
    press(page, "Put it down")

    assert state == "can be reached"
    assert there == (Contact("channel", "slack", address="#saves"),)
    assert prefilled == "#saves"
    assert "The contact for channel, slack was taken out." in told(page)
    assert roster(made) == ()


def test_who_is_called_is_for_on_call_and_changed_by_leads(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))
    page = opened(release=str(made.release_id))
    key = choose(page, "on-call, primary")
    page.text_input(key=f"{key}_name").set_value("ada@example.com")
    press(page, "Put it down")

    for role, sees in ((Role.ON_CALL, True), (Role.VIEWER, False)):
        seat(role)
        page = opened(release=str(made.release_id))
        row = contacts(page)["on-call, primary"]

        assert row["State"][0] == "red"
        assert row["Why"].startswith("The name is an example, and leads nowhere")
        assert ("ada@example.com" in str(row)) is sees
        assert not page.button


def links(page: AppTest) -> list[str]:
    """What the links to pages say."""
    return [each.proto.label.replace("\\", "") for each in page.get("page_link")]


def test_each_risk_says_how_it_stands_and_leads_to_its_boxes(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))

    page = opened(release=str(made.release_id))

    assert "Risks · 8 of 8 raised" in [each.label for each in page.expander]
    assert "Semantic error codes (well-tested)" in told(page)
    assert "medium, assessed as low" in interpreted(page)
    assert "high, challenged" in interpreted(page)
    assert {"PRE-1.1 · unknown", "POST-2.5 · unknown"} <= set(links(page))


def test_a_box_that_follows_from_others_leads_to_them_and_takes_nobodys_word(
    engine: Runtime, seat: Seat
) -> None:
    made = desk(engine, seat(Role.LEAD))

    page = opened(release=str(made.release_id), phase="READY", box="READY-2")

    assert not [each for each in labels(page) if each.startswith(("Vouch", "Exempt"))]
    assert "PRE-3.1 · unknown · All unit tests passing (100% pass rate)" in links(page)
    (row,) = [each for each in table(page, "Boxes of the phase") if each["Box"] == "READY-2"]
    assert row["Numbers"] == "0 of 7 settled"


def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has stopped: nothing is read of it any more, and nothing written."""

    def nothing(*_: object) -> NoReturn:
        raise DBAPIError("", None, psycopg.OperationalError("gone"))

    monkeypatch.setattr(actions, "session_of", nothing)
    monkeypatch.setattr(session_reads, "session_of", nothing)


def test_a_database_that_stops_takes_away_neither_the_page_nor_what_was_written(
    engine: Runtime, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk(engine, seat(Role.LEAD), checklist=SMALL)
    page = opened(release=str(made.release_id), phase="PRE-1", box="PRE-1.1")
    silent(monkeypatch)

    page.text_area(key=f"said_{made.release_id}_PRE-1.1").set_value("Read it twice")
    press(page, "Vouch for PRE-1.1")

    assert "The database has not answered" in told(page)
    assert page.text_area(key=f"said_{made.release_id}_PRE-1.1").value == "Read it twice"
    assert table(page, "Boxes of the phase")


def test_who_cannot_be_told_at_the_moment_is_not_refused(
    engine: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "current", lambda: Viewer(is_told=False))

    page = opened()

    assert "Nobody can say at the moment who is signed in" in interpreted(page)
    assert "Your role" not in interpreted(page)
    with psycopg.connect(engine.target.owner) as plain:
        assert plain.execute("SELECT count(*) FROM audit_event").fetchone() == (0,)
