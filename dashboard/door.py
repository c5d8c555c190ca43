"""The door of the pages: who is not signed in gets no further, and who is can leave."""

from __future__ import annotations

from html import escape
from typing import Final

import streamlit as st

from dashboard import viewer
from dashboard.login import NOBODY, Login, Standing, Unknowable, in_process, page_address
from dashboard.sign_in_form import SIGN_IN_PATH, SIGN_OUT_PATH
from engine.access.sign_ins import SignedIn
from engine.errors import ErrorCode

# As wide as the form for passwords.
_DOOR_WIDTH: Final = 368
_EVERYWHERE: Final = "Signs you out in every browser"


def require_sign_in() -> Standing:
    """Draws the way in, and ends the run, unless somebody is signed in who may see anything.

    Asked once in every run of a whole page, before pages are registered.

    Returns:
        Who is signed in; nobody in local mode, in which nobody needs to.
    """
    login = in_process()
    if login.is_local:
        return NOBODY
    try:
        standing = login.of_this_page()
    except Unknowable:
        st.error(
            "Nobody can say at the moment who is signed in: the database does not answer."
            " Load the page anew in a moment."
        )
        st.stop()
    if not viewer.viewer_of(standing.signed_in).is_somebody:
        _show_way_in(login, standing)
        st.stop()
    return standing


def show_who_is_here(standing: Standing) -> None:
    """Says at the top right as whom a page is looked at, with the way out.

    Args:
        standing: see `require_sign_in`.
    """
    login = in_process()
    with st.container(
        key="who", horizontal=True, horizontal_alignment="right", vertical_alignment="center"
    ):
        if login.is_local:
            _tag("Local mode · " + viewer.current().name)
            return
        if standing.signed_in is None or standing.token_hash is None:
            return
        st.text(standing.signed_in.name or standing.signed_in.email)
        _tag(standing.signed_in.role or "agent")
        if login.is_by_provider:
            st.button(
                "Sign out",
                key="sign-out",
                help=_EVERYWHERE,
                on_click=_leave,
                args=(login, standing.signed_in),
            )
        else:
            token = login.cookies.sign_out_token(standing.token_hash)
            st.html(
                f'<form method="post" action="{SIGN_OUT_PATH}">'
                f'<input type="hidden" name="token" value="{escape(token)}">'
                f'<input type="hidden" name="line" value="{escape(_line() or "")}">'
                f'<button type="submit" title="{_EVERYWHERE}">Sign out</button></form>'
            )


def _line() -> str | None:
    """The key that this tab's websocket was opened with."""
    return st.context.headers.get("Sec-Websocket-Key")


def _tag(text: str) -> None:
    """A short text that stands off; plain text, as all that has come from elsewhere."""
    with st.container(key="role", width="content"):
        st.text(text)


def _show_way_in(login: Login, standing: Standing) -> None:
    with (
        st.container(horizontal_alignment="center", key="door"),
        st.container(border=True, width=_DOOR_WIDTH),
    ):
        st.title("Sign in to Saveguard")
        st.text(login.settings.environment)
        refusal = standing.refusal
        if refusal is not None and refusal.code is ErrorCode.AUTHORIZATION_FAILED:
            st.error("You cannot come in with this account.", icon=":material/lock:")
            # Plain text: whatever a provider has said may stand in it.
            st.text(refusal.message)
            st.caption(f"{refusal.code.value} {standing.correlation_id}")
        elif standing.signed_in is not None:
            st.error("Your account has no role any more; ask an administrator for one.")
            return
        elif standing.token_hash is not None:
            st.info("You have been signed out, or were signed in for too long.")
        if not login.is_by_provider:
            st.html(f'<a href="{SIGN_IN_PATH}">Sign in</a>')
            return
        st.button(
            f"Sign in with {login.settings.oidc_name}",
            key="sign-in",
            width="stretch",
            on_click=st.login,
        )
        if refusal is not None and refusal.code is ErrorCode.AUTHORIZATION_FAILED:
            st.button(
                "Sign out at the provider", key="sign-out", width="stretch", on_click=st.logout
            )


def _leave(login: Login, signed_in: SignedIn) -> None:
    """Ends every sign-in of somebody, here and everywhere, and the one at their provider."""
    # This tab is on its way to the provider then, and must not be made to load the page anew.
    login.leaving(_line())
    st.logout()
    try:
        login.sign_out(signed_in, page_address())
    except Unknowable:
        st.toast("The database does not answer: you are still signed in elsewhere.")
