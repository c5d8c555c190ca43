"""The page of people: who there is, and one of them with what an administrator may change.

Whether somebody may is decided by the engine at each write. Stored text is in tables and `st.text`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import streamlit as st

from dashboard import (
    engine_in_process,
    entry,
    people_forms,
    people_reads,
    people_tables,
    quote_drawing,
    told,
    viewer,
)
from dashboard.wording import counted
from engine.access.people import LISTED, People, Whole
from engine.quotes.shape import parse_uuid

PERSON: Final = "person"
_TEXT: Final = "people_text"
_PICK: Final = "pick_person"
_ROWS_MAX: Final = 12
_ROWS_BESIDE_ONE: Final = 5
_WIDTHS: Final = {"E-mail": 270, "Name": 190, "Role": 80, "Agent": 190, "Last sign-in, UTC": 160}


def people() -> None:
    """The whole page below its title."""
    if not entry.allows("people"):
        return
    _page()
    # What was left for a part that could not be drawn.
    told.draw()


def _page() -> None:
    text: str = st.text_input(
        "Filter",
        key=_TEXT,
        placeholder="Part of an e-mail address, a name, a role or an agent",
        icon=":material/search:",
        label_visibility="collapsed",
        autocomplete="off",
    )
    known = people_reads.listed(viewer.current(), text, told.last())
    quote_drawing.stale(known, "The accounts could not be read")
    said = st.query_params.get(PERSON)
    if known.value is not None:
        # Whoever was chosen stands below, in sight.
        _list(known.value, _ROWS_MAX if said is None else _ROWS_BESIDE_ONE)
    told.draw(people_forms.NEW_ACCOUNT)
    people_forms.add_account()
    if said is None:
        return
    account_id = parse_uuid(said.strip())
    if account_id is None:
        st.warning("The address names somebody by what is no id.", icon=":material/link_off:")
        return
    _chosen(account_id)


def _list(found: People, rows_max: int) -> None:
    if not found.people:
        st.caption("Nobody has that in their e-mail address, name, role or agent's name")
        return
    quote_drawing.table(
        people_tables.people(found.people),
        "people",
        "Accounts",
        {
            people_tables.OPEN: st.column_config.ButtonColumn(
                type="tertiary", key=_PICK, on_click=_open, args=(found,), width=70
            ),
            **{name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
            people_tables.STATUS: quote_drawing.coloured(people_tables.STATUSES),
        },
        rows_max=rows_max,
    )
    shown = counted(len(found.people), "account")
    st.caption(f"The first {LISTED}; the filter finds the others" if found.is_cut else shown)


def _open(found: People) -> None:
    position = st.session_state[_PICK].row
    if 0 <= position < len(found.people):
        st.query_params[PERSON] = str(found.people[position].account_id)


def _chosen(account_id: UUID) -> None:
    known = people_reads.whole(viewer.current(), account_id, told.last())
    quote_drawing.stale(known, "The account could not be read")
    if known.freshness.is_stale and known.value is None:
        return
    if known.value is None:
        st.warning("There is no account with this id.", icon=":material/person_search:")
        return
    _person(known.value)


def _person(found: Whole) -> None:
    now = engine_in_process.runtime().clock.now()
    st.header("One account", anchor=False)
    told.draw(people_forms.ONE_ACCOUNT)
    left, right = st.columns([2, 3])
    with left:
        quote_drawing.table(people_tables.facts(found.person), "person", "Facts of the account", {})
    with right:
        people_forms.role(found.person)
        people_forms.sign_in(found.person)
        if found.person.agent_id is not None:
            people_forms.limits(found.person)
    st.header("Keys", anchor=False)
    draw_keys(found, now)
    told.draw(people_forms.KEYS)
    told.draw_keys(str(found.person.account_id))
    people_forms.keys(found, now)
    st.header("Sign-ins", anchor=False)
    draw_sign_ins(found, now)


def draw_keys(found: Whole, now: datetime) -> None:
    """An account's keys."""
    if not found.keys:
        st.caption("None")
        return
    quote_drawing.table(
        people_tables.keys(found.keys, now),
        "keys",
        "Keys of the account",
        {people_tables.STATUS: quote_drawing.coloured(people_tables.KEY_STATES)},
        rows_max=_ROWS_MAX,
    )


def draw_sign_ins(found: Whole, now: datetime) -> None:
    """An account's sign-ins."""
    if not found.sign_ins:
        st.caption("None in the last month")
        return
    quote_drawing.table(
        people_tables.sign_ins(found.sign_ins, now),
        "sign_ins",
        "Sign-ins of the account",
        {people_tables.STATUS: quote_drawing.coloured(people_tables.SIGN_IN_STATES)},
        rows_max=_ROWS_MAX,
    )
