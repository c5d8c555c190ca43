"""Leads walk a phase to sign-off in a real browser, with keyboard and mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.access.administration import add_account, set_password
from engine.access.audit import terminal_actor
from engine.access.roles import Role
from engine.cli.options import ready_database
from engine.database.sessions import session_of
from engine.readiness.releases import Plan, make_release
from tests.browser.chromium import LAPTOP
from tests.browser.expanders import open_expander
from tests.browser.saveguard import Saveguard, free_port, starting_dashboard

_PASSWORD: Final = "correct horse battery"  # noqa: S105
_PATIENCE_MS: Final = 60_000
_LEADS: Final = ("ines@example.org", "joao@example.org")
_CHECKLIST: Final = """# Ship it

## Pre-Deployment Checklist

### Phase 1: Paper <b id=bold>work</b>

- [ ] Read the **plan** <img src=x onerror='window.owned=1'>
- [ ] Ask the [team](https://evil.example/t)
- [ ] Order cake

## Success Criteria

### Production Ready

- [ ] Everybody knows
"""


@pytest.fixture(scope="module")
def url(saveguard: Saveguard) -> Iterator[str]:
    """A dashboard that asks for passwords, two leads, and a release on its way."""
    with starting_dashboard(saveguard.data_dir, free_port(), SAVEGUARD_LOGIN="password") as ready:
        # Meanwhile, and in this process: six commands would start six interpreters.
        _staff(saveguard.data_dir)
        yield ready()


def _staff(place: Path) -> None:
    with (
        ready_database(place) as (settings, target, clock),
        session_of(target, settings) as session,
    ):
        actor = terminal_actor(clock, "tests")
        author = add_account(session, clock, actor, email="author@example.org", role=Role.VIEWER)
        assert isinstance(author, UUID)
        for lead in _LEADS:
            added = add_account(session, clock, actor, email=lead, role=Role.LEAD)
            assert isinstance(added, UUID)
            assert set_password(session, clock, actor, added, _PASSWORD) is None
        plan = Plan(
            "2026.48",
            "0123abc",
            "development",
            author="author@example.org",
            checklist=_CHECKLIST.encode(),
        )
        assert isinstance(make_release(session, clock, actor, plan), UUID)


@pytest.fixture
def tabs(browser: Browser) -> Iterator[list[Page]]:
    """Two people, each with a browser of their own."""
    expect.set_options(timeout=_PATIENCE_MS)
    contexts = [
        browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]}) for _ in _LEADS
    ]
    tabs = [context.new_page() for context in contexts]
    for tab in tabs:
        tab.set_default_timeout(_PATIENCE_MS)
    yield tabs
    for context in contexts:
        context.close()


def sign_in(tab: Page, url: str, lead: str) -> None:
    """Opens the page as somebody."""
    tab.goto(f"{url}/readiness")
    tab.get_by_label("E-mail address").fill(lead)
    tab.get_by_label("Password").fill(_PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Readiness")).to_be_visible()
    tab.locator(".st-key-boxes-table [role=gridcell]").first.wait_for(state="attached")


def choose_box(tab: Page, words: str) -> None:
    """Chooses a box by typing a part of its words."""
    tab.get_by_role("combobox", name="Box").focus()
    tab.keyboard.type(words)
    tab.keyboard.press("Enter")


def said(tab: Page, words: str) -> None:
    """Waits for what is said of what was done."""
    expect(tab.locator(".st-key-told").get_by_text(words)).to_be_visible()


def test_leads_walk_a_phase_to_sign_off_with_keyboard_and_mouse(url: str, tabs: list[Page]) -> None:
    ines, joao = tabs
    sign_in(ines, url, _LEADS[0])

    # With the keyboard: a box is chosen, a sentence is said, and put down.
    choose_box(ines, "PRE-1.1")
    expect(ines.locator(".st-key-box-table [role=gridcell]").first).to_be_attached()
    ines.get_by_label("What you did to know it").focus()
    ines.keyboard.type("Read it twice")
    ines.keyboard.press("Tab")
    ines.keyboard.press("Enter")
    said(ines, "Your word for PRE-1.1 was put down.")
    # With the mouse.
    choose_box(ines, "PRE-1.2")
    expect(ines.get_by_role("button", name="Vouch for PRE-1.2")).to_be_visible()
    # What somebody writes outlasts the refreshes above it.
    ines.get_by_label("What you did to know it").fill("Asked them all")
    drawn = ines.get_by_text(re.compile("^As of "))
    before = drawn.inner_text()
    # Until it is drawn anew somebody else comes.
    sign_in(joao, url, _LEADS[1])
    expect(drawn).not_to_have_text(before)
    expect(ines.get_by_label("What you did to know it")).to_have_value("Asked them all")
    ines.get_by_role("button", name="Vouch for PRE-1.2").click()
    said(ines, "Your word for PRE-1.2 was put down.")
    choose_box(ines, "PRE-1.3")
    # Until the forms are of this box, what is written in them is about the one before.
    exempt = ines.get_by_role("button", name="Exempt PRE-1.3", include_hidden=True)
    open_expander(ines.locator(".st-key-exempting"), exempt)
    ines.get_by_label("Reason").fill("The baker is ill")
    exempt.click()
    said(ines, "waits for somebody else to agree")

    # Whose page has stood open since before that sees it as soon as they choose the box.
    choose_box(joao, "PRE-1.3")
    joao.get_by_role("button", name="Agree to the waiver").click()
    said(joao, "PRE-1.3 is waived.")

    # What she sees is older than that; she is told so, looks again and signs.
    ines.get_by_role("button", name="Look again").click()
    expect(ines.get_by_role("button", name="Look again")).to_have_count(0)
    ines.get_by_role("button", name="Sign PRE-1").click()
    said(ines, "PRE-1 is signed: approved with waivers.")
    expect(ines.get_by_text("signed off, 1 waived").first).to_be_visible()

    for tab in tabs:
        for selector in ("#bold", "img[src='x']", "a[href*=evil]"):
            expect(tab.locator(selector)).to_have_count(0)
        assert tab.evaluate("window.owned") is None
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
