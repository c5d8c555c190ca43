"""Whom to call, on the page of readiness: the contacts of a release's environment, red ones first.

Who they are is for those who are called with them: others see which are red, and no names.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import streamlit as st

from dashboard import (
    navigation,
    quote_drawing,
    readiness_actions,
    readiness_address,
    readiness_reads,
    readiness_view,
    readiness_words,
    told,
)
from dashboard.quote_words import cut
from dashboard.viewer import Viewer
from dashboard.wording import literal
from engine.access.roles import Permission
from engine.readiness.contacts import PARTS, Contact, Judged, Roster, held_back
from engine.readiness.looking import Readiness

# Where it is said what became of a change.
CONTACTS: Final = "contacts"
_CHOSEN: Final = "contact_chosen"
_ANOTHER: Final = "another one"
_WORDS_MAX: Final = 200
_REACHABLE, _RED = "can be reached", "red"
_COLOURS: Final = {_REACHABLE: "green", _RED: "red"}
_FIELDS: Final = {"name": "Name", "phone": "Phone", "email": "E-mail address"}
_CHANNEL: Final = "channel"


def contacts(looking: Viewer, found: Readiness) -> None:
    """The contacts of the environment that a release goes to, and the form that changes one."""
    environment = found.release.environment
    known = readiness_reads.roster(looking, environment, told.last())
    roster = known.value
    if roster is None:
        quote_drawing.stale(known, "The contacts could not be read")
        return
    judged = roster.judged()
    red = sum(not each.is_good for each in judged)
    with st.expander(
        f"Contacts of {literal(cut(environment))} · {_summary(red, len(judged))}",
        icon=":material/contact_phone:",
        key="contacts",
    ):
        _holds_back(found, roster, red)
        quote_drawing.table(
            table(judged, has_names=looking.may(Permission.READ_LEDGER)),
            "contacts_of",
            "Contacts",
            {"State": quote_drawing.coloured(_COLOURS), "Why": _wide(330)},
        )
        st.text(_put_down(roster))
        told.draw(CONTACTS)
        if looking.may(Permission.SIGN_OFF):
            _form(roster, judged)


def table(judged: tuple[Judged, ...], *, has_names: bool) -> pd.DataFrame:
    """Contacts, one a row.

    Args:
        judged: them.
        has_names: whether who they are is shown; what is wrong may quote it.
    """
    rows = [
        {
            "For": each.contact.part,
            "Role": cut(each.contact.role),
            "State": [_REACHABLE if each.is_good else _RED],
            "Why": cut(each.fault) if has_names else each.fault.partition(":")[0],
        }
        | (
            {
                "Name": cut(each.contact.name),
                "Phone": cut(each.contact.phone),
                "E-mail address": cut(each.contact.email),
                "Address": cut(each.contact.address),
            }
            if has_names
            else {}
        )
        for each in judged
    ]
    return pd.DataFrame(rows)


def _summary(red: int, total: int) -> str:
    return f"{red} of {total} red" if red else f"all {total} can be reached"


def _wide(width: int) -> Any:  # noqa: ANN401  # no public name for it
    return st.column_config.TextColumn(width=width)


def _put_down(roster: Roster) -> str:
    if roster.changed_at is None:
        return "Nobody has put any down yet"
    return f"Put down by {cut(roster.changed_by)}, {readiness_words.instant(roster.changed_at)}"


def _holds_back(found: Readiness, roster: Roster, red: int) -> None:
    """Which boxes red contacts keep open, each a link."""
    boxes = held_back(found.release.items)
    if not boxes:
        st.caption("No box of this release asks for them")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for box_id in boxes:
            link = readiness_view.box_link(found, box_id)
            st.page_link(
                navigation.PATHS["readiness"],
                label=link.label,
                icon=link.icon,
                query_params=readiness_address.parameters(found.release.id, link.phase_id, box_id),
            )
        if not red:
            why = "asks whether on-call can be reached; no contact keeps it"
        elif roster.changed_at is None:
            why = "asks whether on-call can be reached; once any are put down, red ones keep it red"
        else:
            why = "is red as long as one of them is"
        st.caption(why)


def _form(roster: Roster, judged: tuple[Judged, ...]) -> None:
    choices = {f"{each.contact.part}, {each.contact.role}": each.contact for each in judged}
    chosen = st.selectbox(
        "Contact to change",
        [*choices, _ANOTHER],
        key=_CHOSEN,
        index=None,
        placeholder="Choose one to change it",
        width=360,
    )
    if chosen is None:
        return
    was = choices.get(chosen, Contact(PARTS[0], ""))
    is_new = chosen not in choices
    # Another record, other fields: what stands in them is what is stored.
    key = f"contact_{roster.digest[:12]}_{chosen}"
    with st.form(f"form_{key}", enter_to_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if is_new:
                st.selectbox("For", PARTS, key=f"{key}_part", width=140)
                _field("Role", "", f"{key}_role")
            if is_new or was.part != _CHANNEL:
                for name, label in _FIELDS.items():
                    _field(label, getattr(was, name), f"{key}_{name}")
            if is_new or was.part == _CHANNEL:
                _field("Address of a channel", was.address, f"{key}_address")
            st.form_submit_button(
                "Put it down",
                icon=":material/contact_phone:",
                on_click=_change,
                args=(roster.environment, was, key),
                kwargs={"is_new": is_new},
            )
        st.caption(
            "Placeholders such as [Name] can be put down, and are red. With every field empty the"
            " contact is taken out."
        )


def _field(label: str, value: str, key: str) -> None:
    st.text_input(label, value=value, max_chars=_WORDS_MAX, key=key, width=230)


def _change(environment: str, was: Contact, key: str, *, is_new: bool) -> None:
    state: Any = st.session_state

    def said(name: str) -> str:
        found: str = state.get(f"{key}_{name}", "")
        return found.strip()

    part, role = (said("part"), said("role")) if is_new else (was.part, was.role)
    fields = {name: said(name) for name in (*_FIELDS, "address")}
    contact = Contact(part, role, **fields)
    done = readiness_actions.put_contact(
        environment, contact, Contact(part, role) if is_new else was
    )
    words = "was put down" if contact.has_words else "was taken out"
    told.leave(done, f"The contact for {part}, {role} {words}.", place=CONTACTS)
    if done.refusal is None:
        state[_CHOSEN] = None
