"""Who is signed in with a browser, by what it holds: the one place that pages and requests ask.

What a browser holds is a cookie of ours after a password, and one of Streamlit's after an identity
provider. Either is worth what the database says of it now, to within `identity_lifetime`.
"""

from __future__ import annotations

import getpass
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import SQLAlchemyError

from dashboard import engine_in_process
from dashboard.cookie_secret import cookie_secret
from dashboard.cookies import SIGN_IN, Cookies
from dashboard.provider import Claims, claims_of, identity_of, token_hash
from dashboard.public_address import is_behind_tls, public_address
from engine.access.audit import Actor, Way
from engine.access.sign_ins import SignedIn
from engine.access.signing_in import (
    hash_token,
    local_account,
    sign_in_with_identity,
    sign_out,
)
from engine.clock import Clock
from engine.correlation import make_correlation_id
from engine.database.sessions import session_of
from engine.errors import Refusal
from engine.runtime import Runtime

# Of as many logins that were refused it is known why, without asking and writing it down again.
_REMEMBERED: Final = 1_000
# How long that holds; whoever was given a role since then may come in.
_REFUSED_FOR_S: Final = 10.0
# A tab that signs out at the provider is gone by then, or is cut off as any other.
_LEAVES_WITHIN_S: Final = 5.0
# As long as a new login waits for another's; each that waits holds a thread that pages need.
_SIGN_IN_WAIT_S: Final = 3.0
# A database that could not be asked is not asked for the machine's account at every run.
_LOCAL_RETRY_S: Final = 2.0


class Unknowable(Exception):  # noqa: N818  # nobody did anything wrong
    """Who somebody is cannot be said: the database could not be asked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a browser's cookie is worth.

    Attributes:
        token_hash: of what it holds; None when it holds nothing that was ever ours.
        signed_in: who that is; None for nobody.
        refusal: why an identity provider's word was not enough.
        correlation_id: of that refusal in the audit trail.
    """

    token_hash: bytes | None = None
    signed_in: SignedIn | None = None
    refusal: Refusal | None = None
    correlation_id: str = ""


NOBODY: Final = Standing()


class Login:
    """Looks at what a browser holds; safe to use from any thread.

    Attributes:
        runtime: the engine whose accounts they are.
        settings: how people sign in.
        cookies: signs and reads ours.
        is_local: whether nobody signs in: whoever reaches this machine operates it.
        is_by_provider: whether an identity provider says who somebody is.
        origin: scheme, host and port of our public address.
        streamlit_secret: what Streamlit signs its cookies with.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Takes the open engine.

        Raises:
            SetupError: there is no secret to sign cookies with.
        """
        settings = runtime.settings
        self.runtime = runtime
        self.settings = settings
        self.is_local = settings.login == "local"
        self.is_by_provider = settings.login == "oidc"
        self.origin = public_address(settings)
        # Without cookies of ours no secret is needed, and no file made.
        secret = "" if self.is_local else cookie_secret(settings, runtime.clock)
        self.cookies = Cookies(secret, is_behind_tls=is_behind_tls(settings))
        self.streamlit_secret = self.cookies.derived_secret("streamlit")
        # For the dictionaries: nobody waits for a database while holding it.
        self._lock = threading.Lock()
        self._signing_in = threading.Lock()
        self._making_local_account = threading.Lock()
        self._local_account_id: UUID | None = None
        self._local_failed_at = float("-inf")
        self._leaving: dict[str, float] = {}
        self._refused: OrderedDict[bytes, tuple[float, Standing]] = OrderedDict()
        self._with_new_password: OrderedDict[bytes, None] = OrderedDict()

    def standing(self, cookies: Mapping[str, str], address: str | None) -> Standing:
        """Who has sent a request.

        Args:
            cookies: of the request.
            address: of the network that it comes from, for the audit trail.

        Raises:
            Unknowable: the database could not be asked.
        """
        if self.is_by_provider:
            claims = claims_of(cookies, self.streamlit_secret, self.origin)
            return NOBODY if claims is None else self.standing_of(claims, address)
        token = self.cookies.read(cookies, SIGN_IN)
        if token is None:
            return NOBODY
        held = hash_token(token)
        return Standing(held, self._find(held))

    def standing_of(self, claims: Claims, address: str | None) -> Standing:
        """Who somebody is for whom the provider has vouched; the first time signs them in.

        Args:
            claims: what it said of them.
            address: see `standing`.

        Raises:
            Unknowable: the database could not be asked.
        """
        held = token_hash(claims)
        refused = self._known_refusal(held)
        if refused is not None:
            return refused
        found = self._find(held)
        if found is not None:
            return Standing(held, found)
        refused = self._sign_in(claims, held, address)
        return Standing(held, self._find(held)) if refused is None else refused

    def holder(self, held: bytes | None) -> SignedIn | None:
        """Who has signed in with a browser, by what it holds, as their account stands now.

        Args:
            held: the hash, see `Standing`.

        Raises:
            Unknowable: the database could not be asked.
        """
        return None if held is None else self._find(held)

    def of_this_page(self) -> Standing:
        """Who looks at the page that is being drawn.

        Raises:
            Unknowable: the database could not be asked.
        """
        address = page_address()
        if not self.is_by_provider:
            return self.standing(st.context.cookies.to_dict(), address)
        claims = st.user.to_dict()
        return self.standing_of(claims, address) if claims.get("is_logged_in") else NOBODY

    def leaving(self, line: str | None) -> None:
        """Takes down that a tab is about to leave its page, to sign out.

        Args:
            line: the key that its websocket was opened with.
        """
        now = self.runtime.clock.monotonic()
        with self._lock:
            self._leaving = {
                key: at for key, at in self._leaving.items() if now - at < _LEAVES_WITHIN_S
            }
            if line is not None:
                self._leaving[line] = now

    def is_leaving(self, line: str | None) -> bool:
        """Whether a tab has been about to go for no longer than that takes."""
        with self._lock:
            at = None if line is None else self._leaving.get(line)
        return at is not None and self.runtime.clock.monotonic() - at < _LEAVES_WITHIN_S

    def password_changed(self, cookies: Mapping[str, str]) -> None:
        """Takes down that somebody has changed their password: the form says so.

        Args:
            cookies: of their browser.
        """
        token = self.cookies.read(cookies, SIGN_IN)
        if token is None:
            return
        with self._lock:
            self._with_new_password[hash_token(token)] = None
            if len(self._with_new_password) > _REMEMBERED:
                self._with_new_password.popitem(last=False)

    def has_changed_password(self, held: bytes) -> bool:
        """Whether it was by a change of password that a browser's sign-in has ended.

        Args:
            held: the hash, see `Standing`.
        """
        with self._lock:
            return held in self._with_new_password

    def local_account_id(self) -> UUID | None:
        """The account of this machine's user; None while the database cannot be asked."""
        if self._local_account_id is None:
            self._make_local_account()
        return self._local_account_id

    def sign_out(self, signed_in: SignedIn, address: str | None) -> None:
        """Ends every sign-in of somebody, here and everywhere.

        Args:
            signed_in: who.
            address: see `standing`.

        Raises:
            Unknowable: the database could not be asked; they may still be signed in.
        """
        clock = self.runtime.clock
        try:
            with session_of(self.runtime.target, self.settings) as session:
                sign_out(session, clock, actor_of(signed_in, clock, address))
        except (SQLAlchemyError, psycopg.Error) as error:
            raise Unknowable from error
        finally:
            self.runtime.sign_ins.forget()

    def _make_local_account(self) -> None:
        clock = self.runtime.clock
        with self._making_local_account:
            just_failed = clock.monotonic() - self._local_failed_at < _LOCAL_RETRY_S
            if just_failed or self._local_account_id is not None:
                return
            try:
                with session_of(self.runtime.target, self.settings) as session:
                    account = local_account(session, clock, machine_user())
                    self._local_account_id = account.id
            except (SQLAlchemyError, psycopg.Error):
                self._local_failed_at = clock.monotonic()

    def _find(self, held: bytes) -> SignedIn | None:
        try:
            return self.runtime.sign_ins.find(held)
        except (psycopg.Error, PoolTimeout) as error:
            raise Unknowable from error

    def _sign_in(self, claims: Claims, held: bytes, address: str | None) -> Standing | None:
        """Signs somebody in by the provider's word; what they are if that was not enough."""
        known = identity_of(claims, self.settings)
        if known is None:
            return Standing(held)
        clock = self.runtime.clock
        actor = unknown_actor(clock, address)
        # One at a time: a page and its websocket come with a new login at once.
        if not self._signing_in.acquire(timeout=_SIGN_IN_WAIT_S):
            raise Unknowable
        try:
            refused = self._known_refusal(held)
            if refused is not None:
                return refused
            try:
                with session_of(self.runtime.target, self.settings) as session:
                    done = sign_in_with_identity(session, clock, self.settings, actor, known)
            except (SQLAlchemyError, psycopg.Error) as error:
                raise Unknowable from error
            if isinstance(done, Refusal):
                refused = Standing(held, None, done, actor.correlation_id)
                with self._lock:
                    self._refused[held] = (clock.monotonic(), refused)
                    if len(self._refused) > _REMEMBERED:
                        self._refused.popitem(last=False)
                return refused
        finally:
            self._signing_in.release()
        self.runtime.sign_ins.forget()
        return None

    def _known_refusal(self, held: bytes) -> Standing | None:
        with self._lock:
            at, refused = self._refused.get(held, (0.0, None))
            if refused is None or self.runtime.clock.monotonic() - at < _REFUSED_FOR_S:
                return refused
            del self._refused[held]
            return None


_login: Login | None = None


def in_process() -> Login:
    """The login of this process's pages.

    Raises:
        RuntimeError: the process has no engine.
        SetupError: there is no secret to sign cookies with.
    """
    global _login  # noqa: PLW0603  # the one place that remembers it
    runtime = engine_in_process.runtime()
    if _login is None or _login.runtime is not runtime:
        _login = Login(runtime)
    return _login


def unknown_actor(clock: Clock, address: str | None, correlation_id: str | None = None) -> Actor:
    """Somebody at a page of whom nothing is known yet."""
    return Actor(
        account_id=None,
        name="nobody known",
        way=Way.PAGE,
        address=address,
        correlation_id=correlation_id or make_correlation_id(clock.uuid7()),
    )


def actor_of(
    signed_in: SignedIn, clock: Clock, address: str | None, correlation_id: str | None = None
) -> Actor:
    """Somebody at a page who has signed in."""
    return Actor(
        account_id=signed_in.account_id,
        name=signed_in.email,
        way=Way.PAGE,
        address=address,
        correlation_id=correlation_id or make_correlation_id(clock.uuid7()),
    )


def page_address() -> str | None:
    """The network's address of whoever looks at the page that is being drawn; None for this one."""
    address = st.context.ip_address
    return address if isinstance(address, str) else None


def machine_user() -> str:
    """The machine's user, as whom this process runs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a number may have no name
        return "local"
