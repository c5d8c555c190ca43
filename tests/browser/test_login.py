"""Signing in and out in a real browser: with a password, with a real provider, and not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect

from dashboard.login import machine_user
from tests.browser.openid import CLIENT_ID, CLIENT_SECRET, running_provider
from tests.browser.saveguard import Saveguard, command, free_port, starting_dashboard

_PASSWORD = "correct horse battery"  # noqa: S105
# However busy the machine.
_PATIENCE_MS = 60_000
_LEAD = "lead@example.org"
_DEEP = "/lookup?correlation_id=REQ-ABCDEFGH"
_WITH = "Sign in with Example Travel"


@dataclass
class Person:
    """Somebody with a browser of their own, and what it complains of."""

    context: BrowserContext
    tab: Page
    complaints: list[str] = field(default_factory=list)

    def look(self, url: str) -> None:
        """Opens an address in the one tab."""
        self.tab.goto(url)

    @property
    def who(self) -> str:
        """What the page says of who looks at it."""
        return self.tab.locator(".st-key-who").inner_text()


@pytest.fixture
def people(browser: Browser) -> Iterator[list[Person]]:
    """Two people, or one with two browsers."""
    found = []
    expect.set_options(timeout=_PATIENCE_MS)
    for _ in range(2):
        context = browser.new_context()
        person = Person(context, context.new_page())
        person.tab.set_default_timeout(_PATIENCE_MS)

        def hear(message: str, person: Person = person) -> None:
            # A page below the first asks for Streamlit's files beside itself at first; that is its.
            if "Security Policy" in message or "Uncaught" in message:
                person.complaints.append(message)

        def hear_console(message: ConsoleMessage, hear: Callable[[str], None] = hear) -> None:
            hear(message.text)

        def hear_error(error: Error, hear: Callable[[str], None] = hear) -> None:
            hear(f"Uncaught {error}")

        person.tab.on("console", hear_console)
        person.tab.on("pageerror", hear_error)
        found.append(person)
    yield found
    for person in found:
        person.context.close()
        assert person.complaints == []


@dataclass(frozen=True)
class Dashboards:
    """Two on the database of a running Saveguard, which has a lead with a password."""

    by_password: str
    by_provider: str
    data_dir: Path


@pytest.fixture(scope="module")
def dashboards(saveguard: Saveguard) -> Iterator[Dashboards]:
    """One that asks for passwords, one that asks a real provider, whose claim has the roles."""
    place = saveguard.data_dir
    with (
        running_provider() as issuer,
        starting_dashboard(place, free_port(), SAVEGUARD_LOGIN="password") as first,
        starting_dashboard(
            place,
            free_port(),
            SAVEGUARD_LOGIN="oidc",
            SAVEGUARD_OIDC_METADATA_URL=f"{issuer}/.well-known/openid-configuration",
            SAVEGUARD_OIDC_CLIENT_ID=CLIENT_ID,
            SAVEGUARD_OIDC_CLIENT_SECRET=CLIENT_SECRET,
            SAVEGUARD_OIDC_NAME="Example Travel",
            SAVEGUARD_OIDC_ROLE_CLAIM="groups",
            SAVEGUARD_OIDC_ROLES="travel-viewers=viewer,travel-on-call=on-call,travel-leads=lead",
        ) as second,
    ):
        saveguard.create()
        command(place, "user", "add", "--email", _LEAD, "--role", "lead")
        command(place, "user", "password", "--email", _LEAD, "--stdin", said=_PASSWORD)
        yield Dashboards(first(), second(), place)


@pytest.fixture
def by_password(dashboards: Dashboards) -> str:
    return dashboards.by_password


@pytest.fixture
def by_provider(dashboards: Dashboards) -> str:
    return dashboards.by_provider


def fill_in(tab: Page, email: str, password: str) -> None:
    tab.get_by_label("E-mail address").fill(email)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in").click()


def let_in(person: Person, name: str) -> None:
    """By the provider, which believes whatever name it is given."""
    person.tab.get_by_role("button", name=_WITH).click()
    person.tab.locator("input[name=login]").fill(name)
    person.tab.locator("input[name=password]").fill("anything")
    person.tab.locator("button[type=submit]").click()


def test_local_mode_says_so_and_whose_machine_it_is(
    saveguard: Saveguard, people: list[Person]
) -> None:
    me = people[0]

    me.look(saveguard.url)

    expect(me.tab.locator(".st-key-who")).to_have_text(f"Local mode · {machine_user()}")
    expect(me.tab.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_password_opens_what_was_wanted_until_one_signs_out_anywhere(
    by_password: str, people: list[Person]
) -> None:
    here, elsewhere = people

    here.look(by_password + _DEEP)
    fill_in(here.tab, "nobody@example.org", _PASSWORD)
    unknown = here.tab.get_by_role("alert").inner_text()
    fill_in(here.tab, _LEAD, "not the password")
    wrong = here.tab.get_by_role("alert").inner_text()
    assert "E-mail address or password is not right." in wrong
    assert re.sub(r"REQ-\w+", "", wrong) == re.sub(r"REQ-\w+", "", unknown)
    fill_in(here.tab, _LEAD, _PASSWORD)
    here.tab.wait_for_url(by_password + _DEEP)
    expect(here.tab.locator(".st-key-who")).to_contain_text(_LEAD)
    expect(here.tab.locator(".st-key-role")).to_have_text("lead")
    elsewhere.look(by_password)
    fill_in(elsewhere.tab, _LEAD, _PASSWORD)
    expect(elsewhere.tab.locator(".st-key-role")).to_have_text("lead")
    # The policy of pages lets charts be drawn.
    expect(elsewhere.tab.locator(".saveguard-plot .main-svg").first).to_be_visible()

    here.tab.get_by_role("button", name="Sign out").click()

    expect(here.tab.get_by_role("alert")).to_contain_text("You have signed out")
    assert not [c for c in here.context.cookies() if c.get("name") == "saveguard"]
    elsewhere.tab.wait_for_url(f"{by_password}/account/sign-in")
    expect(elsewhere.tab.get_by_role("alert")).to_contain_text("You have been signed out")
    here.tab.go_back()
    expect(here.tab.get_by_role("heading")).to_have_text("Sign in to Saveguard")
    expect(here.tab.locator(".st-key-who")).to_have_count(0)


def test_who_guesses_is_told_to_wait(by_password: str, people: list[Person]) -> None:
    me = people[0]
    me.look(by_password)

    for number in range(5):
        fill_in(me.tab, "guessed@example.org", f"guess number {number}")
        expect(me.tab.get_by_role("alert")).to_contain_text("not right")
    fill_in(me.tab, "guessed@example.org", _PASSWORD)

    expect(me.tab.get_by_role("alert")).to_contain_text(
        "Too many wrong passwords from here. Try again after"
    )


def test_nobody_can_say_that_they_come_from_elsewhere(dashboards: Dashboards) -> None:
    """Else whoever guesses would be somebody else each time."""
    spoofed = {"x-forwarded-for": "203.0.113.77", "host": "elsewhere.example"}

    refused = httpx.get(dashboards.by_password, headers=spoofed)

    assert refused.status_code == 421
    logs = "".join(path.read_text() for path in (dashboards.data_dir / "logs").glob("process*"))
    (line,) = [x for x in logs.splitlines() if refused.headers["x-correlation-id"] in x]
    assert '"address": "127.0.0.1"' in line


def test_a_provider_lets_in_with_the_role_of_its_claim_to_what_was_wanted(
    by_provider: str, people: list[Person]
) -> None:
    here, elsewhere = people

    here.look(by_provider + _DEEP)
    let_in(here, "lena")
    here.tab.wait_for_url(by_provider + _DEEP)
    expect(here.tab.locator(".st-key-who")).to_contain_text("Lena Lead")
    expect(here.tab.locator(".st-key-role")).to_have_text("lead")
    elsewhere.look(by_provider)
    let_in(elsewhere, "lena")
    expect(elsewhere.tab.locator(".st-key-role")).to_have_text("lead")

    here.tab.get_by_role("button", name="Sign out").click()

    here.tab.get_by_role("button", name="Yes, sign me out").click()
    expect(here.tab.get_by_role("button", name=_WITH)).to_be_visible()
    expect(elsewhere.tab.get_by_text("You have been signed out")).to_be_visible()
    expect(elsewhere.tab.locator(".st-key-who")).to_have_count(0)


def test_whom_the_provider_gives_no_role_is_told_so(by_provider: str, people: list[Person]) -> None:
    nora = people[0]

    nora.look(by_provider)
    let_in(nora, "nora")

    expect(nora.tab.get_by_text("This account has no role yet")).to_be_visible()
    expect(nora.tab.locator(".st-key-who")).to_have_count(0)


def test_a_viewer_has_no_page_of_attempts(by_provider: str, people: list[Person]) -> None:
    vera = people[0]

    vera.look(by_provider + "/attempts")
    let_in(vera, "vera")

    expect(vera.tab.locator(".st-key-role")).to_have_text("viewer")
    expect(
        vera.tab.get_by_text("Your role (viewer) does not open the page Attempts.")
    ).to_be_visible()
    expect(vera.tab.get_by_text("Page not found")).to_have_count(0)
    expect(vera.tab.get_by_role("link", name="Attempts")).to_have_count(0)
