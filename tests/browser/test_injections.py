"""Hostile text in every stored field, and every page opened on it: it stays text.

No dialog, no script, no element of its making, no request to anybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlmodel import Session

from dashboard.navigation import PAGES
from engine.access.accounts import add_agent
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.database.migrate import owner_engine
from engine.payload import encode
from engine.quotes.clients import add_client
from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS
from tests.alert_past import Past
from tests.api.test_bad_fields import ITEMS
from tests.browser.chromium import LAPTOP
from tests.browser.expanders import open_expander
from tests.browser.saveguard import Saveguard
from tests.canaries.planting import texts_of
from tests.injections import HOST, MARKUP, OWNED
from tests.support import quote_body

CLOCK: Final = SystemClock()
_PATIENCE_MS: Final = 30_000
_QUOTES: Final = "/api/agents/quotes"
# All of a kind in one text; two kinds of page would be twice the time, and two texts half.
_TEXTS: Final = (
    " ".join([*MARKUP["HTML"], *MARKUP["SVG"]]),
    " ".join([*MARKUP["Markdown"], *MARKUP["Streamlit"], *MARKUP["Plotly"]]),
)
# Shown by whatever shows a text at all.
_SIGNS: Final = (f"window.{OWNED}=9", ":red-badge[badge]")
# Shown by whatever shows only the beginning of a text.
_START: Final = 20
# Pages beside those that show names of people, or what somebody did.
_TELLING: Final = frozenset({"people", "audit"})
# What the text would have made of a page that reads it as anything but text.
_MADE: Final = (
    f"#{OWNED}", f"[src*='{HOST}']", f"[href*='{HOST}']", f"[action*='{HOST}']",
    "[href^='javascript:']", "[src^='javascript:']", "[src='x']", "[srcdoc]", "[onload]",
    "[onerror]", "[onfocus]", "[onbegin]", ".katex", "iframe[srcdoc]", "meta[http-equiv=refresh]",
    "h1:text-is('heading')", ".stMarkdownBadge:text-is('badge')", "span:text-is('badge')",
    "span:text-is('colour')", "[data-testid=stIconMaterial]:text-is('bug_report')",
    "code:text-is('d')", "strong:text-is('c')", "li:text-is('list')",
)  # fmt: skip


@dataclass
class Watch:
    """What a browser did while it was looked on."""

    origin: str
    dialogs: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Looks on."""
        context.on("request", lambda request: self._asked(request.url))
        context.on("dialog", self._asked_back)
        context.on("console", lambda message: self._said(message.text))
        context.on("weberror", lambda error: self._said(str(error.error)))

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme not in {"data", "blob"} and not url.startswith(self.origin):
            self.foreign.append(url)

    def _asked_back(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _said(self, text: str) -> None:
        if HOST in text or OWNED in text or "Error" in text:
            self.console.append(text)


@dataclass(frozen=True)
class Poisoned:
    """A quote, the attempt that made it, and an alert, with hostile text in every field."""

    quote_id: UUID
    attempt_id: UUID
    alert_id: UUID
    sign: str
    start: str


@pytest.fixture
def watch(saveguard: Saveguard) -> Watch:
    return Watch(saveguard.url)


@pytest.fixture
def tab(browser: Browser, watch: Watch) -> Iterator[Page]:
    """A fresh session that is watched."""
    context = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    watch.over(context)
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield opened
    context.close()


@contextmanager
def _database(saveguard: Saveguard) -> Iterator[psycopg.Connection[Any]]:
    """As somebody who may write what no caller could save."""
    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def _poison(saveguard: Saveguard, text: str, sign: str) -> Poisoned:
    """An agent with a client, a key and a quote; then the text wherever text can be stored."""
    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with Session(owner_engine(conninfo)) as session:
        agent = add_agent(session, CLOCK, name="x", email=f"{CLOCK.uuid7()}@example.org")
        client_id = add_client(
            session, CLOCK, agent_id=agent.agent_id, first_name="x", last_name="x", email="x@y.org"
        )
        session.commit()
    answer = saveguard.caller.post(
        _QUOTES,
        content=encode(_laden(text) | {"clientId": str(client_id)}),
        headers={
            "content-type": "application/json",
            "authorization": f"Bearer {agent.api_key}",
        },
    )
    assert answer.status_code == 201, answer.text
    quote_id = UUID(answer.json()["quoteId"])
    with _database(saveguard) as connection:
        for table, condition in (
            ("quote", {"id": quote_id}),
            ("quote_revision", {"quote_id": quote_id}),
            ("attempt", {"quote_id": quote_id}),
            ("client", {"id": client_id}),
            ("agent", {"id": agent.agent_id}),
            ("account", {"id": agent.account_id}),
            ("api_key", {"account_id": agent.account_id}),
        ):
            _write_everywhere(connection, table, condition, text)
        (attempt_id,) = connection.execute(
            "SELECT id FROM attempt WHERE quote_id = %s", [quote_id]
        ).fetchone() or (None,)
        _add_event(connection, agent.account_id, text)
        alert_id = _add_alert(connection, text)
    assert attempt_id is not None
    return Poisoned(quote_id, attempt_id, alert_id, sign, text[:_START])


def _laden(text: str) -> dict[str, Any]:
    """A quote with the text in every text of it that may be that long."""

    def filled(texts: dict[str, Any]) -> dict[str, Any]:
        return {name: [text] if isinstance(one, list) else text for name, one in texts.items()}

    body = quote_body(taxes=1) | filled(texts_of(QUOTE_FIELDS, ""))
    body |= {"tripName": text[:200], "destination": text[:200]}
    for kind, attribute in ITEM_NAMES.items():
        item = ITEMS[kind] | filled(texts_of(ITEM_FIELDS[attribute], kind))
        body[kind] = item if kind == "insurance" else [item]
    return body


def _write_everywhere(
    connection: psycopg.Connection[Any], table: str, where: dict[str, UUID], text: str
) -> None:
    """Puts the text into every text column of a row that takes it."""
    ((key, row_id),) = where.items()
    columns = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND data_type = 'text'",
        [table],
    ).fetchall()
    written = 0
    for (column,) in columns:
        statement = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s").format(
            *map(sql.Identifier, (table, column, key))
        )
        # Words of ours are checked by the database, and take no other.
        with suppress(psycopg.errors.CheckViolation):
            # Unique where it has to be.
            written += connection.execute(statement, [f"{text} {row_id}", row_id]).rowcount
    assert written > 0


def _add_event(connection: psycopg.Connection[Any], account_id: UUID, text: str) -> None:
    """An event of the audit trail with the text in all of it."""
    connection.execute(
        "INSERT INTO audit_event (id, happened_at, action, outcome, account_id, actor, way,"
        " address, subject_kind, subject_id, correlation_id, details)"
        " VALUES (%(id)s, now(), 'settings changed', 'done', %(account)s, %(text)s, %(text)s,"
        " %(text)s, %(text)s, %(text)s, %(text)s,"
        " jsonb_build_object(%(text)s::text, %(text)s::text))",
        {"id": CLOCK.uuid7(), "account": account_id, "text": text},
    )


def _add_alert(connection: psycopg.Connection[Any], text: str) -> UUID:
    """An alert that is over, with the text in all that was said of it; its id."""
    past = Past(connection, CLOCK.now())
    silence_id = past.silence({"rule": text}, reason=text, made_by=text)
    alert_id = past.alert(
        rule_id=text,
        lasted=timedelta(minutes=5),
        severity="CRITICAL",
        error_code=text,
        correlation_id=text,
        message=text,
        numbers=Jsonb({text: text}),
        acknowledged_at=past.now,
        acknowledged_by=text,
        disposition="real",
        remark=text,
        muted_by=Jsonb({"silence": str(silence_id)}),
    )
    body = Jsonb({"ruleId": text, "severity": text})
    outbox_id = past.notice(alert_id, "webhook", answer=text, receipt=text, body=body)
    past.tried(outbox_id, answer=text)
    return alert_id


def test_hostile_text_in_every_stored_field_stays_text_on_every_page(
    tab: Page, saveguard: Saveguard, watch: Watch
) -> None:
    poisoned = [_poison(saveguard, text, sign) for text, sign in zip(_TEXTS, _SIGNS, strict=True)]
    now = CLOCK.now()
    for each in poisoned:
        _open(tab, saveguard, "quote", quote=str(each.quote_id), unchanged="shown")
        tab.get_by_text("The quote as it stands").click()
        # Else the page would pass for safe because it shows nothing.
        expect(tab.locator("[role=gridcell]").filter(has_text=each.sign).first).to_have_count(1)
        expect(tab.locator(".st-key-quote_facts-table [role=gridcell]").first).to_have_count(1)
        show = tab.locator(".st-key-show_personal_data button")
        open_expander(tab.locator(".st-key-quote-personal"), show)
        show.click()
        expect(tab.locator(".st-key-personal-data")).to_contain_text(each.sign)
        _check(tab)
        _open(tab, saveguard, "alerts", alert=str(each.alert_id))
        said = tab.locator(".st-key-alert-table [role=gridcell]")
        expect(said.filter(has_text=each.start).first).to_have_count(1)
        _check(tab)
        _open(tab, saveguard, "lookup", correlation_id=str(each.attempt_id))
        expect(tab.locator(".st-key-story")).to_contain_text(each.sign)
        _check(tab)
    window = {"from": f"{now:%Y-%m-%dT00:00:00Z}", "until": f"{now:%Y-%m-%dT23:59:59Z}"}
    _open(tab, saveguard, "attempts", **window)
    expect(tab.locator("[role=gridcell]").filter(has_text=_SIGNS[1]).first).to_have_count(1)
    _check(tab)
    for view in ("History", "Deliveries", "Silences"):
        _open(tab, saveguard, "alerts", show=view, span="1 h")
        started = tab.locator("[role=gridcell]").filter(has_text=poisoned[1].start)
        expect(started.first).to_have_count(1)
        _check(tab)
    for page in set(PAGES) - {"quote", "lookup", "attempts"}:
        _open(tab, saveguard, page)
        if page in _TELLING:
            expect(tab.locator("[role=gridcell]").filter(has_text=_SIGNS[1]).first).to_have_count(1)
        _check(tab)

    assert (watch.dialogs, watch.foreign, watch.console) == ([], [], [])


def _open(tab: Page, saveguard: Saveguard, page: str, **said: str) -> None:
    """Goes to a page, and waits until it has been drawn to its end."""
    # The first page has no address but that of all.
    address = "" if page == "overview" else page
    tab.goto(f"{saveguard.url}/{address}?{urlencode(said)}")
    expect(tab.locator(".stMain h1")).to_be_visible()
    expect(tab.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def _check(tab: Page) -> None:
    """Asserts that nothing on the page came out of a text."""
    for frame in tab.frames:
        assert frame.evaluate(f"window.{OWNED}") is None
    found = {each: tab.locator(each).count() for each in _MADE}
    assert {each: count for each, count in found.items() if count} == {}
    scripts = f"[...document.scripts].filter(each => /{OWNED}/.test(each.text)).length"
    assert tab.evaluate(scripts) == 0
    assert "\u202e" not in tab.locator(".stMain").inner_text()


def test_no_table_offers_a_file_of_its_own(tab: Page, saveguard: Saveguard) -> None:
    """What a table writes itself is recorded nowhere, and a spreadsheet runs formulas in it."""
    created = saveguard.create(tripName="=1+1").json()
    _open(tab, saveguard, "quote", quote=created["quoteId"])
    table = tab.locator(".st-key-history-table")
    expect(table.locator("[role=gridcell]").first).to_have_count(1)

    table.hover()
    its_own = tab.locator("button[aria-label^='Download as CSV']")

    expect(its_own.nth(2)).to_have_count(1)
    shown = its_own.evaluate_all("all => all.map(each => getComputedStyle(each).display)")
    assert set(shown) == {"none"}
