"""The page of the audit trail: filters in the address, stored text as text, and its file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import attempt_reads, audit_address, audit_reads, audit_words
from engine.access import audit
from engine.access.audit import Action, Actor, Subject, Way
from engine.access.roles import Role
from engine.clock import FrozenClock
from engine.correlation import make_correlation_id
from engine.errors import ErrorCode
from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection
from engine.runtime import Runtime
from tests.dashboard.attempts import END, START, add, attempt
from tests.dashboard.conftest import APP
from tests.dashboard.viewers import Seat, account_of, actor

_HOSTILE: Final = (
    "=1+1 <script>alert(1)</script> [a](https://evil.example) **bold** :red[y] $x$ \u202egnp.exe"
)
_SPELLED: Final = _HOSTILE.replace("\u202e", "\\u202e")


@pytest.fixture
def trail(engine: Runtime, connection: psycopg.Connection[Any], seat: Seat) -> list[str]:
    """Sixty events, the newest first by correlation id; an administrator looks at them."""
    clock = cast("FrozenClock", engine.clock)
    ids = []
    for number in range(60):
        ids.append(make_correlation_id(clock.uuid7()))
        who = Actor(
            None, _HOSTILE if number == 59 else f"user-{number % 3}", Way.API, None, ids[-1]
        )
        refused = ErrorCode.AUTHORIZATION_FAILED if number % 2 else None
        action = Action.KEY_ADDED if number % 5 else Action.ROLE_CHANGED
        subject = Subject("account", _HOSTILE if number == 59 else str(number))
        details = {"old": None, "new": _HOSTILE if number == 59 else "lead"}
        event = audit.event(clock, who, action, subject=subject, refused=refused, details=details)
        audit.write(connection, event)
        clock.advance(timedelta(seconds=1))
    seat(Role.ADMIN)
    return ids[::-1]


def opened(**said: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page("../pages/audit.py")
    for name, value in said.items():
        page.query_params[name] = value
    return again(page)


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def rows(page: AppTest) -> list[dict[str, Any]]:
    found = page.dataframe
    return cast("list[dict[str, Any]]", found[0].value.to_dict("records")) if found else []


def listed(page: AppTest) -> list[str]:
    return [row["Correlation id"] for row in rows(page)]


def said(page: AppTest) -> dict[str, str]:
    found: dict[str, Any] = dict(page.query_params)
    return {name: each if isinstance(each, str) else each[-1] for name, each in found.items()}


def test_events_are_listed_newest_first_page_by_page(trail: list[str]) -> None:
    page = opened()
    newest = listed(page)
    assert page.button(key="audit_newest").disabled

    page.button(key="audit_older").click()
    again(page)

    assert newest + listed(page) == trail
    assert page.button(key="audit_older").disabled
    assert listed(opened(**said(page))) == listed(page)


@pytest.mark.usefixtures("trail")
def test_filters_stand_in_the_address_and_select_what_they_say() -> None:
    page = opened()

    page.selectbox(key="audit_did").set_value("role changed")
    again(page)
    page.selectbox(key="audit_ended").set_value("refused")
    again(page)
    page.text_input(key="audit_actor").set_value("USER-2")
    again(page)

    assert said(page) == {"did": "role changed", "ended": "refused", "actor": "USER-2"}
    shown = rows(page)
    assert {(row["Action"], row["Outcome"][0], row["Actor"]) for row in shown} == {
        ("change of role", "refused", "user-2")
    }
    # Every fifth of those that are odd, and two more than a multiple of three: 5, 35.
    assert [row["Subject"] for row in shown] == ["account 35", "account 5"]
    assert rows(opened(**said(page))) == shown


def test_an_event_is_found_by_its_correlation_id_and_by_instants(trail: list[str]) -> None:
    one = opened(request=trail[7])
    some = opened(
        since=f"{END + timedelta(seconds=10):%Y-%m-%dT%H:%M:%S.%f}Z",
        to=f"{END + timedelta(seconds=20):%Y-%m-%dT%H:%M:%S.%f}Z",
    )

    assert listed(one) == [trail[7]]
    assert listed(some) == trail[::-1][10:20][::-1]
    assert opened(request="REQ-OF-NOBODY").caption[-1].value == "No such events"


def test_nothing_is_listed_by_a_filter_that_cannot_be_read_until_it_is_mended(
    trail: list[str],
) -> None:
    page = opened(did="sang", ended="well", since="yesterday", events_before="x", to="26.11.2026")
    (told,) = [each.value for each in page.warning]
    shown = listed(page)
    kept = page.text_input(key="audit_since").value
    page.button(key="audit_leave_out").click()
    again(page)

    assert shown == []
    assert kept == "yesterday"
    for name in ("did", "ended", "events_before"):
        assert f"({name})." in told
    for name in ("From", "Until"):
        assert f"{name} is no date: write 2026-11-26, or 2026-11-26T09:00Z." in told
    assert "sang" not in told
    assert (said(page), listed(page)) == ({}, trail[:50])


@pytest.mark.parametrize(
    ("written", "hours"),
    [("2026-11-26", 0), ("2026-11-26 09:00", 9), ("2026-11-26T10:00+01:00", 9)],
)
def test_a_date_and_what_names_no_zone_is_in_utc(written: str, hours: int) -> None:
    asked = audit_address.read({"since": written})

    assert asked.wanted.start == datetime(2026, 11, 26, hours, tzinfo=UTC)
    assert not asked.unread


@pytest.mark.usefixtures("trail")
def test_stored_text_is_in_cells_alone() -> None:
    page = opened()

    newest = rows(page)[0]
    assert newest["Actor"] == _SPELLED
    assert newest["Subject"] == f"account {_SPELLED}"
    assert newest["Details"] == f"old: none; new: {_SPELLED}"
    elements = [*page.markdown, *page.caption, *page.header, *page.title, *page.warning, *page.text]
    assert "evil" not in "\n".join(each.value for each in elements)


def test_the_file_is_made_for_who_clicks_asked_for_anew_and_written_down(
    engine: Runtime, trail: list[str]
) -> None:
    page = opened(ended="refused")
    (button,) = page.get("download_button")
    asked = audit_address.read(said(page))
    admin, lead = account_of(engine, Role.ADMIN), account_of(engine, Role.LEAD)

    file = audit_reads.csv(actor(admin), asked).decode()
    refused = audit_reads.csv(actor(lead), asked).decode()

    # Nothing is prepared before the click.
    assert not button.proto.url
    assert button.proto.deferred_file_id
    lines = list(csv.DictReader(io.StringIO(file, newline="")))
    assert [line["correlation_id"] for line in lines] == trail[::2]
    assert lines[0]["actor"] == f"'{_HOSTILE}"
    assert refused.startswith("AUTHORIZATION_FAILED: ")
    exported = list(rows(opened(did="ledger exported")))[::-1]
    assert [row["Outcome"][0] for row in exported] == ["done", "refused"]
    assert exported[1]["Correlation id"] in refused


def test_the_ledgers_file_is_written_down_and_not_for_whose_role_is_gone(
    engine: Runtime, connection: psycopg.Connection[Any], seat: Seat
) -> None:
    add(connection, attempt(correlation_id="REQ-IN-THE-FILE"))
    selection = Selection(Window(START, END), Filter())
    on_call, nobody = account_of(engine, Role.ON_CALL), account_of(engine, Role.VIEWER)

    file = attempt_reads.csv(actor(on_call), selection).decode()
    refused = [attempt_reads.csv(actor(who), selection).decode() for who in (nobody, None)]

    assert "REQ-IN-THE-FILE" in file
    assert all(each.startswith("AUTHORIZATION_FAILED: ") for each in refused)
    seat(Role.ADMIN)
    exported = rows(opened(did="ledger exported"))
    assert sorted(row["Outcome"][0] for row in exported) == ["done", "refused", "refused"]
    assert {row["Subject"] for row in exported} == {"table attempt"}


def test_a_look_up_leads_an_administrator_to_the_trail_and_nobody_else(
    trail: list[str], seat: Seat
) -> None:
    def led(role: Role, text: str) -> list[str]:
        seat(role)
        page = AppTest.from_file(str(APP), default_timeout=30)
        page.switch_page("../pages/lookup.py")
        page.query_params["correlation_id"] = text
        again(page)
        links = [each.proto for each in page.get("page_link")]
        return [each.query_string for each in links if each.page == "audit"]

    assert led(Role.ADMIN, trail[3]) == [f"request={trail[3]}"]
    assert led(Role.LEAD, trail[3]) == []
    assert led(Role.ADMIN, "REQ-NOWHERE-TO-BE-FOUND") == []


def test_an_account_is_shown_by_its_address_and_written_into_the_file_by_its_id(
    engine: Runtime, connection: psycopg.Connection[Any], seat: Seat
) -> None:
    seat(Role.ADMIN)
    someone = account_of(engine, Role.VIEWER, email="someone@people.example")
    clock = engine.clock
    unknown = Actor(None, "unknown", Way.API, "192.0.2.9", make_correlation_id(clock.uuid7()))
    for action, subject, details in (
        (Action.PASSWORD_SET, Subject("account", str(someone)), {"signInsEnded": 0}),
        (Action.KEY_ADDED, Subject("api_key", "7"), {"accountId": str(someone), "expiresAt": None}),
        (
            Action.SETTINGS_CHANGED,
            Subject("settings", "test/up"),
            {"changed": {}, "first": True, "keyed_by": "k", "settings": {"a": 1}, "secrets": {}},
        ),
    ):
        audit.write(
            connection, audit.event(clock, unknown, action, subject=subject, details=details)
        )
        cast("FrozenClock", clock).advance(timedelta(seconds=1))

    shown = rows(opened())

    assert list(shown[0])[3:8] == ["Outcome", "Subject", "Code", "Where", "Details"]
    assert [(row["Action"], row["Subject"], row["Details"]) for row in shown] == [
        ("change of settings", "settings test/up", "first start: settings recorded"),
        ("new key", "key 7", "account: someone@people.example; expires: never"),
        ("new password", "account someone@people.example", "sign-ins ended: 0"),
    ]
    assert {row["Actor"] for row in shown} == {"nobody known"}
    admin = account_of(engine, Role.ADMIN)
    file = audit_reads.csv(actor(admin), audit_address.read({"did": "password set"})).decode()
    assert str(someone) in file
    assert "someone@people.example" not in file


def test_every_action_has_a_noun() -> None:
    assert audit_words.ACTIONS.keys() == set(Action)
