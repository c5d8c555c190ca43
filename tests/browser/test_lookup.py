"""The lookup page in a real browser: the deep link, the way on, and hostile text in the DOM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.panels import ROW_HEIGHT
from engine.attempts import ledger
from engine.attempts.ledger import AttemptRow
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.quotes.lifecycle import Operation
from tests.browser.chromium import LAPTOP
from tests.browser.saveguard import Saveguard

_PATIENCE_MS: Final = 30_000
CLOCK: Final = SystemClock()
_HOSTILE: Final = (
    "<img src=x onerror='window.owned=1'><b id=bold>b</b> [l](https://evil.example/l)"
    " ![i](https://evil.example/i.png) :red[r] $x^2$ %{x}<extra></extra>\x1b[31m\u202egnp.exe"
)
_SPELLED: Final = _HOSTILE.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e")


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A fresh session: no cookie, no cache, nothing opened before."""
    context = browser.new_context(
        bypass_csp=True,  # a test that waits for an expression has the page evaluate it
        viewport={"width": LAPTOP[0], "height": LAPTOP[1]},
        accept_downloads=True,
    )
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield opened
    context.close()


def test_a_deep_link_opens_on_the_result_and_outlives_a_reload(
    tab: Page, saveguard: Saveguard
) -> None:
    loser, winner = saveguard.lose_a_race()
    tab.goto(f"{saveguard.url}/lookup?correlation_id={loser}")
    story = tab.locator(".st-key-story")

    for _ in range(2):
        expect(story).to_contain_text("was refused as a version conflict")
        expect(story).to_contain_text(f"the winner was {winner}")
        expect(story).to_contain_text("Nothing stored")
        expect(story.locator("code").first).to_have_text(loser)
        assert f"correlation_id={loser}" in tab.url
        tab.reload()
    link = story.locator("code").nth(1).inner_text()
    with tab.expect_download() as awaited:
        story.get_by_role("button", name="Markdown").click()
    file = Path(awaited.value.path()).read_text()

    assert link.startswith(f"{saveguard.url}/lookup?correlation_id={loser}&attempt=")
    assert f"Story: <{link}>" in file
    assert winner in file


def test_what_is_put_in_the_box_and_what_is_clicked_stand_in_the_address(
    tab: Page, saveguard: Saveguard
) -> None:
    loser, winner = saveguard.lose_a_race()
    tab.goto(f"{saveguard.url}/lookup")
    box = tab.get_by_role("textbox", name="What became of")

    box.fill(f"  {loser} ")
    box.press("Enter")
    story = tab.locator(".st-key-story")
    expect(story.locator("code").first).to_have_text(loser)
    tab.wait_for_url(re.compile(f"correlation_id={loser}"))
    # The grid is a canvas: a row is found by its place. The creation stands first.
    table = tab.locator(".st-key-on_quote-table").get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    place = table.bounding_box()
    assert place is not None
    tab.mouse.click(place["x"] + 30, place["y"] + 2.5 * ROW_HEIGHT)

    expect(story.locator("code").first).to_have_text(winner)
    tab.wait_for_url(re.compile(f"correlation_id={winner}&attempt="))
    expect(box).to_have_value(winner)


def test_hostile_text_in_every_stored_field_is_shown_as_text(
    tab: Page, saveguard: Saveguard
) -> None:
    created = saveguard.create().json()
    _poison(saveguard, created["quoteId"])
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))

    tab.goto(f"{saveguard.url}/lookup?correlation_id={quote(_HOSTILE)}")
    story = tab.locator(".st-key-story")
    expect(story).to_contain_text("was refused as a version conflict")
    expect(tab.locator(".st-key-race .saveguard-plot")).to_be_visible()
    tab.wait_for_function("document.querySelector('.st-key-race .saveguard-plot')?._fullData")
    cells = tab.locator(".st-key-facts-table [role=gridcell]")
    expect(cells.filter(has_text=_SPELLED).first).to_have_count(1)

    expect(story.locator("code").first).to_have_text(_SPELLED)
    for selector in ("#bold", "img[src='x']", "img[src*=evil]", "a[href*=evil]", ".katex"):
        expect(tab.locator(selector)).to_have_count(0)
    assert tab.evaluate("window.owned") is None
    assert [url for url in asked if "evil.example" in url.partition("?")[0]] == []
    shown = tab.locator(".stMain").inner_text()
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    labels = tab.locator(".st-key-race .ytick").all_text_contents()
    assert any("<img" in each for each in labels)


def _poison(saveguard: Saveguard, quote_id: str) -> None:
    """Two attempts, one beside the other, with hostile text wherever text is stored."""
    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        (agent_id,) = connection.execute(
            "SELECT agent_id FROM quote WHERE id = %s", [quote_id]
        ).fetchone() or (None,)
        connection.execute("UPDATE quote SET quote_number = %s WHERE id = %s", [_HOSTILE, quote_id])
        connection.execute(
            "INSERT INTO origin VALUES (7, %s, %s, %s, now(), false) ON CONFLICT DO NOTHING",
            [_HOSTILE] * 3,
        )
        for text in (_HOSTILE, f"{_HOSTILE}2"):
            given: dict[str, Any] = {
                "agent_id": agent_id,
                "started_at": CLOCK.now(),
                "id": CLOCK.uuid7(),
                "quote_id": quote_id,
                "origin_id": 7,
                "duration_us": 10_000,
                "operation": Operation.UPDATE.value,
                "outcome": 4,
                "error_code": 3,
                "severity": 3,
                "expected_version": 1,
                "actual_version": 1,
                "http_status": 409,
                "correlation_id": text,
                "traceparent": text,
                "changed_fields": text,
                "idempotency_key": text,
            }
            ledger.insert(connection, AttemptRow(**given))
