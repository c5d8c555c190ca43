"""The errors page in a browser: a code is chosen, its runbook read, and the address sent on."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from dashboard.panels import ROW_HEIGHT
from tests.browser.saveguard import Saveguard


def test_a_chosen_code_shows_its_runbook_and_outlives_a_reload(
    tab: Page, saveguard: Saveguard
) -> None:
    saveguard.create(currency="XXX")
    tab.goto(f"{saveguard.url}/errors")
    table = tab.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible(timeout=30_000)
    runbook = tab.locator(".st-key-runbook")
    expect(runbook).to_have_count(0)
    first = table.locator("[role=gridcell]").first
    expect(first).to_have_count(1)
    code = first.inner_text()

    # The grid is a canvas: the first row is found by its place.
    box = table.bounding_box()
    assert box is not None
    tab.mouse.click(box["x"] + 60, box["y"] + 1.5 * ROW_HEIGHT)
    expect(runbook).to_contain_text("Symptom")
    tab.wait_for_url(f"**code={code}**")
    tab.reload()

    expect(runbook).to_contain_text(code)
    expect(runbook).to_contain_text("Verify")
    assert f"code={code}" in tab.url
    # Whatever callers have sent: another test may have sent something odd.
    expect(tab.locator(".st-key-newest-ids code").first).not_to_be_empty()
    chart = tab.get_by_role("figure", name="Share of attempts that failed")
    expect(chart).to_have_accessible_name(re.compile(rf"In all: {code} [\d,]+\.$"))
