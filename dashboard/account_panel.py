"""The page of one's own account: who one is here, what that allows, and one's sign-ins and keys."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from dashboard import (
    actions,
    engine_in_process,
    entry,
    login,
    navigation,
    people_reads,
    people_tables,
    quote_drawing,
    told,
    viewer,
)
from dashboard.people_panel import draw_keys, draw_sign_ins
from dashboard.viewer import Viewer
from engine.access import administration
from engine.access.own_password import change_own_password, unfit
from engine.access.passwords import LENGTH_MIN
from engine.access.people import Whole
from engine.errors import ErrorCode, Refusal

_OLD: Final = "own_password_old"
_NEW: Final = "own_password_new"
_AGAIN: Final = "own_password_again"
_DIFFER: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "The two new passwords differ; nothing was changed."
)


def account() -> None:
    """The whole page below its title."""
    if not entry.allows("account"):
        return
    told.draw()
    looking = viewer.current()
    _who(looking)
    if looking.account_id is None:
        return
    known = people_reads.whole(looking, looking.account_id, told.last())
    quote_drawing.stale(known, "Your account could not be read")
    if known.value is not None:
        _own(known.value)


def _who(looking: Viewer) -> None:
    """In words of ours; what somebody is called is stored text."""
    with st.container(border=True, key="who-i-am"):
        st.text(f"You are {people_tables.named(looking.name)}.")
        if _login() == "local":
            st.caption(
                "Nobody signs in here: whoever reaches this page from this machine operates it."
            )
        role = None if looking.role is None else looking.role.value
        allowed = people_tables.allowed(role)
        if role is None:
            st.markdown("You have no role.")
        else:
            st.markdown(f"Your role is **{role}**. You may:")
            st.markdown("\n".join(f"- {each}" for each in allowed))
        if looking.own_agent_id is not None:
            st.markdown("You are an agent: you see your own attempts and quotes.")
            st.markdown("Your agent's id:")
            st.code(str(looking.own_agent_id), language=None)
        elif role is None:
            st.markdown("You are no agent either. Ask an administrator for a role.")
        with st.container(horizontal=True):
            for each in navigation.pages(looking):
                if each.is_in_menu and each.name != "account":
                    st.page_link(navigation.PATHS[each.name], label=each.title, width="content")


def _login() -> str:
    """How people sign in."""
    return engine_in_process.runtime().settings.login


def _own(found: Whole) -> None:
    mode = _login()
    now = engine_in_process.runtime().clock.now()
    left, right = st.columns([2, 3])
    with left:
        quote_drawing.table(people_tables.facts(found.person), "own", "Facts of my account", {})
    with right:
        if mode == "password" and found.person.has_password:
            _password()
        if mode != "local":
            _sign_out(found)
    st.header("My sign-ins", anchor=False)
    draw_sign_ins(found, now)
    st.header("My keys", anchor=False)
    draw_keys(found, now)


def _password() -> None:
    with st.form("own_password", enter_to_submit=False):
        for label, key, completion in (
            ("Present password", _OLD, "current-password"),
            (f"New password, at least {LENGTH_MIN} characters", _NEW, "new-password"),
            ("New password again", _AGAIN, "new-password"),
        ):
            st.text_input(label, key=key, type="password", autocomplete=completion)
        st.form_submit_button("Change my password", on_click=_change_password)
        st.caption("You are signed out everywhere then, here as well.")


def _change_password() -> None:
    state: Any = st.session_state
    old, new, again = (str(state[key]) for key in (_OLD, _NEW, _AGAIN))
    for key in (_OLD, _NEW, _AGAIN):
        # A session must not go on holding them.
        state[key] = ""
    settings = engine_in_process.runtime().settings
    changed = actions.act(
        lambda session, clock, actor: (
            change_own_password(session, clock, settings, actor, old=old, new=new)
            if new == again
            else unfit(session, clock, actor, _DIFFER)
        )
    )
    if changed.refusal is None:
        # This page is about to be closed, and the form to be shown.
        login.in_process().password_changed(st.context.cookies.to_dict())
    told.leave(changed, "Your password is changed. Sign in with the new one.")


def _sign_out(found: Whole) -> None:
    with st.form("sign_out_everywhere", enter_to_submit=False):
        st.form_submit_button(
            "Sign out everywhere", icon=":material/logout:", on_click=_end, args=(found,)
        )
        st.caption("Ends every sign-in of yours, this one as well; your keys work on.")


def _end(found: Whole) -> None:
    ended = actions.act(
        lambda session, clock, actor: administration.end_all_sign_ins(
            session, clock, actor, found.person.account_id
        )
    )
    told.leave(ended, "You are signed out everywhere.")
