"""What goes wrong while somebody looks on: an alert that fires, a database that falls silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from engine.database.cluster import Cluster
from tests.alert_past import timeouts
from tests.browser.chromium import LAPTOP
from tests.browser.overview_page import OverviewPage
from tests.browser.saveguard import Saveguard, running_saveguard

_PATIENCE_MS: Final = 60_000
_FIRING: Final = "[class*='st-key-firing-critical-']"
_HAS_LOOKED_LONG: Final = (
    "performance.now() - window.looks.since > 8_000 && window.looks.frames > 40"
)
_BUSY_MS: Final = 90_000
# In each frame, how faint the faintest element is and where the first card stands: in the window,
# or beneath the line above every page, which is meant to be seen once a critical alert says that
# the database was away.
_WATCH_LOOKS: Final = """
    window.looks = {
        since: performance.now(), frames: 0, gone: 0, faintest: 1, tops: [], beneath: []
    };
    (function look() {
        const looks = window.looks;
        looks.frames += 1;
        for (const each of document.querySelectorAll("[data-testid=stElementContainer]"))
            if (each.getClientRects().length)
                looks.faintest = Math.min(looks.faintest, Number(getComputedStyle(each).opacity));
        const top = document.querySelector("[data-testid=stMetric]")?.getBoundingClientRect().top;
        const line = document.querySelector(".st-key-critical-fires")?.getBoundingClientRect();
        const [places, place] = line ? [looks.beneath, top - line.bottom] : [looks.tops, top];
        if (top === undefined) looks.gone += 1;
        else if (!places.includes(place)) places.push(place);
        requestAnimationFrame(look);
    })()
"""


@pytest.fixture(scope="module")
def saveguard(reachable_dir: Path) -> Iterator[Saveguard]:
    """A server of its own: the failed attempts, and the alerts, would surprise other tests."""
    with running_saveguard(reachable_dir / "incidents") as running:
        yield running


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


def test_a_killed_database_is_told_and_got_over(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    before = overview.in_step_with(saveguard)

    notice = overview.notice()
    with saveguard.dead_database():
        expect(notice).to_contain_text("Stale: the database has not")
        expect(notice).to_contain_text("The numbers below are those of")
        expect(overview.badges()).to_have_count(0)
        expect(overview.card("P95 duration")).to_contain_text("Stale")
        assert overview.attempts() == before

    expect(notice).to_have_count(0)
    expect(overview.badges()).to_contain_text("Live, every 2 s")
    assert saveguard.create().status_code == 201
    expect(overview.value("Attempts")).to_have_text(f"{before + 1:,}")


def test_an_outage_neither_fades_nor_moves_the_page(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    """Its words are needed most while the database is silent."""
    overview.in_step_with(saveguard)
    overview.evaluate(_WATCH_LOOKS)

    with saveguard.frozen_database():
        expect(overview.notice()).to_be_visible()
        overview.tab.wait_for_function(_HAS_LOOKED_LONG, timeout=_BUSY_MS)
    expect(overview.notice()).to_have_count(0)

    looks = overview.evaluate("window.looks")
    assert (looks["faintest"], looks["gone"]) == (1, 0)
    places = looks["tops"], looks["beneath"]
    assert max(map(len, places)) == 1, places
