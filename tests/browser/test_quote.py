"""The page of a quote in a real browser: the way to a story, and hostile text in the DOM."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.panels import ROW_HEIGHT
from engine.database.cluster import Cluster
from tests.browser.chromium import LAPTOP
from tests.browser.saveguard import Saveguard

_PATIENCE_MS: Final = 30_000
_QUOTES: Final = "/api/agents/quotes"
_HOSTILE: Final = (
    "<img src=x onerror='window.owned=1'><script>window.owned=2</script><b id=bold>b</b>"
    " [l](https://evil.example/l) ![i](https://evil.example/i.png) **s** :red[r] $x^2$ `c`"
    " \u202egnp.exe"
)
_SPELLED: Final = _HOSTILE.replace("\u202e", "\\u202e")
_POISON: Final = (
    b"""
    UPDATE quote
    SET quote_number = %(text)s, last_modified_by = %(text)s
    WHERE id = %(id)s
    """,
    b"""
    UPDATE attempt
    SET correlation_id = %(text)s
    WHERE quote_id = %(id)s AND outcome <> 1
    """,
    b"""
    UPDATE quote_revision
    SET modified_by = %(text)s, correlation_id = %(text)s
    WHERE quote_id = %(id)s AND version = 2
    """,
)
_LONG: Final = "W" * 180


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A fresh session: no cookie, no cache, nothing opened before."""
    context = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield opened
    context.close()


def _change(saveguard: Saveguard, quote_id: str, **said: Any) -> str:
    """Changes a quote, or tries to; the correlation id of that."""
    answer = saveguard.caller.patch(
        f"{_QUOTES}/{quote_id}",
        content=json.dumps(said),
        headers={"content-type": "application/json"},
    )
    return answer.headers["x-correlation-id"]


def test_a_refused_attempt_stands_above_the_version_it_met_and_leads_to_its_story(
    tab: Page, saveguard: Saveguard
) -> None:
    quote_id = saveguard.create().json()["quoteId"]
    winner = _change(saveguard, quote_id, version=1, taxes=1)
    loser = _change(saveguard, quote_id, version=1, taxes=2)
    tab.goto(f"{saveguard.url}/quote?quote={quote_id}")
    history = tab.locator(".st-key-history-table").get_by_test_id("stDataFrame")
    expect(history.locator("[role=gridcell]").filter(has_text=loser)).to_have_count(1)
    listed = [
        each for each in history.locator("[role=gridcell]").all_inner_texts()
        if each in {winner, loser}
    ]  # fmt: skip

    # The grid is a canvas: the first row's id is found by its place.
    history.scroll_into_view_if_needed()
    place = history.bounding_box()
    assert place is not None
    tab.mouse.click(place["x"] + 660, place["y"] + 1.5 * ROW_HEIGHT)

    tab.wait_for_url(re.compile(f"/lookup\\?correlation_id={loser}"))
    expect(tab.locator(".st-key-story")).to_contain_text(f"the winner was {winner}")
    assert listed == [loser, winner]


def test_hostile_text_in_every_stored_field_of_a_quote_is_shown_as_text(
    tab: Page, saveguard: Saveguard
) -> None:
    quote_id = _poisoned(saveguard)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("dialog", lambda dialog: dialog.dismiss())

    tab.goto(f"{saveguard.url}/quote?quote={quote_id}&older=1&newer=2&unchanged=shown")
    tab.get_by_text("The quote as it stands").click()
    everywhere = tab.locator(".stMain [role=gridcell]")
    for key in ("quote_facts", "history", "fields", "items", "rules"):
        cells = tab.locator(f".st-key-{key}-table [role=gridcell]")
        expect(cells.first).to_have_count(1)
    # Once in the facts, and once beside the other version.
    expect(everywhere.filter(has_text=_SPELLED).first).to_have_count(1)
    expect(everywhere.filter(has_text=_LONG).first).to_have_count(1)
    in_history = tab.locator(".st-key-history-table [role=gridcell]")
    expect(in_history.filter(has_text=_SPELLED).first).to_have_count(1)

    for selector in ("#bold", "img[src='x']", "img[src*=evil]", "a[href*=evil]", ".katex"):
        expect(tab.locator(selector)).to_have_count(0)
    assert tab.evaluate("window.owned") is None
    assert [url for url in asked if "evil.example" in url.partition("?")[0]] == []
    scripts = tab.evaluate("[...document.scripts].filter(each => /owned/.test(each.text)).length")
    assert scripts == 0
    texts = "\n".join([tab.locator(".stMain").inner_text(), *everywhere.all_inner_texts()])
    assert "\u202e" not in texts
    assert "important note" not in texts
    # A word without a break scrolls within its table and does not widen the page.
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def _poisoned(saveguard: Saveguard) -> str:
    """A quote with hostile text in every field; put there where no caller could save it."""
    stay = {"checkIn": "2026-06-01", "checkOut": "2026-06-06"}
    created = saveguard.create(
        tripName=_HOSTILE,
        destination=_HOSTILE,
        agentNotes=f"important note {_HOSTILE}",
        customNotes=_HOSTILE,
        inclusions=[_HOSTILE],
        hotels=[{"price": 2, "name": _HOSTILE, "roomType": _HOSTILE, **stay}],
        customItems=[{"price": 1, "name": _LONG, "description": _HOSTILE}],
    )
    assert created.status_code == 201, created.text
    quote_id: str = created.json()["quoteId"]
    _change(saveguard, quote_id, version=1, tripName=_LONG, destination=f"{_HOSTILE} too")
    _change(saveguard, quote_id, version=1, tripName="lost")
    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in _POISON:
            connection.execute(statement, {"text": _HOSTILE, "id": quote_id})
    return quote_id
