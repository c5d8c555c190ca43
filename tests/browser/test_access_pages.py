"""The pages of people and of the audit trail in a real browser: hostile text, and the menu."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from engine.clock import SystemClock
from engine.database.cluster import Cluster
from tests.browser.chromium import LAPTOP
from tests.browser.saveguard import Saveguard

_PATIENCE_MS: Final = 30_000
_HOSTILE: Final = (
    "<img src=x onerror='window.owned=1'><script>window.owned=2</script><b id=bold>b</b>"
    " [l](https://evil.example/l) ![i](https://evil.example/i.png) **s** :red[r] $x^2$ `c`"
    " \u202egnp.exe"
)
_SPELLED: Final = _HOSTILE.replace("\u202e", "\\u202e")
_ACCOUNT: Final = """
    INSERT INTO account (id, email, name, role, created_at)
    VALUES (%(id)s, %(text)s, %(text)s, 'admin', now())
"""
_AGENT: Final = """
    INSERT INTO agent (id, account_id, name, email, status, max_active_quotes, created_at)
    VALUES (%(id)s, %(id)s, %(text)s, %(text)s, 'ACTIVE', 7, now())
"""
_KEY: Final = """
    INSERT INTO api_key (id, account_id, key_hash, name, created_at)
    VALUES (%(id)s, %(id)s, sha256(%(id)s::text::bytea), %(text)s, now())
"""
_SIGN_IN: Final = """
    INSERT INTO sign_in (token_hash, account_id, method, began_at, expires_at, address)
    VALUES (sha256(%(id)s::text::bytea), %(id)s, 'password', now(), now() + '1 h', %(text)s)
"""
_EVENT: Final = """
    INSERT INTO audit_event (
        id, happened_at, action, outcome, account_id, actor, way, address, subject_kind,
        subject_id, correlation_id, details
    )
    VALUES (
        %(id)s, now(), %(text)s, 'done', %(id)s, %(text)s, %(text)s, %(text)s, %(text)s,
        %(text)s, %(text)s, jsonb_build_object('old', %(text)s::text, %(text)s, 'x')
    )
"""


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A fresh session: no cookie, no cache, nothing opened before."""
    context = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield opened
    context.close()


@pytest.fixture
def hostile(saveguard: Saveguard) -> Iterator[UUID]:
    """Somebody with hostile text in every field, and an event of theirs; gone afterwards."""
    who = SystemClock().uuid7()
    values = {"id": who, "text": _HOSTILE}
    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in (_ACCOUNT, _AGENT, _KEY, _SIGN_IN, _EVENT):
            connection.execute(statement, values)
        yield who
        for table in ("sign_in", "api_key", "agent"):
            connection.execute(f"DELETE FROM {table} WHERE account_id = %s".encode(), [who])  # noqa: S608  # ours
        connection.execute("DELETE FROM account WHERE id = %s", [who])


def test_hostile_text_of_people_and_in_the_trail_is_shown_as_text(
    tab: Page, saveguard: Saveguard, hostile: UUID
) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("dialog", lambda dialog: dialog.dismiss())

    for address, tables in (
        (f"/people?person={hostile}", ("people", "person", "keys", "sign_ins")),
        ("/audit", ("audit",)),
        ("/limits", ("agents",)),
    ):
        tab.goto(f"{saveguard.url}{address}")
        for table in tables:
            cells = tab.locator(f".st-key-{table}-table [role=gridcell]")
            expect(cells.filter(has_text=_SPELLED).first).to_have_count(1)

        for selector in ("#bold", "img[src='x']", "img[src*=evil]", "a[href*=evil]", ".katex"):
            expect(tab.locator(selector)).to_have_count(0)
        assert tab.evaluate("window.owned") is None
        assert "\u202e" not in tab.locator(".stMain").inner_text()
        # What has no break scrolls within its table and does not widen the page.
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert [url for url in asked if "evil.example" in url.partition("?")[0]] == []


@pytest.mark.parametrize("width", [1440, 1024])
def test_the_whole_menu_is_in_sight_and_leads_to_the_pages_of_access(
    tab: Page, saveguard: Saveguard, width: int
) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(f"{saveguard.url}/limits")
    menu = tab.get_by_test_id("stTopNavLinkContainer")
    expect(menu).to_have_count(7)
    for entry in menu.all():
        box = entry.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width

    tab.get_by_test_id("stTopNavSection").click()
    listed = tab.get_by_test_id("stTopNavDropdownLink")

    expect(listed).to_have_text(["Limits", "People", "Audit trail", "Account"])
    # It is marked while a page of it is shown, and no longer.
    # While Streamlit measures its menu there may be two for a moment.
    section = tab.get_by_test_id("stTopNavSection").first
    expect(section).to_have_css("font-weight", "600")
    tab.goto(f"{saveguard.url}/latency")
    expect(section).to_have_css("font-weight", "400")
