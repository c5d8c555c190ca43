"""The page of durations in a real browser: a cell of the heatmap opens the attempts in it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page

from dashboard import addresses
from engine.quotes.lifecycle import Operation
from engine.rollups.bands import BANDS
from engine.rollups.selection import Selection
from tests.browser.latency_page import LatencyPage
from tests.browser.saveguard import Saveguard


@pytest.fixture
def latency(tab: Page, saveguard: Saveguard) -> LatencyPage:
    """The page, standing still, of creations only: what is filtered here is filtered there."""
    saveguard.create_many(5)
    return LatencyPage(tab, saveguard.url).open("?refresh=Paused&operation=CREATE")


def arrived(tab: Page) -> Selection:
    """What the address of the page of attempts says."""
    tab.wait_for_url(re.compile(r"/attempts\?"))
    tab.wait_for_load_state()
    read = addresses.read_attempts(dict(parse_qsl(urlsplit(tab.url).query)))
    assert not read.unread
    assert read.selection is not None
    return read.selection


def test_a_click_on_a_cell_opens_the_attempts_in_it(latency: LatencyPage) -> None:
    place, said = latency.fullest_cell()

    latency.tab.mouse.click(*place)

    found = arrived(latency.tab)
    assert found.wanted.operation is Operation.CREATE
    assert found.window.length.total_seconds() == 10
    assert f"{found.window.start:%-d %b %H:%M:%S} to {found.window.end:%H:%M:%S} UTC" in said
    (band,) = [each for each in BANDS if each.at_least_us == found.at_least_us]
    assert found.below_us == band.below_us
    assert f"<br>{band.at_least_us / 1_000:,.3f} to " in said


def test_a_box_opens_the_attempts_of_its_cells(latency: LatencyPage) -> None:
    (left, top), _ = latency.fullest_cell()
    mouse = latency.tab.mouse

    mouse.move(left - 60, top - 5)
    mouse.down()
    mouse.move(left - 20, top - 2, steps=4)
    mouse.move(left, top, steps=4)
    mouse.up()

    found = arrived(latency.tab)
    assert found.window.length.total_seconds() > 10
    assert found.wanted.operation is Operation.CREATE
