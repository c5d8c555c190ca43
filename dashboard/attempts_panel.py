"""The page of attempts: which these are, how many by both ways of counting, the queries, the rows.

It does not refresh itself once its window is over: the address names instants.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import psycopg
import streamlit as st

from dashboard import (
    acting,
    addresses,
    attempt_filters,
    attempt_reads,
    attempt_table,
    engine_in_process,
    entry,
    lookup_link,
    receipt_words,
    viewer,
)
from dashboard.attempt_reads import CSV_ROWS
from dashboard.long_reads import PATIENCE, BusyError
from dashboard.memory import Known
from engine.access.audit import Actor
from engine.rollups import rows
from engine.rollups.receipt import Receipt
from engine.rollups.rows import Page, Place
from engine.rollups.selection import Selection

# How often a window that is not over yet is counted again.
_MOVING_S: Final = 10
# Two of them stand side by side on a phone.
_NUMBER_WIDTH: Final = 170
_RECOUNTED: Final = "recounted"


def attempts() -> None:
    """The whole page below its title."""
    if not entry.allows("attempts"):
        return
    attempt_filters.open_on_the_newest()
    said = st.query_params.to_dict()
    selection, unread = addresses.read_attempts(said)
    if _before(said) is None and addresses.BEFORE in said:
        unread = (*unread, addresses.BEFORE)
    attempt_filters.draw(selection)
    if unread:
        st.warning(receipt_words.unread(unread), icon=":material/link_off:")
    if selection is not None:
        is_moving = selection.window.end > engine_in_process.runtime().clock.now()
        st.fragment(_selected, run_every=_MOVING_S if is_moving else None)()


def _selected() -> None:
    """What the address selects; it reads that itself, because a fragment keeps its arguments."""
    if not entry.allows("attempts"):
        return
    looking = viewer.current()
    said = st.query_params.to_dict()
    selection, before = addresses.read_attempts(said).selection, _before(said)
    if selection is None:
        return
    known = attempt_reads.read_receipt(looking, selection)
    st.header(receipt_words.sentence(selection), anchor=False)
    if selection.changed_fields is not None:
        st.code(selection.changed_fields, language=None)
    receipt = _recounted(selection, known.value)
    _receipt(selection, receipt, known)
    page = attempt_reads.read_page(looking, selection, before)
    _queries(selection, page.value)
    _rows(selection, before, page, receipt)


def _before(said: Mapping[str, str]) -> Place | None:
    try:
        return addresses.read_before(said)
    except ValueError:
        return None


def _receipt(selection: Selection, receipt: Receipt | None, known: Known[Receipt]) -> None:
    if known.freshness.is_stale:
        st.error(f"Not read: {known.freshness.reason}.", icon=":material/cloud_off:")
    verdict = receipt_words.verdict(receipt)
    with st.container(horizontal=True, vertical_alignment="center", key="receipt"):
        st.metric(
            "By rollups and tail",
            receipt_words.by_rollups(receipt),
            border=True,
            width=_NUMBER_WIDTH,
        )
        st.metric(
            "Counted from the rows",
            receipt_words.by_rows(receipt),
            border=True,
            width=_NUMBER_WIDTH,
        )
        st.badge(verdict.text, color=verdict.colour)
        if receipt is not None and receipt.kept is not None and receipt.counted is None:
            st.button(
                "Count the rows",
                icon=":material/calculate:",
                on_click=_count_rows,
                args=(selection,),
            )
    if receipt is not None:
        now = engine_in_process.runtime().clock.now()
        for remark in receipt_words.remarks(receipt, selection, now):
            st.caption(remark)
    failure = st.session_state.get(_RECOUNTED)
    if failure is not None and failure[0] == selection and isinstance(failure[1], str):
        st.warning(failure[1], icon=":material/timer_off:")


def _count_rows(selection: Selection) -> None:
    """Counts, and keeps the answer for this viewer; or why there is none."""
    answer: Receipt | str
    try:
        with st.spinner("Counting the rows"):
            answer = attempt_reads.recount(viewer.current(), selection)
    except PermissionError:
        # The page itself says so, right below.
        return
    except BusyError:
        answer = "Another count or download is under way. Try again in a moment."
    except psycopg.errors.QueryCanceled:
        answer = receipt_words.gave_up(PATIENCE)
    except psycopg.Error:
        answer = "The rows could not be counted: the database has not answered."
    st.session_state[_RECOUNTED] = (selection, answer)


def _recounted(selection: Selection, receipt: Receipt | None) -> Receipt | None:
    """The receipt with what this viewer had counted, unless the number has moved since."""
    kept_of, kept = st.session_state.get(_RECOUNTED, (None, None))
    if kept_of != selection or not isinstance(kept, Receipt):
        return receipt
    has_moved = receipt is not None and receipt.rolled_kept != kept.rolled_kept
    return receipt if has_moved else kept


def _queries(selection: Selection, page: Page | None) -> None:
    with st.expander("The queries", icon=":material/database:"):
        st.caption("Each can be pasted into psql. The first one counts the rows:")
        st.code(rows.count_query(selection).as_string(None) + ";", language="sql")
        if page is not None:
            st.caption(
                "This one lists those that are shown below, and looks back no further than they"
                " reach:"
            )
            st.code(page.query, language="sql")


def _rows(
    selection: Selection, before: Place | None, page: Known[Page], receipt: Receipt | None
) -> None:
    if page.freshness.is_stale:
        st.error(
            f"The rows could not be listed: {page.freshness.reason}. A shorter window asks less.",
            icon=":material/cloud_off:",
        )
    if page.value is None:
        return
    if not page.value.rows:
        st.caption("No such attempts" if before is None else "No older attempts")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="rows-head"):
        _paging(selection, before, page.value)
        _download(selection, receipt)
        st.caption(lookup_link.HINT, width="content")
    attempt_table.draw(page.value.rows)


def _paging(selection: Selection, before: Place | None, page: Page) -> None:
    st.button(
        "Newest",
        key="newest-page",
        icon=":material/first_page:",
        disabled=before is None,
        on_click=st.query_params.from_dict,
        args=(addresses.attempts(selection),),
    )
    st.button(
        "Older",
        key="older-page",
        icon=":material/chevron_right:",
        disabled=not page.has_older,
        on_click=st.query_params.from_dict,
        args=(addresses.older(selection, page.rows[-1].place),),
    )


def _download(selection: Selection, receipt: Receipt | None) -> None:
    st.download_button(
        "CSV",
        partial(attempt_reads.csv, _whoever_clicks(), selection),
        file_name=f"{receipt_words.file_name(selection)}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv",
    )
    known = None if receipt is None else receipt.rolled or receipt.counted
    if known is not None and known > CSV_ROWS:
        words = f"The file has the newest {CSV_ROWS:,} of them"
        # The command has no options for what else a selection may say.
        st.caption(
            f"{words}; saveguard export writes all." if _is_plain(selection) else f"{words}."
        )


def _whoever_clicks() -> Actor:
    """Streamlit knows nothing of a page any more when a file is made for a click."""
    return acting.actor(viewer.current(), engine_in_process.runtime().clock)


def _is_plain(selection: Selection) -> bool:
    bounds = (selection.at_least_us, selection.below_us, selection.changed_fields)
    return all(bound is None for bound in bounds)
