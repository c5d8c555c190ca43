"""An alert in a real browser: it fires while somebody looks on, and is taken in hand there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from engine.database.cluster import Cluster
from tests.alert_past import timeouts
from tests.browser.chromium import LAPTOP
from tests.browser.saveguard import Saveguard

_PATIENCE_MS: Final = 60_000
_FIRING: Final = "[class*='st-key-firing-critical-']"


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A fresh session."""
    context = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield opened
    context.close()


def test_an_alert_comes_without_a_reload_is_seen_everywhere_and_taken_in_hand(
    tab: Page, saveguard: Saveguard
) -> None:
    saveguard.create_many(3)
    tab.goto(f"{saveguard.url}/alerts")
    expect(tab.get_by_text("Evaluated").first).to_be_visible()

    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        given = timeouts(connection, 3)

    card = tab.locator(_FIRING).filter(has_text="CRITICAL-003")
    expect(card).to_contain_text("3 of")
    expect(card.get_by_role("link", name=given[-1])).to_be_visible()
    # It ticks.
    ticking = card.get_by_text("for ", exact=False).first
    expect(ticking).not_to_have_text(ticking.inner_text())
    card.get_by_role("link", name="Take it in hand").click()
    form = tab.locator(".st-key-one-alert")
    form.get_by_label("Note").fill("looking at the lock")
    # What somebody writes outlasts the refreshes above it.
    expect(ticking).not_to_have_text(ticking.inner_text())
    expect(form.get_by_label("Note")).to_have_value("looking at the lock")
    form.get_by_role("button", name="Take it in hand").click()
    expect(card).to_contain_text("In hand: ")
    expect(form.locator("[role=gridcell]").filter(has_text="looking at the lock")).to_have_count(1)

    tab.set_viewport_size({"width": 400, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tab.goto(f"{saveguard.url}/limits")
    line = tab.locator(".st-key-critical-fires")
    expect(line).to_contain_text("CRITICAL-003")
    line.get_by_role("link", name="What to do").click()
    expect(tab.locator(".stMain h1")).to_have_text("Alerts")
