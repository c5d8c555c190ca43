"""The page of a quote: as it stands, its versions, what was refused, two compared, the rules.

It stands still: an address names a quote, and a history grows only when somebody saves. Stored text
is drawn by `st.text`, `st.code` and tables alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import (
    engine_in_process,
    quote_address,
    quote_reads,
    quote_tables,
    quote_words,
    wording,
)
from dashboard.memory import Known
from dashboard.panels import ROW_HEIGHT
from dashboard.quote_address import Asked
from dashboard.quote_reads import Timeline
from engine.attempts.of_quote import LOOK_MAX
from engine.integrity.report import offender_line
from engine.quotes.lifecycle import Status
from engine.quotes.money import MINOR_DIGITS
from engine.quotes.record import QuoteRecord

_NUMBER_WIDTH: Final = 170
_ROWS_MAX: Final = 25
_INSTANT_WIDTH: Final = 190
_CORRELATION_ID_WIDTH: Final = 270
_OLDER, _NEWER, _ALL_SHOWN = "quote_older", "quote_newer", "quote_all_shown"


def quote() -> None:
    """The whole page below its title."""
    asked = quote_address.read(st.query_params.to_dict())
    if asked.unread:
        st.warning(quote_words.unread(asked.unread), icon=":material/link_off:")
    if asked.quote_id is None:
        st.info(
            "This page shows one quote. Its address ends in ?agent=…&quote=…, with the ids of an"
            " agent and of a quote of theirs.",
            icon=":material/link:",
        )
        return
    if "agent" in asked.unread:
        # Another agent than was meant must not be looked for.
        return
    known = quote_reads.find(asked.agent_id, asked.quote_id)
    _stale(known, "The quote could not be read")
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
    st.caption(f"Read at {wording.clock_time(found.read_at, zone, now)}; reload to read it again")
    timeline = quote_reads.timeline(found.agent_id, found.quote.id, asked.versions_before)
    _versions(timeline, asked, zone)
    _attempts(found.quote, timeline.value, asked, zone)
    _comparison(found.quote, asked, zone)
    _rules(found.quote)


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
        st.dataframe(
            quote_tables.facts(shown),
            hide_index=True,
            row_height=ROW_HEIGHT,
            height="content",
            key="quote_facts",
            alt="The quote as it stands",
        )
        st.caption(
            "Of the client only the id is shown; notes, and what was written to the client, are"
            " not."
        )


def _status(shown: QuoteRecord) -> str:
    """A word of ours, whatever is stored: a metric reads its value as Markdown."""
    return shown.status if shown.status in set(Status) else "Unknown"


def _money(shown: QuoteRecord, amount: object) -> str:
    currency = shown.currency if shown.currency in MINOR_DIGITS else ""
    return quote_words.amount(amount, currency)


# --- versions ---


def _versions(known: Known[Timeline], asked: Asked, zone: ZoneInfo | None) -> None:
    st.header("Versions", anchor=False)
    _stale(known, "The versions could not be read")
    shown = known.value
    if shown is None:
        return
    if not shown.entries:
        st.caption("No versions" if asked.versions_before is None else "No older versions")
        return
    _broken_prices(shown)
    _paging(
        "versions",
        asked,
        newest=replace(asked, versions_before=None),
        older=replace(asked, versions_before=shown.entries[-1].version.version)
        if shown.has_older
        else None,
        is_newest=asked.versions_before is None,
    )
    _table(
        quote_tables.timeline(shown, asked, zone),
        "versions",
        "Versions, newest first",
        {
            quote_tables.VERSION: st.column_config.NumberColumn(width=70),
            "When, UTC": st.column_config.TextColumn(width=_INSTANT_WIDTH),
            quote_tables.CHANGED: st.column_config.TextColumn(width=400),
            quote_tables.PRICE: _verdicts(quote_words.PRICES),
            quote_tables.CORRELATION_ID: st.column_config.TextColumn(width=_CORRELATION_ID_WIDTH),
            quote_tables.COMPARE: st.column_config.LinkColumn(
                display_text="Compare", width=90, help="With the version before, field by field"
            ),
        },
    )
    st.caption(
        "Recomputed is what the stored items cost under the pricing policy that was stored with"
        " the version."
    )


def _broken_prices(shown: Timeline) -> None:
    wrong = [each.version.version for each in shown.entries if each.disagreement is not None]
    if not wrong:
        return
    listed = ", ".join(map(str, wrong))
    st.error(
        f"The stored price does not follow from the stored items in version {listed}.",
        icon=":material/price_change:",
    )
    _table(quote_tables.prices(shown), "wrong_prices", "Prices, stored and recomputed", {})


# --- attempts that made no version ---


def _attempts(
    shown: QuoteRecord, timeline: Timeline | None, asked: Asked, zone: ZoneInfo | None
) -> None:
    st.header("Attempts that made no version", anchor=False)
    known = quote_reads.without_version(
        shown.agent_id, shown.id, shown.created_at, asked.attempts_before
    )
    _stale(known, "The attempts could not be read")
    found = known.value
    if found is None:
        return
    if found.attempts:
        stood_at = [] if timeline is None else quote_tables.versions_since(timeline)
        _table(
            quote_tables.attempts(found, stood_at, zone),
            "quote_attempts",
            "Attempts that made no version, newest first",
            {
                quote_tables.STARTED: st.column_config.TextColumn(width=_INSTANT_WIDTH),
                "Code": st.column_config.TextColumn(width=210),
                quote_tables.CORRELATION_ID: st.column_config.TextColumn(
                    width=_CORRELATION_ID_WIDTH
                ),
                "Duration, ms": st.column_config.NumberColumn(format="%,.1f"),
            },
        )
    else:
        st.caption(
            "None since the quote was made" if asked.attempts_before is None else "No older ones"
        )
    if found.is_cut_short and found.next_before is not None:
        reached = wording.clock_time(found.next_before[0], zone, None)
        st.caption(
            f"Looked at {LOOK_MAX:,} attempts of this agent, back to {reached}; what is older is"
            " looked at when asked for."
        )
    _paging(
        "attempts",
        asked,
        newest=replace(asked, attempts_before=None),
        older=None
        if found.next_before is None
        else replace(asked, attempts_before=found.next_before),
        is_newest=asked.attempts_before is None,
    )


# --- two versions ---


def _comparison(shown: QuoteRecord, asked: Asked, zone: ZoneInfo | None) -> None:
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
    known = quote_reads.compare(shown.agent_id, shown.id, older, newer)
    _stale(known, "The versions could not be read")
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
        _table(fields, "fields", "Fields that differ", _WIDE)
    if not items.empty:
        _table(items, "items", "Items that differ", _WIDE)


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


def _rules(shown: QuoteRecord) -> None:
    st.header("Integrity rules", anchor=False)
    known = quote_reads.check(shown.agent_id, shown.id)
    _stale(known, "The rules could not be checked")
    found = known.value
    if found is None:
        return
    summary = quote_words.rules_summary(found.results)
    st.badge(summary.text, color=summary.colour)
    for result in found.results:
        for offender in result.offenders:
            st.text(f"{result.rule.id}: {quote_words.cut(offender_line(offender))}")
    _table(
        quote_tables.rules(found),
        "rules",
        "Integrity rules of this quote",
        {
            "Rule": st.column_config.TextColumn(width=70),
            quote_tables.VERDICT: _verdicts(quote_words.VERDICTS),
            "What holds": st.column_config.TextColumn(width=520),
        },
    )


# --- shared by the sections ---


def _paging(
    name: str, asked: Asked, *, newest: Asked, older: Asked | None, is_newest: bool
) -> None:
    """Leads to the other pages of a list; nothing where it has one only."""
    if is_newest and older is None:
        return
    with st.container(horizontal=True, key=f"{name}-paging"):
        st.button(
            "Newest",
            key=f"{name}_newest",
            icon=":material/first_page:",
            disabled=is_newest,
            on_click=st.query_params.from_dict,
            args=(newest.parameters(),),
        )
        st.button(
            "Older",
            key=f"{name}_older",
            icon=":material/chevron_right:",
            disabled=older is None,
            on_click=st.query_params.from_dict,
            args=((older or asked).parameters(),),
        )


def _stale(known: Known[Any], what: str) -> None:
    if known.freshness.is_stale:
        st.error(f"{what}: {known.freshness.reason}.", icon=":material/cloud_off:")


def _verdicts(words: tuple[wording.Words, ...]) -> Any:  # noqa: ANN401  # no public name for it
    return st.column_config.MultiselectColumn(
        options=[each.text for each in words],
        color=[each.colour for each in words],
        width=130,
    )


def _table(shown: pd.DataFrame, key: str, alt: str, columns: dict[str, Any]) -> None:
    st.dataframe(
        shown,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height="content" if len(shown) <= _ROWS_MAX else (_ROWS_MAX + 1) * ROW_HEIGHT + 2,
        key=key,
        alt=alt,
        column_config=columns,
    )
