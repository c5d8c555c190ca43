"""Every page for every role: registered or not, and refused by itself however it is reached."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
import streamlit as st
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from dashboard import navigation
from dashboard.viewer import Viewer
from engine.access import audit
from engine.access.roles import Role
from engine.correlation import has_valid_check
from engine.runtime import Runtime
from tests.dashboard.conftest import APP
from tests.dashboard.viewers import Seat
from tests.support import new_agency

_OF_EVERYBODY: Final = {"account"}
_OF_AGENTS: Final = {"lookup", "quote"}
_OF_VIEWERS: Final = {"overview", "latency", "errors", "alerts", "readiness"}
_OF_ON_CALL: Final = _OF_VIEWERS | {"lookup", "attempts", "quote", "limits"}
_OF_ADMINS: Final = _OF_ON_CALL | {"people", "audit"}
# By role, and whether it is an agent's.
_PAGES: Final[dict[tuple[Role | None, bool], set[str]]] = {
    (None, False): _OF_EVERYBODY,
    (None, True): _OF_EVERYBODY | _OF_AGENTS,
    (Role.VIEWER, False): _OF_EVERYBODY | _OF_VIEWERS,
    (Role.VIEWER, True): _OF_EVERYBODY | _OF_VIEWERS | _OF_AGENTS,
    (Role.ON_CALL, False): _OF_EVERYBODY | _OF_ON_CALL,
    (Role.ON_CALL, True): _OF_EVERYBODY | _OF_ON_CALL,
    (Role.LEAD, False): _OF_EVERYBODY | _OF_ON_CALL,
    (Role.LEAD, True): _OF_EVERYBODY | _OF_ON_CALL,
    (Role.ADMIN, False): _OF_EVERYBODY | _OF_ADMINS,
    (Role.ADMIN, True): _OF_EVERYBODY | _OF_ADMINS,
}
_EACH: Final = pytest.mark.parametrize(
    ("role", "is_agent"),
    list(_PAGES),
    ids=[f"{role or 'no-role'}{'-and-agent' if agent else ''}" for role, agent in _PAGES],
)
# What each page's script calls below its title, in a script of its own.
_PANELS: Final = {
    "overview": "panels.overview(timedelta(minutes=5), Filter(), None)",
    "lookup": "lookup_panels.lookup()",
    "latency": "latency_panels.latency(timedelta(minutes=5), Filter(), None)",
    "errors": "errors_panels.errors(timedelta(minutes=5), Filter(), None, None)",
    "alerts": "alerts_panel.alerts(None)",
    "readiness": "readiness_panel.readiness()",
    "attempts": "attempts_panel.attempts()",
    "quote": "quote_panels.quote()",
    "limits": "limits_panel.limits()",
    "people": "people_panel.people()",
    "audit": "audit_panel.audit()",
    "account": "account_panel.account()",
}
_SCRIPT: Final = """
from datetime import timedelta
from dashboard import {module}
from engine.rollups.selection import Filter
{call}
"""


@pytest.fixture
def events(engine: Runtime) -> Callable[[], list[dict[str, Any]]]:
    """The audit trail, oldest first."""

    def read() -> list[dict[str, Any]]:
        with psycopg.connect(engine.target.owner, row_factory=dict_row) as plain:
            return plain.execute("SELECT * FROM audit_event ORDER BY happened_at, id").fetchall()

    return read


def call_of(name: str) -> AppTest:
    """A page's own part, as a session that is still open would reach it."""
    call = _PANELS[name]
    script = _SCRIPT.format(module=call.partition(".")[0], call=call)
    return AppTest.from_string(script, default_timeout=30)


@_EACH
def test_the_pages_of_a_role_are_these_and_no_others(
    engine: Runtime,
    seat: Seat,
    monkeypatch: pytest.MonkeyPatch,
    role: Role | None,
    *,
    is_agent: bool,
) -> None:
    who = seat(role, agent_id=new_agency(engine).agent_id if is_agent else None)
    registered: dict[str, bool] = {}
    stand_ins: set[str] = set()
    made = st.Page

    def noting(path: Any, **said: Any) -> Any:
        if callable(path):
            stand_ins.add(said["url_path"])
        else:
            registered[path.stem] = said["default"]
        return made(path, **said)

    monkeypatch.setattr(st, "Page", noting)

    page = AppTest.from_file(str(APP), default_timeout=30).run()

    assert not page.exception
    assert registered.keys() == _PAGES[role, is_agent]
    # At the other addresses stands what is no page: a refusal, and the way to where one begins.
    assert stand_ins == {navigation.first(who).name} | navigation.PAGES.keys() - registered.keys()
    assert [name for name, is_first in registered.items() if is_first] == [
        navigation.first(who).name
    ]


@_EACH
def test_a_page_that_is_not_theirs_refuses_by_itself_and_is_written_down_once(
    engine: Runtime,
    seat: Seat,
    events: Callable[[], list[dict[str, Any]]],
    role: Role | None,
    *,
    is_agent: bool,
) -> None:
    who = seat(role, agent_id=new_agency(engine).agent_id if is_agent else None)
    not_theirs = [name for name in navigation.PAGES if name not in _PAGES[role, is_agent]]

    for name in not_theirs:
        page = call_of(name)
        page.run()
        page.run()

        assert not page.exception
        (said,) = [each.value for each in page.error]
        title = navigation.PAGES[name].title
        assert (
            f"does not open the page {title}." in said or f"the page {title} does not open" in said
        )
        assert "Ask an administrator" in said
        (small,) = [each.value for each in page.caption]
        written = events()[-1]
        assert (
            small == f"AUTHORIZATION_FAILED · Quote the correlation id {written['correlation_id']}"
        )
        assert has_valid_check(written["correlation_id"])
        assert (written["action"], written["error_code"]) == (
            "page refused",
            "AUTHORIZATION_FAILED",
        )
        assert (written["subject_kind"], written["subject_id"]) == ("page", name)
        assert (written["account_id"], written["actor"]) == (who.account_id, who.name)
        assert not [*page.dataframe, *page.metric, *page.code, *page.button, *page.text]
    assert len(events()) == len(not_theirs)


@pytest.mark.usefixtures("engine")
def test_a_link_to_a_page_that_a_role_does_not_open_leads_to_a_refusal_and_nothing_else(
    seat: Seat, events: Callable[[], list[dict[str, Any]]]
) -> None:
    seat(Role.VIEWER)

    page = AppTest.from_string(
        "from dashboard import entry\nentry.stand_in('audit')()", default_timeout=30
    ).run()

    assert [each.value for each in page.error] == [
        (
            "Your role (viewer) does not open the page Audit trail."
            " Ask an administrator if you need it."
        )
    ]
    assert not [*page.title, *page.dataframe, *page.button, *page.text_input]
    assert [event["action"] for event in events()] == ["page refused"]


@pytest.mark.usefixtures("engine")
def test_every_page_is_there_for_an_administrator(
    seat: Seat, events: Callable[[], list[dict[str, Any]]]
) -> None:
    seat(Role.ADMIN)

    for name, each in navigation.PAGES.items():
        page = AppTest.from_file(str(APP), default_timeout=30)
        if name != "overview":
            page.switch_page(f"../pages/{name}.py")
        page.run()

        assert not page.exception
        assert page.title[0].value == each.title
        assert not page.error
    assert events() == []


def test_every_page_has_a_script_and_answers_the_question_in_its_first_line() -> None:
    scripts = {path.stem: path for path in navigation.PATHS["overview"].parent.glob("[!_]*.py")}

    assert scripts.keys() == navigation.PAGES.keys() == _PANELS.keys()
    for name, each in navigation.PAGES.items():
        assert navigation.PATHS[name] == scripts[name]
        assert scripts[name].read_text().startswith(f'"""{each.question}"""')


def test_a_role_that_was_taken_away_stops_a_page_that_refreshes_itself(
    engine: Runtime, seat: Seat, events: Callable[[], list[dict[str, Any]]]
) -> None:
    seat(Role.VIEWER)
    page = call_of("overview").run()
    shown = len(page.metric)

    seat(None)
    page.run()
    page.run()

    assert shown == 5
    assert not page.metric
    assert len(events()) == 1
    seat(Role.VIEWER)
    page.run()
    assert len(page.metric) == shown
    del engine


def test_a_page_is_refused_also_when_that_cannot_be_written_down(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(None)

    def fail(*_args: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(audit, "write", fail)

    page = call_of("overview").run()

    assert not page.exception
    assert "does not open" in page.error[0].value
    assert not page.metric


def test_the_menu_has_sections_of_several_pages_only() -> None:
    for role, is_agent in itertools.product([None, *Role], [False, True]):
        who = Viewer(None, role)
        who = replace(who, own_agent_id=UUID(int=1)) if is_agent else who

        sections = navigation.sections(who)

        assert [each for found in sections.values() for each in found]
        assert all(len(found) > 1 for name, found in sections.items() if name)
        listed = [each.name for found in sections.values() for each in found]
        assert sorted(listed) == sorted(each.name for each in navigation.pages(who))
