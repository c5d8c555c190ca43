"""The page of the audit trail: filters that stand in the address, events, a file.

It stands still; stored text is in tables only.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

import streamlit as st

from dashboard import (
    acting,
    audit_address,
    audit_reads,
    audit_tables,
    audit_words,
    engine_in_process,
    entry,
    quote_drawing,
    viewer,
)
from dashboard.audit_address import Asked
from dashboard.audit_reads import Shown
from dashboard.memory import Known
from dashboard.viewer import Viewer
from engine.access.audit import Action
from engine.access.audit_trail import Page, Wanted
from engine.attempts.words import instant

_EXAMPLE: Final = "2026-11-26 09:00"
_ANY_ACTION: Final = "Any action"
_ANY_OUTCOME: Final = "Done or refused"
_WIDTHS: Final = {
    audit_tables.WHEN: 170,
    "Actor": 170,
    "Action": 150,
    "Subject": 210,
    "Code": 190,
    "Where": 120,
    "Details": 330,
    audit_tables.CORRELATION_ID: 265,
}
_KEYS: Final = {
    name: f"audit_{name}"
    for name in (
        audit_address.ACTION,
        audit_address.OUTCOME,
        audit_address.ACTOR,
        audit_address.REQUEST,
        audit_address.SINCE,
        audit_address.UNTIL,
    )
}


def audit() -> None:
    """The whole page below its title."""
    if not entry.allows("audit"):
        return
    said = st.query_params.to_dict()
    asked = audit_address.read(said)
    _filters(said, asked)
    if asked.unread:
        # Events of another time than somebody believes to look at would mislead.
        st.warning(" ".join(asked.unread), icon=":material/link_off:")
        st.button(
            "Leave that out",
            key="audit_leave_out",
            on_click=st.query_params.from_dict,
            args=(audit_address.parameters(asked.wanted, asked.request, asked.before),),
        )
        return
    looking = viewer.current()
    known = audit_reads.read_page(looking, asked)
    quote_drawing.stale(known, "The audit trail could not be read")
    _events(looking, asked, known)


def _filters(said: dict[str, str], asked: Asked) -> None:
    """They show what the address says, and rewrite it."""
    state: Any = st.session_state
    state[_KEYS[audit_address.ACTION]] = asked.wanted.action or _ANY_ACTION
    state[_KEYS[audit_address.OUTCOME]] = asked.wanted.outcome or _ANY_OUTCOME
    state[_KEYS[audit_address.ACTOR]] = asked.wanted.actor or ""
    state[_KEYS[audit_address.REQUEST]] = asked.request
    for name in (audit_address.SINCE, audit_address.UNTIL):
        state[_KEYS[name]] = said.get(name, "")
    with st.container(horizontal=True, vertical_alignment="bottom", key="audit-filters"):
        for name, label, options, width in (
            (audit_address.ACTION, "Action", [_ANY_ACTION, *Action], 190),
            (audit_address.OUTCOME, "Outcome", [_ANY_OUTCOME, *audit_address.OUTCOMES], 160),
        ):
            st.selectbox(
                label,
                options,
                key=_KEYS[name],
                format_func=audit_words.action,
                on_change=_rewrite,
                width=width,
            )
        for name, label, example, width in (
            (audit_address.ACTOR, "Actor has in their name", "", 190),
            (audit_address.SINCE, "From, UTC", _EXAMPLE, 200),
            (audit_address.UNTIL, "Until before, UTC", _EXAMPLE, 200),
            (audit_address.REQUEST, "Correlation id", "REQ-…", 290),
        ):
            st.text_input(
                label,
                key=_KEYS[name],
                on_change=_rewrite,
                placeholder=example,
                width=width,
                autocomplete="off",
            )


def _rewrite() -> None:
    """Puts what the filters show into the address; the newest page is shown of it."""
    state: Any = st.session_state
    chosen = {name: str(state[key]).strip() for name, key in _KEYS.items()}
    chosen = {
        name: value
        for name, value in chosen.items()
        if value and value not in {_ANY_ACTION, _ANY_OUTCOME}
    }
    st.query_params.from_dict(chosen)


def _events(looking: Viewer, asked: Asked, known: Known[Shown]) -> None:
    if known.value is None:
        return
    page = known.value.page
    with st.container(horizontal=True, vertical_alignment="center", key="audit-head"):
        _paging(asked, page)
        st.download_button(
            "CSV",
            partial(
                audit_reads.csv,
                acting.actor(looking, engine_in_process.runtime().clock),
                replace(asked, before=None),
            ),
            file_name="audit-trail.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="audit-csv",
        )
        if page.reached is not None:
            st.caption(f"Looked through as far back as {instant(page.reached)}; older events next")
    if not page.events:
        st.caption("No such events")
        return
    quote_drawing.table(
        audit_tables.table(page.events, known.value.names),
        "audit",
        "Audit trail, newest first",
        {
            **{name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
            audit_tables.OUTCOME: quote_drawing.coloured(audit_tables.OUTCOMES),
        },
        rows_max=len(page.events),
    )


def _paging(asked: Asked, page: Page) -> None:
    wanted: Wanted = asked.wanted
    st.button(
        "Newest",
        key="audit_newest",
        icon=":material/first_page:",
        disabled=asked.before is None,
        on_click=st.query_params.from_dict,
        args=(audit_address.parameters(wanted, asked.request),),
    )
    st.button(
        "Older",
        key="audit_older",
        icon=":material/chevron_right:",
        disabled=page.older is None,
        on_click=st.query_params.from_dict,
        args=(audit_address.parameters(wanted, asked.request, page.older),),
    )
