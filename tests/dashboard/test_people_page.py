"""The page of people: who there is, what is changed about them, and what becomes of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlmodel import Session
from streamlit.testing.v1 import AppTest

from dashboard import actions, engine_in_process, people_forms, people_tables
from dashboard.viewer import Viewer
from engine.access.keyring import add_key
from engine.access.keys import Scope, hash_api_key
from engine.access.roles import Permission, Role
from engine.access.tables import SignIn
from engine.database.migrate import owner_engine
from engine.database.sessions import session_of
from engine.runtime import Runtime
from tests.dashboard.conftest import APP
from tests.dashboard.going_on import going_on_meanwhile
from tests.dashboard.viewers import Seat, account_of
from tests.dashboard.visitor import briefly
from tests.support import Agency, new_agency

_HOSTILE: Final = "<b id=x>b</b> [a](https://evil.example) **bold** :red[y] `c` \u202egnp.exe"
_CHANGED: Final = ("SELECT * FROM account", "SELECT * FROM api_key", "SELECT * FROM sign_in")
_SPELLED: Final = _HOSTILE.replace("\u202e", "\\u202e")


class Office:
    """A database with an administrator, who looks, and somebody to be changed."""

    def __init__(self, engine: Runtime, seat: Seat) -> None:
        self.engine = engine
        self.agency: Agency = new_agency(engine)
        self.admin: Viewer = seat(Role.ADMIN)
        self.someone: UUID = account_of(
            engine, Role.VIEWER, email="someone@people.example", name=_HOSTILE
        )
        clock = engine.clock
        with Session(owner_engine(engine.target.app)) as session:
            self.key = add_key(session, clock, self.someone, name="ci", scope=Scope.READ)
            for number in range(2):
                session.add(
                    SignIn(
                        token_hash=bytes([number]) * 32,
                        account_id=self.someone,
                        method="password",
                        began_at=clock.now() - timedelta(hours=2 + number),
                        expires_at=clock.now() + timedelta(hours=1 - 2 * number),
                        address="192.0.2.5",
                    )
                )
            session.commit()

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.engine.target.owner, row_factory=dict_row) as plain:
            return plain.execute(statement.encode(), {"id": self.someone}).fetchall()

    def row(self) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM account WHERE id = %(id)s")
        return row

    def events(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM audit_event ORDER BY happened_at, id")


@pytest.fixture
def office(engine: Runtime, seat: Seat) -> Office:
    return Office(engine, seat)


def opened(person: UUID | None = None) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page("../pages/people.py")
    if person is not None:
        page.query_params["person"] = str(person)
    return again(page)


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    button(page, label).click()
    return again(page)


def button(page: AppTest, label: str) -> Any:
    (found,) = [each for each in page.button if each.label == label]
    return found


def tick(page: AppTest, key: str) -> None:
    """The first of two steps."""
    page.checkbox(key=f"sure_{key}").check()
    again(page)


def table(page: AppTest, alt: str) -> list[dict[str, Any]]:
    found = [each for each in page.dataframe if each.proto.alt == alt]
    return cast("list[dict[str, Any]]", found[0].value.to_dict("records")) if found else []


def told(page: AppTest) -> str:
    return "\n".join(each.value for each in page.text)


def interpreted(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.header, *page.warning, *page.error, *page.info]
    return "\n".join(each.value for each in elements)


def test_accounts_are_listed_with_what_hangs_on_them_and_filtered(office: Office) -> None:
    page = opened()
    listed = {row["E-mail"]: row for row in table(page, "Accounts")}

    page.text_input(key="people_text").set_value("SOMEONE@")
    again(page)

    assert len(listed) == 3
    someone = listed["someone@people.example"]
    assert (someone["Name"], someone["Role"], someone["Status"][0]) == (
        _SPELLED,
        "viewer",
        "active",
    )
    assert (someone["Signed in now"], someone["Keys"]) == (1, 1)
    assert [row["Agent"] for row in listed.values() if row["Agent"]] == ["Agency"]
    assert [row["E-mail"] for row in table(page, "Accounts")] == ["someone@people.example"]
    assert "evil" not in interpreted(page)
    del office


def test_an_account_is_shown_whole_and_no_hash_of_anything(office: Office) -> None:
    page = opened(office.someone)

    facts = {row["Fact"]: row["Value"] for row in table(page, "Facts of the account")}
    assert facts["Name"] == _SPELLED
    (key,) = table(page, "Keys of the account")
    assert (key["Name"], key["Scope"], key["Status"][0]) == ("ci", "read", "works")
    sign_ins = table(page, "Sign-ins of the account")
    assert [row["Status"][0] for row in sign_ins] == ["signed in", "over"]
    everything = interpreted(page) + told(page) + str([each.value for each in page.dataframe])
    assert hash_api_key(office.key.api_key).hex() not in everything
    assert office.key.api_key not in everything


def test_a_role_is_changed_and_the_page_says_so_with_a_correlation_id(office: Office) -> None:
    page = opened(office.someone)

    page.selectbox(key=f"role_{office.someone}").set_value("lead")
    press(page, "Change the role")
    said = told(page)
    again(page)

    (event,) = office.events()
    assert office.row()["role"] == "lead"
    assert (
        f"someone@people.example has the role lead. Correlation id: {event['correlation_id']}"
        in said
    )
    assert (event["action"], event["details"]) == ("role changed", {"old": "viewer", "new": "lead"})
    assert event["account_id"] == office.admin.account_id
    # Said once, and the table is as it stands now.
    assert "has the role" not in told(page)
    assert {row["E-mail"]: row["Role"] for row in table(page, "Accounts")}[
        "someone@people.example"
    ] == "lead"


def test_disabling_ends_what_was_signed_in_and_enabling_lets_in_again(office: Office) -> None:
    page = opened(office.someone)

    assert button(page, "Disable the account").disabled
    tick(page, f"disable_{office.someone}")
    press(page, "Disable the account")
    disabled, live = office.row()["disabled_at"], table(page, "Sign-ins of the account")
    press(page, "Enable the account")

    assert disabled is not None
    assert {row["Status"][0] for row in live} == {"over"}
    assert office.row()["disabled_at"] is None
    assert [event["action"] for event in office.events()] == [
        "account disabled",
        "account enabled",
    ]


def test_a_new_key_is_shown_until_it_is_copied_with_a_warning(office: Office) -> None:
    page = opened(office.someone)
    assert button(page, "Add a key").disabled

    page.text_input(key="key_name").set_value("laptop")
    page.selectbox(key="key_scope").set_value(Scope.READ)
    again(page)
    press(page, "Add a key")
    (shown,) = [each.value for each in page.code if each.value.startswith("sgk_")]
    warned = interpreted(page)
    # Another press does not take it away, another account does not show it.
    page.selectbox(key=f"role_{office.someone}").set_value("lead")
    press(page, "Change the role")
    kept = [each.value for each in page.code]
    page.query_params["person"] = str(office.agency.account_id)
    elsewhere = [each.value for each in again(page).code]
    page.query_params["person"] = str(office.someone)
    again(page)
    press(page, "I have copied it")

    (stored,) = office.rows("SELECT * FROM api_key WHERE account_id = %(id)s AND name = 'laptop'")
    assert bytes(stored["key_hash"]) == hash_api_key(shown)
    assert stored["scope"] == "read"
    assert stored["expires_at"] - office.engine.clock.now() == timedelta(days=90)
    assert "shown this once" in warned
    assert (kept, elsewhere) == ([shown], [])
    everything = interpreted(page) + told(page) + str([each.value for each in page.code])
    assert shown not in everything
    assert shown not in str(office.events())
    assert shown not in str(page.session_state)


def test_a_new_key_is_shown_to_whoever_has_gone_on_meanwhile(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(office.someone)
    page.text_input(key="key_name").set_value("laptop")
    page.selectbox(key="key_scope").set_value(Scope.READ)
    again(page)
    going_on_meanwhile(monkeypatch)

    press(page, "Add a key")

    (shown,) = [each.value for each in page.code if each.value.startswith("sgk_")]
    (stored,) = office.rows("SELECT * FROM api_key WHERE account_id = %(id)s AND name = 'laptop'")
    assert bytes(stored["key_hash"]) == hash_api_key(shown)


def test_a_key_is_rotated_with_an_overlap_and_revoked_at_once(office: Office) -> None:
    page = opened(office.someone)

    assert page.selectbox(key="key_to_rotate").value is None
    assert button(page, "Rotate it").disabled
    assert page.selectbox(key="key_to_rotate").options == [
        f"ci · read · never ends · …{str(office.key.key_id)[-12:]}"
    ]
    page.selectbox(key="key_to_rotate").set_value(str(office.key.key_id))
    page.selectbox(key="key_overlap").set_value("1 hour")
    again(page)
    press(page, "Rotate it")
    rotated = office.rows("SELECT * FROM api_key WHERE account_id = %(id)s ORDER BY created_at, id")
    page.selectbox(key="key_to_revoke").set_value(str(office.key.key_id))
    again(page)
    assert button(page, "Revoke it").disabled
    tick(page, "revoke")
    assert not button(page, "Revoke it").disabled
    press(page, "Revoke it")

    now = office.engine.clock.now()
    old, new = rotated
    assert old["id"] == office.key.key_id
    assert (old["replaced_by"], old["expires_at"]) == (new["id"], now + timedelta(hours=1))
    states = {row["Key"]: row["Status"][0] for row in table(page, "Keys of the account")}
    assert states == {str(old["id"]): "revoked", str(new["id"]): "works"}
    assert [event["action"] for event in office.events()] == ["key rotated", "key revoked"]


def test_an_agents_limits_are_changed(office: Office) -> None:
    page = opened(office.agency.account_id)

    page.number_input(key=f"rate_{office.agency.agent_id}").set_value(120)
    page.number_input(key=f"quota_{office.agency.agent_id}").set_value(500)
    press(page, "Change the limits")

    facts = {row["Fact"]: row["Value"] for row in table(page, "Facts of the account")}
    assert facts["Rate limit"] == "120 requests a minute"
    assert facts["Quota"] == "500 active quotes"
    (event,) = office.events()
    assert event["details"]["new"] == {"rate_limit_per_minute": 120, "max_active_quotes": 500}


def test_an_account_is_made_once_with_an_address_that_is_one(office: Office) -> None:
    page = opened()

    for email in ("nobody", "SOMEONE@people.example", "new@people.example"):
        page.text_input(key="new_email").set_value(email)
        page.selectbox(key="new_role").set_value("on-call")
        press(page, "Add the account")
        if email != "new@people.example":
            assert "QUOTE_VALIDATION_FAILED" in interpreted(page)

    assert "new@people.example has an account." in told(page)
    (made,) = office.rows("SELECT * FROM account WHERE email = 'new@people.example'")
    assert made["role"] == "on-call"
    assert "On the server" not in told(page)
    assert (page.text_input(key="new_email").value, page.selectbox(key="new_role").value) == (
        "",
        "none",
    )
    assert dict(page.query_params)["person"] in (str(made["id"]), [str(made["id"])])
    assert [event["outcome"] for event in office.events()] == ["refused", "refused", "done"]


@pytest.mark.usefixtures("office")
def test_where_passwords_let_in_the_page_says_what_is_left_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = opened()
    monkeypatch.setattr(people_forms, "_login", lambda: "password")

    page.text_input(key="new_email").set_value("new@people.example")
    press(page, "Add the account")

    assert "On the server: saveguard user password --email new@people.example" in [
        each.value for each in page.text
    ]


def test_whose_role_was_taken_away_a_second_ago_changes_nothing(
    office: Office, engine: Runtime
) -> None:
    page = opened(office.someone)
    page.selectbox(key=f"role_{office.someone}").set_value("admin")
    with psycopg.connect(engine.target.owner) as plain:
        plain.execute("UPDATE account SET role = 'lead' WHERE id = %s", [office.admin.account_id])
    before = [office.rows(each) for each in _CHANGED]

    for label in (
        "Change the role",
        "Disable the account",
        "End all sign-ins",
        "Add a key",
        "Rotate it",
        "Revoke it",
    ):
        if button(page, label).disabled:
            page.selectbox(key="key_scope").set_value(Scope.READ)
            for key in ("key_to_rotate", "key_to_revoke"):
                page.selectbox(key=key).set_value(str(office.key.key_id))
            for each in page.checkbox:
                each.check()
            again(page)
        press(page, label)

        event = office.events()[-1]
        assert (event["outcome"], event["error_code"]) == ("refused", "AUTHORIZATION_FAILED")
        assert "Your role does not permit this" in told(page)
        assert "AUTHORIZATION_FAILED" in interpreted(page)
        assert event["correlation_id"] in told(page)
    assert [office.rows(each) for each in _CHANGED] == before
    assert len(office.events()) == 6


def test_the_last_administrator_keeps_the_role_and_is_told_why(office: Office) -> None:
    assert office.admin.account_id is not None
    page = opened(office.admin.account_id)

    page.selectbox(key=f"role_{office.admin.account_id}").set_value("lead")
    press(page, "Change the role")

    assert "This is the last administrator who can sign in" in told(page)


def test_a_database_that_is_not_there_is_told_and_not_shown_as_done(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(office.someone)
    target = office.engine.target
    gone = target.app.replace("dbname=", "dbname=not_")
    away = replace(target, app=gone)
    monkeypatch.setattr(actions, "session_of", lambda *_: session_of(away))

    tick(page, f"sign_out_{office.someone}")
    press(page, "End all sign-ins")

    assert "The database has not answered" in told(page)


def test_a_database_that_is_busy_is_told_and_not_waited_for(
    office: Office,
) -> None:
    page = opened(office.someone)
    engine = office.engine
    engine_in_process.provide(replace(engine, settings=briefly(engine.settings)))
    tick(page, f"sign_out_{office.someone}")

    with psycopg.connect(engine.target.owner) as holder:
        holder.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        press(page, "End all sign-ins")

    assert "The database has not answered" in told(page)
    assert not office.events()


@pytest.mark.parametrize("said", ["nobody", "018f2b6e-0000-7000-8000-000000000000"])
def test_an_address_of_nobody_is_told(office: Office, said: str) -> None:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page("../pages/people.py")
    page.query_params["person"] = said
    again(page)

    assert len(page.warning) == 1
    del office


def test_every_permission_is_told_in_words() -> None:
    assert people_tables.ALLOWED.keys() == set(Permission)
    assert len(people_tables.allowed("admin")) == len(Permission)
    assert people_tables.allowed(None) == people_tables.allowed("emperor") == []
