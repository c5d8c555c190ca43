"""The page of one's own account: who one is, what that allows, and what one may do about it."""

from __future__ import annotations

from typing import Final

import pytest
from sqlmodel import Session
from streamlit.testing.v1 import AppTest

from dashboard import account_panel
from dashboard.viewer import Viewer
from engine.access.passwords import is_right
from engine.access.roles import PERMISSIONS, Role
from engine.access.tables import AccountPassword
from engine.database.migrate import owner_engine
from engine.database.target import Target
from engine.runtime import Runtime
from tests.dashboard.conftest import APP
from tests.dashboard.viewers import Seat, account_of
from tests.database.people import RIGHT, account, trail
from tests.support import new_agency

_NEW: Final = "another horse entirely"


@pytest.fixture(autouse=True)
def _with_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where people sign in with one; who is at the page is said by `seat`."""
    monkeypatch.setattr(account_panel, "_login", lambda: "password")


def opened() -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page("../pages/account.py")
    return again(page)


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    (button,) = [each for each in page.button if each.label == label]
    button.click()
    return again(page)


def words(page: AppTest) -> str:
    return "\n".join(
        str(each.value) for each in [*page.text, *page.markdown, *page.caption, *page.code]
    )


def test_it_says_who_one_is_and_what_the_role_allows(engine: Runtime, seat: Seat) -> None:
    seat(Role.ON_CALL)
    page = opened()

    assert "You are the on-call." in words(page)
    assert "Your role is **on-call**. You may:" in words(page)
    assert words(page).count("\n- ") == len(PERMISSIONS[Role.ON_CALL])
    links = {each.proto.page for each in page.get("page_link")}
    assert links == {"", "lookup", "latency", "errors", "alerts", "attempts", "limits", "readiness"}
    del engine


def test_an_agent_without_a_role_is_told_what_is_theirs(engine: Runtime, seat: Seat) -> None:
    agency = new_agency(engine)
    seat(None, agent_id=agency.agent_id, account_id=agency.account_id)

    page = opened()

    assert "You have no role." in words(page)
    assert "You are an agent: you see your own attempts and quotes." in words(page)
    assert str(agency.agent_id) in words(page)
    assert {each.proto.page for each in page.get("page_link")} == {"lookup"}
    keys = [each for each in page.dataframe if each.proto.alt == "Keys of the account"]
    assert len(keys[0].value) == 1
    # To be read; another one is made by an administrator.
    assert {each.label for each in page.button} == {"Sign out everywhere"}


def test_what_somebody_is_called_is_text(
    engine: Runtime, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(Role.VIEWER)
    hostile = "**bold** [a](https://evil.example) \u202ex"
    who = Viewer(None, Role.VIEWER, account_of(engine, Role.VIEWER), hostile)
    monkeypatch.setattr("dashboard.viewer.current", lambda: who)

    page = opened()

    spelled = hostile.replace(chr(0x202E), "\\u202e")
    assert f"You are {spelled}." in [each.value for each in page.text]
    interpreted = [*page.markdown, *page.caption, *page.header]
    assert "evil" not in "".join(each.value for each in interpreted)


def test_everybody_may_sign_out_everywhere(engine: Runtime, seat: Seat) -> None:
    who = seat(Role.VIEWER)
    page = opened()

    press(page, "Sign out everywhere")

    (event,) = trail(engine.target)
    assert (event["action"], event["outcome"]) == ("sign-ins ended", "done")
    assert event["account_id"] == who.account_id
    assert event["correlation_id"] in words(page)


def test_ones_password_is_changed_with_the_present_one_and_no_session_keeps_any(
    engine: Runtime, target: Target, seat: Seat
) -> None:
    someone = account(target, engine.clock, Role.VIEWER, has_password=True)
    seat(Role.VIEWER, account_id=someone.id)
    page = opened()

    for old, again_ in (
        ("not the present one", _NEW),
        (RIGHT, "something different"),
        (RIGHT, _NEW),
    ):
        page.text_input(key="own_password_old").set_value(old)
        page.text_input(key="own_password_new").set_value(_NEW)
        page.text_input(key="own_password_again").set_value(again_)
        press(page, "Change my password")
        kept = [str(page.session_state[f"own_password_{each}"]) for each in ("old", "new", "again")]
        assert kept == ["", "", ""]
        if (old, again_) != (RIGHT, _NEW):
            assert "nothing was changed" in words(page)

    assert "Your password is changed" in words(page)
    with Session(owner_engine(target.app)) as session:
        assert is_right(_NEW, session.get_one(AccountPassword, someone.id).password_hash)
    events = [(row["action"], row["error_code"]) for row in trail(target)]
    assert events == [
        ("password set", "AUTHENTICATION_FAILED"),
        ("password set", "QUOTE_VALIDATION_FAILED"),
        ("password set", None),
    ]
    assert RIGHT not in str(trail(target))


@pytest.mark.usefixtures("engine")
def test_whoever_operates_the_machine_is_told_so(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(Role.ADMIN)
    monkeypatch.setattr(account_panel, "_login", lambda: "local")

    page = opened()

    assert "Nobody signs in here" in words(page)
    assert not page.button
