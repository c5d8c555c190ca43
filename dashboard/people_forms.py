"""The forms of the page of people: each is one act of the engine's, with one button.

A callback does it before the page is drawn, so that what is drawn is how it stands afterwards.
"""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import streamlit as st
from sqlmodel import Session

from dashboard import actions, engine_in_process, people_tables, told
from dashboard.actions import Change
from engine.access import administration
from engine.access.administration import Limits
from engine.access.audit import Action, Actor, event
from engine.access.keyring import NewKey
from engine.access.keys import Scope
from engine.access.people import Key, Person, Whole
from engine.access.roles import Role
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.quotes.shape import parse_uuid

_ROLES: Final = (people_tables.NO_ROLE, *(role.value for role in Role))
_NEVER: Final = "never"
_LIVES: Final = {
    "30 days": timedelta(days=30),
    "90 days": timedelta(days=90),
    "1 year": timedelta(days=365),
    _NEVER: None,
}
_OVERLAPS: Final = {
    "none": timedelta(0),
    "1 hour": timedelta(hours=1),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
}
_NAME_MAX: Final = 200
# Where a page says what became of a form, so that it is read where it was sent.
NEW_ACCOUNT: Final = "new account"
ONE_ACCOUNT: Final = "one account"
KEYS: Final = "keys"
_NO_ADDRESS: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED,
    "An e-mail address has something before and after one @; nothing was changed.",
)


def add_account() -> None:
    """A new account."""
    with st.expander("New account", icon=":material/person_add:", key="new-account"):  # noqa: SIM117
        with st.form("add_account", border=False, enter_to_submit=False):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                st.text_input("E-mail address", key="new_email", max_chars=_NAME_MAX, width=300)
                st.text_input("Name", key="new_name", max_chars=_NAME_MAX, width=240)
                st.selectbox("Role", _ROLES, key="new_role", width=130)
                st.form_submit_button("Add the account", on_click=_add_account)
            st.caption(
                "It has no password and no key. A password is set on the server only: saveguard"
                " user password; with an identity provider it is found by its e-mail address."
            )


def _add_account() -> None:
    state: Any = st.session_state
    email, name = state["new_email"].strip(), state["new_name"].strip() or None
    role = _role(state["new_role"])
    made = actions.act(
        lambda session, clock, actor: (
            administration.add_account(session, clock, actor, email=email, name=name, role=role)
            if _is_address(email)
            else _unfit(session, clock, actor)
        )
    )
    told.leave(made, f"{email} has an account.", place=NEW_ACCOUNT, then=_way_in(email))
    if made.value is not None:
        st.query_params["person"] = str(made.value)
        for key, empty in (
            ("new_email", ""),
            ("new_name", ""),
            ("new_role", people_tables.NO_ROLE),
        ):
            state[key] = empty


def _way_in(email: str) -> str:
    """What is left to be done before somebody can sign in; a page knows no passwords of others."""
    if _login() != "password":
        return ""
    return f"On the server: saveguard user password --email {shlex.quote(email)}"


def _login() -> str:
    """How people sign in."""
    return engine_in_process.runtime().settings.login


def _unfit(session: Session, clock: Clock, actor: Actor) -> Refusal:
    session.add(event(clock, actor, Action.ACCOUNT_ADDED, refused=_NO_ADDRESS.code))
    return _NO_ADDRESS


def _is_address(text: str) -> bool:
    before, at, after = text.partition("@")
    return bool(before and at and after) and "@" not in after and text.isprintable()


def _role(chosen: str) -> Role | None:
    return None if chosen == people_tables.NO_ROLE else Role(chosen)


def role(person: Person) -> None:
    """Which role an account has."""
    key = f"role_{person.account_id}"
    with st.form(f"set_{key}", enter_to_submit=False), _row():
        st.selectbox(
            "Role",
            _ROLES,
            index=_ROLES.index(person.role) if person.role in _ROLES else 0,
            key=key,
            width=160,
        )
        st.form_submit_button("Change the role", on_click=_set_role, args=(person, key))


def _set_role(person: Person, key: str) -> None:
    chosen: str = st.session_state[key]
    _act(
        lambda session, clock, actor: administration.set_role(
            session, clock, actor, person.account_id, _role(chosen)
        ),
        f"{person.email} has the role {chosen}.",
    )


def sign_in(person: Person) -> None:
    """Whether an account may sign in, and where it is."""
    is_disabled = person.disabled_at is not None
    with st.container(horizontal=True):
        with st.container(border=True, width="content"):
            sure = f"disable_{person.account_id}"
            is_sure = is_disabled or _is_sure(sure, "Yes, disable this account")
            st.button(
                "Enable the account" if is_disabled else "Disable the account",
                icon=":material/lock_open:" if is_disabled else ":material/block:",
                key=f"press_{sure}",
                disabled=not is_sure,
                on_click=_set_disabled,
                args=(person, not is_disabled, sure),
                help="Disabled, it is signed out everywhere and its keys stop working.",
            )
        with st.container(border=True, width="content"):
            sure = f"sign_out_{person.account_id}"
            is_sure = _is_sure(sure, "Yes, sign it out everywhere")
            st.button(
                "End all sign-ins",
                icon=":material/logout:",
                key=f"press_{sure}",
                disabled=not is_sure,
                on_click=_end_sign_ins,
                args=(person, sure),
                help="Signs it out wherever it is signed in; its keys work on.",
            )


def _is_sure(key: str, sentence: str) -> bool:
    """The first of two steps before what cuts somebody off; the button is dead without it."""
    return bool(st.checkbox(sentence, key=f"sure_{key}"))


def _no_longer_sure(key: str) -> None:
    st.session_state[f"sure_{key}"] = False


def _set_disabled(person: Person, is_disabled: bool, sure: str) -> None:  # noqa: FBT001  # of a callback
    _no_longer_sure(sure)
    _act(
        lambda session, clock, actor: administration.set_disabled(
            session, clock, actor, person.account_id, is_disabled=is_disabled
        ),
        f"{person.email} is {'disabled' if is_disabled else 'enabled'}.",
    )


def _end_sign_ins(person: Person, sure: str) -> None:
    _no_longer_sure(sure)
    ended = actions.act(
        lambda session, clock, actor: administration.end_all_sign_ins(
            session, clock, actor, person.account_id
        )
    )
    told.leave(
        ended, f"Sign-ins of {person.email} that were ended: {ended.value}.", place=ONE_ACCOUNT
    )


def limits(person: Person) -> None:
    """What the agent that an account is may do at most."""
    rate, quota = f"rate_{person.agent_id}", f"quota_{person.agent_id}"
    with st.form(f"limits_{person.agent_id}", enter_to_submit=False), _row():
        st.number_input(
            "Requests a minute, 0 for no limit",
            min_value=0,
            max_value=1_000_000,
            value=person.rate_limit_per_minute or 0,
            step=1,
            key=rate,
            width=220,
        )
        st.number_input(
            "Active quotes",
            min_value=0,
            max_value=100_000_000,
            value=person.max_active_quotes or 0,
            step=1,
            key=quota,
            width=160,
        )
        st.form_submit_button("Change the limits", on_click=_set_limits, args=(person, rate, quota))


def _set_limits(person: Person, rate: str, quota: str) -> None:
    state: Any = st.session_state
    agent_id = person.agent_id
    if agent_id is None:
        return
    wanted = Limits(int(state[rate]) or None, int(state[quota]))
    _act(
        lambda session, clock, actor: administration.set_limits(
            session, clock, actor, agent_id, wanted
        ),
        f"{person.agent_name} may send {people_tables.rate_limit(wanted.rate_limit_per_minute)}"
        f" (none is no limit) and have {wanted.max_active_quotes:,} active quotes.",
    )


def keys(found: Whole, now: datetime) -> None:
    """Another key, and what may be done with those that work."""
    live = [each for each in found.keys if each.is_live(now)]
    with st.container(border=True), _row():
        st.text_input("Name of a new key", key="key_name", max_chars=_NAME_MAX, width=240)
        scope = st.selectbox(
            "Scope", list(Scope), index=None, key="key_scope", placeholder="Choose one", width=150
        )
        st.selectbox("Expires after", list(_LIVES), key="key_life", index=1, width=130)
        st.button(
            "Add a key",
            key="press_add_key",
            disabled=scope is None,
            on_click=_add_key,
            args=(found.person,),
        )
        st.caption("read: only looks; write: also saves")
    if not live:
        return
    with st.container(horizontal=True):
        fresh = [each for each in live if each.replaced_by is None]
        if fresh:
            with st.container(border=True), _row():
                chosen = _choice_of_key("key_to_rotate", "Key to rotate", fresh)
                st.selectbox(
                    "Both work for", list(_OVERLAPS), key="key_overlap", index=2, width=110
                )
                st.button(
                    "Rotate it",
                    key="press_rotate",
                    disabled=not chosen,
                    on_click=_rotate,
                    args=(found.person,),
                )
        with st.container(border=True), _row():
            chosen = _choice_of_key("key_to_revoke", "Key to revoke", live)
            is_sure = _is_sure("revoke", "Yes, revoke this key")
            st.button(
                "Revoke it",
                key="press_revoke",
                disabled=not (chosen and is_sure),
                on_click=_revoke,
                args=(found.person,),
            )


def _choice_of_key(key: str, label: str, live: list[Key]) -> bool:
    """By its id: a callback must not take one key for another that has moved up meanwhile.

    Returns:
        Whether one is chosen; none is from the beginning.
    """
    titles = {str(each.id): people_tables.key_title(each) for each in live}
    chosen = st.selectbox(
        label,
        list(titles),
        index=None,
        key=key,
        format_func=lambda id_: titles.get(id_, id_),
        placeholder="Choose a key",
        width=340,
    )
    return chosen is not None


def _add_key(person: Person) -> None:
    state: Any = st.session_state
    if state["key_scope"] is None:
        return
    # Before anything is done: asking for it may end the run.
    name, scope = state["key_name"].strip() or None, Scope(state["key_scope"])
    life = _LIVES[state["key_life"]]
    expires_at = None if life is None else engine_in_process.runtime().clock.now() + life
    _made(
        lambda session, clock, actor: administration.issue_key(
            session,
            clock,
            actor,
            person.account_id,
            name=name,
            scope=scope,
            expires_at=expires_at,
        ),
        f"{person.email} has another key.",
        person,
    )
    state["key_name"], state["key_scope"] = "", None


def _rotate(person: Person) -> None:
    state: Any = st.session_state
    key_id, lasts = _key_id("key_to_rotate"), state["key_overlap"]
    overlap = _OVERLAPS[lasts]
    if key_id is not None:
        _made(
            lambda session, clock, actor: administration.rotate_key(
                session, clock, actor, key_id, overlap
            ),
            f"A key of {person.email} was rotated; the old one ends after {lasts}.",
            person,
        )
        state["key_to_rotate"] = None


def _revoke(person: Person) -> None:
    _no_longer_sure("revoke")
    key_id = _key_id("key_to_revoke")
    st.session_state["key_to_revoke"] = None
    if key_id is not None:
        _act(
            lambda session, clock, actor: administration.revoke_key(session, clock, actor, key_id),
            f"A key of {person.email} was revoked; within 5 s it works nowhere.",
            KEYS,
        )


def _key_id(key: str) -> UUID | None:
    chosen: str | None = st.session_state[key]
    return None if chosen is None else parse_uuid(chosen)


def _made(change: Change[NewKey], done: str, person: Person) -> None:
    made = actions.act(change)
    if made.value is None:
        told.leave(made, done, place=KEYS)
    else:
        told.leave(made, done, made.value.api_key, place=str(person.account_id))


def _act(change: Change[None], done: str, place: str = ONE_ACCOUNT) -> None:
    told.leave(actions.act(change), done, place=place)


def _row() -> Any:  # noqa: ANN401  # Streamlit has no public name for its type
    return st.container(horizontal=True, vertical_alignment="bottom")
