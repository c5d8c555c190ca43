"""A quote's history on its page: versions, and between them what was refused, on one line.

Of many attempts between two versions the newest are listed; the rest is a link away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import (
    lookup_link,
    quote_address,
    quote_drawing,
    quote_history,
    quote_reads,
    quote_words,
    tables,
)
from dashboard.quote_address import Asked, Span
from dashboard.quote_reads import Timeline
from dashboard.viewer import Viewer
from engine.quotes.record import QuoteRecord

_INSTANT_WIDTH: Final = 180
_HISTORY: Final = "History, newest first"


def history(looking: Viewer, shown: QuoteRecord, asked: Asked, zone: ZoneInfo | None) -> None:
    """The section; the address says whether all of it or the attempts between two versions.

    Args:
        looking: who looks at it.
        shown: the quote.
        asked: the page's address.
        zone: the viewer's; None where that is UTC.
    """
    st.header("History", anchor=False)
    if asked.between is None:
        _all(looking, shown, asked, zone)
    else:
        _between(looking, shown, asked, asked.between, zone)


def _all(looking: Viewer, shown: QuoteRecord, asked: Asked, zone: ZoneInfo | None) -> None:
    known = quote_reads.timeline(
        looking, shown.agent_id, shown.id, shown.created_at, asked.versions_before
    )
    quote_drawing.stale(known, "The versions could not be read")
    found = known.value
    if found is None:
        return
    if not found.entries:
        st.caption("No versions" if asked.versions_before is None else "No older versions")
        return
    _broken_prices(found)
    _paging(
        "versions",
        asked,
        newest=replace(asked, versions_before=None),
        older=replace(asked, versions_before=found.entries[-1].version.version)
        if found.has_older
        else None,
        is_newest=asked.versions_before is None,
    )
    _draw(quote_history.table(list(quote_history.events(found, asked)), zone))
    left_out = quote_history.summary(found, zone)
    if left_out:
        st.caption(left_out)
    st.caption(
        f"{lookup_link.HINT}. Further right: the total, recomputed as the stored items cost under"
        " the pricing policy that was stored with the version, and who made it."
    )


def _between(
    looking: Viewer, shown: QuoteRecord, asked: Asked, span: Span, zone: ZoneInfo | None
) -> None:
    """The attempts between two versions, page by page."""
    st.caption(f"Attempts that made no version, {quote_history.span_words(span)}")
    known = quote_reads.without_version(
        looking, shown.agent_id, shown.id, span, shown.created_at, asked.attempts_before
    )
    quote_drawing.stale(known, "The attempts could not be read")
    st.button(
        "The whole history",
        key="whole_history",
        icon=":material/history:",
        on_click=st.query_params.from_dict,
        args=(asked.within(None).parameters(),),
    )
    found = known.value
    if found is None:
        return
    _paging(
        "attempts",
        asked,
        newest=replace(asked, attempts_before=None),
        older=None
        if found.next_before is None
        else replace(asked, attempts_before=found.next_before),
        is_newest=asked.attempts_before is None,
    )
    if found.attempts:
        refused = [quote_history.refused(each, span.older) for each in found.attempts]
        _draw(quote_history.table(refused, zone))
    else:
        st.caption("None" if asked.attempts_before is None else "No older ones")
    cut_short = quote_history.reached(found, zone)
    if cut_short:
        st.caption(cut_short)


def _draw(shown: pd.DataFrame) -> None:
    table, leading = lookup_link.leading(
        tables.packed(shown), quote_history.CORRELATION_ID, key="pick_of_quote"
    )
    quote_drawing.table(
        table,
        "history",
        _HISTORY,
        {
            quote_history.WHEN: st.column_config.TextColumn(width=_INSTANT_WIDTH),
            quote_history.VERSION: st.column_config.TextColumn(width=65),
            quote_history.OUTCOME: quote_drawing.coloured(quote_history.OUTCOMES),
            quote_history.CODE: st.column_config.TextColumn(width=205),
            quote_history.WHAT: st.column_config.TextColumn(width=400),
            quote_history.OPEN: st.column_config.LinkColumn(
                display_text=quote_address.SHOWN,
                width=85,
                help="A version beside the one before it, or all attempts between two versions",
            ),
            quote_history.PRICE: quote_drawing.verdicts(quote_words.PRICES),
            **leading,
        },
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
    quote_drawing.table(
        quote_history.prices(shown), "wrong_prices", "Prices, stored and recomputed", {}
    )


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
