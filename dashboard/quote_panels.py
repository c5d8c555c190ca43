"""The page of a quote: as it stands, its versions, what was refused, two compared, the rules.

It stands still: an address names a quote, and a history grows only when somebody saves. Stored text
is drawn by `st.text`, `st.code` and tables alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import (
    engine_in_process,
    entry,
    navigation,
    quote_address,
    quote_drawing,
    quote_history_panel,
    quote_personal,
    quote_reads,
    quote_tables,
    quote_words,
    viewer,
    wording,
)
from dashboard.quote_address import Asked
from dashboard.viewer import Viewer
from engine.integrity.report import offender_line
from engine.quotes.lifecycle import Status
from engine.quotes.money import MINOR_DIGITS
from engine.quotes.record import QuoteRecord

_NUMBER_WIDTH: Final = 170
_OLDER, _NEWER, _ALL_SHOWN = "quote_older", "quote_newer", "quote_all_shown"


def quote() -> None:
    """The whole page below its title."""
    if not entry.allows("quote"):
        return
    asked = quote_address.read(st.query_params.to_dict())
    if asked.unread:
        st.warning(quote_words.unread(asked.unread), icon=":material/link_off:")
    if asked.quote_id is None:
        st.info(
            "This page shows one quote. Its address ends in ?agent=…&quote=…, with the ids of an"
            " agent and of a quote of theirs.",
            icon=":material/link:",
        )
        if navigation.has(viewer.current(), "lookup"):
            st.page_link(
                navigation.PATHS["lookup"], label="Find a quote on Lookup", icon=":material/search:"
            )
        return
    if "agent" in asked.unread:
        # Another agent than was meant must not be looked for.
        return
    looking = viewer.current()
    known = quote_reads.find(looking, asked.agent_id, asked.quote_id)
    quote_drawing.stale(known, "The quote could not be read")
    found = known.value
    if found is None:
        return
    if found.agent_id is None:
        st.warning(
            "Whose quote this is cannot be told from its id alone: the ledger has no attempt that"
            " made it (its day may be past retention). Add agent=… to the address.",
            icon=":material/person_search:",
        )
        return
    if found.quote is None:
        st.warning("This agent has no quote with this id.", icon=":material/search_off:")
        return
    now = engine_in_process.runtime().clock.now()
    zone = wording.zone_of(st.context.timezone, now)
    asked = replace(asked, agent_id=found.agent_id)
    _head(found.quote)
    quote_personal.section(found.quote)
    st.caption(f"Read at {wording.clock_time(found.read_at, zone, now)}; reload to read it again")
    quote_history_panel.history(looking, found.quote, asked, zone)
    _comparison(looking, found.quote, asked, zone)
    _rules(looking, found.quote)


# --- the quote now ---


def _head(shown: QuoteRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="quote-head"):
        st.code(quote_words.cut(shown.quote_number), language=None, width=_NUMBER_WIDTH + 30)
        st.metric("Status", _status(shown), border=True, width=_NUMBER_WIDTH)
        st.metric("Version", f"{shown.version:,}", border=True, width=_NUMBER_WIDTH)
        st.metric("Total", _money(shown, shown.total), border=True, width=_NUMBER_WIDTH + 40)
        st.metric(
            "Per person", _money(shown, shown.per_person), border=True, width=_NUMBER_WIDTH + 40
        )
    with st.expander("The quote as it stands", icon=":material/description:"):
        facts = quote_tables.facts(shown)
        quote_drawing.table(facts, "quote_facts", "The quote as it stands", {}, rows_max=len(facts))
        st.caption("Of the client only the id is shown; notes are not.")


def _status(shown: QuoteRecord) -> str:
    """A word of ours, whatever is stored: a metric reads its value as Markdown."""
    return shown.status if shown.status in set(Status) else "Unknown"


def _money(shown: QuoteRecord, amount: object) -> str:
    currency = shown.currency if shown.currency in MINOR_DIGITS else ""
    return quote_words.amount(amount, currency)


# --- two versions ---


def _comparison(looking: Viewer, shown: QuoteRecord, asked: Asked, zone: ZoneInfo | None) -> None:
    st.header("Two versions compared", anchor=False)
    newest = max(shown.version, 1)
    if newest == 1 and asked.older is None and asked.newer is None:
        st.caption("There is one version only.")
        return
    newer = asked.newer or newest
    older = asked.older or max(newer - 1, 1)
    older, newer = min(older, newer), max(older, newer)
    if newer > newest:
        st.warning(
            f"The address names version {newer:,}; the newest is {newest:,}.",
            icon=":material/link_off:",
        )
        return
    _choice(asked, older, newer, newest)
    known = quote_reads.compare(looking, shown.agent_id, shown.id, older, newer)
    quote_drawing.stale(known, "The versions could not be read")
    pair = known.value
    if pair is None:
        return
    if pair.older is None or pair.newer is None or pair.difference is None:
        missing = [
            version
            for version, record in ((older, pair.older), (newer, pair.newer))
            if record is None
        ]
        st.warning(quote_words.no_such_version(older, newer, missing), icon=":material/rule:")
        return
    for name, record in (("Older", pair.older), ("Newer", pair.newer)):
        when = wording.clock_time(record.last_modified_at, zone, None)
        by = quote_words.who(record.last_modified_by)
        st.text(f"{name}: version {record.version:,}, {when}, {by}")
    fields = quote_tables.fields(
        pair.older, pair.newer, pair.difference, is_all_shown=asked.is_all_shown
    )
    items = quote_tables.items(pair.older, pair.difference, is_all_shown=asked.is_all_shown)
    if fields.empty and items.empty:
        st.caption("Nothing differs but the version itself.")
    if not fields.empty:
        quote_drawing.table(fields, "fields", "Fields that differ", _WIDE)
    if not items.empty:
        quote_drawing.table(items, "items", "Items that differ", _WIDE)


_WIDE: Final[dict[str, Any]] = {
    "Older": st.column_config.TextColumn(width=300),
    "Newer": st.column_config.TextColumn(width=300),
}


def _choice(asked: Asked, older: int, newer: int, newest: int) -> None:
    """Which two; the widgets show what the address says and rewrite it."""
    st.session_state[_OLDER], st.session_state[_NEWER] = older, newer
    st.session_state[_ALL_SHOWN] = asked.is_all_shown
    with st.container(horizontal=True, vertical_alignment="bottom", key="quote-versions"):
        for label, key in (("Older version", _OLDER), ("Newer version", _NEWER)):
            st.number_input(
                label,
                min_value=1,
                max_value=newest,
                step=1,
                key=key,
                on_change=_rewrite,
                args=(asked,),
                width=_NUMBER_WIDTH,
            )
        st.toggle("What did not change, too", key=_ALL_SHOWN, on_change=_rewrite, args=(asked,))


def _rewrite(asked: Asked) -> None:
    """Puts what the widgets show into the address."""
    state: Any = st.session_state
    chosen = replace(
        asked,
        older=int(state[_OLDER]),
        newer=int(state[_NEWER]),
        is_all_shown=bool(state[_ALL_SHOWN]),
    )
    st.query_params.from_dict(chosen.parameters())


# --- rules ---


def _rules(looking: Viewer, shown: QuoteRecord) -> None:
    st.header("Integrity rules", anchor=False)
    known = quote_reads.check(looking, shown.agent_id, shown.id)
    quote_drawing.stale(known, "The rules could not be checked")
    found = known.value
    if found is None:
        return
    summary = quote_words.rules_summary(found.results)
    st.badge(summary.text, color=summary.colour)
    for result in found.results:
        for offender in result.offenders:
            st.text(f"{result.rule.id}: {quote_words.cut(offender_line(offender))}")
    quote_drawing.table(
        quote_tables.rules(found),
        "rules",
        "Integrity rules of this quote",
        {
            "Rule": st.column_config.TextColumn(width=70),
            quote_tables.VERDICT: quote_drawing.verdicts(quote_words.VERDICTS),
            "What holds": st.column_config.TextColumn(width=510),
            quote_tables.LOOKED_AT: st.column_config.TextColumn(width=75, alignment="right"),
            quote_tables.WRONG: st.column_config.TextColumn(width=60, alignment="right"),
            "Not looked at": st.column_config.TextColumn(width=450),
        },
    )
