"""Signing in with a password and signing out: our own addresses beside Streamlit's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hmac import compare_digest
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.cookies import FORM, SIGN_IN
from dashboard.local_path import local_path
from dashboard.login import Login, Standing, Unknowable, actor_of, unknown_actor
from dashboard.same_origin import is_from_our_page
from dashboard.sign_in_form import (
    ICON,
    ICON_PATH,
    SIGN_IN_PATH,
    SIGN_OUT_PATH,
    STYLE_PATH,
    Notice,
    sign_in_page,
    style,
)
from engine.access.addresses import network_of
from engine.access.audit import Action, Actor, event, write
from engine.access.rate_limits import RateLimits
from engine.access.sign_ins import SignedIn
from engine.access.signing_in import NewSignIn, sign_in_with_password, sign_out
from engine.access.trail_budget import TrailBudget
from engine.api.exchange import CORRELATION_HEADER
from engine.api.refusing import address_of
from engine.correlation import make_correlation_id
from engine.database.sessions import session_of
from engine.errors import ErrorCode, Refusal

T = TypeVar("T")

# An e-mail address, a password of the longest, a path: all of it percent-encoded.
_BODY_MAX: Final = 16 * 1024
_FIELDS_MAX: Final = 8
_FORM_S: Final = 12 * 3600
# Each works for a fraction of a second on a hash; more at once only take each other's time.
_THREADS: Final = 2
_WAITING_MAX: Final = 16
# One network must not fill the queue for all.
_WAITING_OF_ONE: Final = 4
# The database gets no longer to count, and to take a row.
_PATIENCE_S: Final = 2.0
_SEE_OTHER, _OK = 303, 200
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_KEPT_FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
# What a browser may still hold of the pages; it asks for nothing again.
_SIGNED_OUT: Final = "out"

_STALE: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "This form was out of date, or not ours; please try again."
)
_UNREADABLE: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "This form could not be read; please try again."
)
_BUSY: Final = Refusal(
    ErrorCode.RATE_LIMIT_EXCEEDED,
    "Too many people sign in at this moment; please try again.",
    {"retryAfterSeconds": 2},
)
_AWAY: Final = Refusal(
    ErrorCode.DATABASE_TIMEOUT, "The database does not answer; please try again in a moment."
)


def account_routes(login: Login) -> list[BaseRoute]:
    """The addresses, where people sign in with a password; else none."""
    if login.is_local or login.is_by_provider:
        return []
    desk = _Desk(login)
    return [
        Route(SIGN_IN_PATH, desk.show, methods=["GET"]),
        Route(SIGN_IN_PATH, desk.sign_in, methods=["POST"]),
        Route(SIGN_OUT_PATH, desk.sign_out, methods=["POST"]),
        Route(STYLE_PATH, _style, methods=["GET"]),
    ]


def icon_route() -> Route:
    """Our picture, where browsers and Streamlit's own page look for it: anybody may see it."""
    return Route(ICON_PATH, _icon, methods=["GET"])


class _Desk:
    """Answers the forms."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._cookies = login.cookies
        self._clock = login.runtime.clock
        self._limits = RateLimits(self._clock)
        self._threads = ThreadPoolExecutor(_THREADS, "sign-in")
        self._waiting: Counter[str] = Counter()
        self._budget = TrailBudget(self._clock)

    async def show(self, request: Request) -> Response:
        """The form; whoever is signed in already goes on."""
        goal = local_path(request.query_params.get("next"))
        try:
            standing = await self._standing(request)
        except Unknowable:
            return self._refused(request, goal, _AWAY)
        if standing.signed_in is not None:
            return RedirectResponse(goal, _SEE_OTHER)
        notice = None
        if request.query_params.get("signed") == _SIGNED_OUT:
            notice = Notice("You have signed out, here and everywhere else.")
        elif standing.token_hash is not None and self._login.has_changed_password(
            standing.token_hash
        ):
            notice = Notice("Your password is changed. Sign in with the new one.")
        elif standing.token_hash is not None:
            notice = Notice("You have been signed out, or were signed in for too long.")
        answer = self._form(request, goal, notice=notice)
        if standing.token_hash is not None:
            answer.headers.append("set-cookie", self._cookies.removal(SIGN_IN))
        return answer

    async def sign_in(self, request: Request) -> Response:
        """Looks at a password."""
        fields = await self._fields(request)
        if fields is None:
            return self._refused(request, local_path(None), _UNREADABLE)
        goal, email = local_path(fields.get("next")), fields.get("email", "").strip()
        held = self._cookies.read(request.cookies, FORM)
        is_ours = held is not None and _same(
            fields.get("token", ""), self._cookies.form_token(held)
        )
        actor = unknown_actor(self._clock, address_of(request.scope))
        too_many = await asyncio.to_thread(self._too_many_from, actor)
        if too_many is not None:
            return self._refused(request, goal, too_many, email=email, actor=actor)
        if not is_ours or not is_from_our_page(request.headers, self._login.origin):
            await self._note(actor, Action.SIGNED_IN, _STALE)
            return self._refused(request, goal, _STALE, email=email, actor=actor)
        done = await self._one_of_few(
            actor.address, lambda: self._check(actor, email, fields.get("password", ""))
        )
        if isinstance(done, Refusal):
            if done is _BUSY or done is _AWAY:
                await asyncio.to_thread(self._put_down, actor, Action.SIGNED_IN, done)
            return self._refused(request, goal, done, email=email, actor=actor)
        answer = RedirectResponse(goal, _SEE_OTHER)
        lasts_s = int(self._login.settings.session_lifetime.total_seconds())
        answer.headers.append("set-cookie", self._cookies.setting(SIGN_IN, done.token, lasts_s))
        answer.headers.append("set-cookie", self._cookies.removal(FORM))
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends every sign-in of whoever asks, everywhere."""
        fields = await self._fields(request) or {}
        try:
            standing = await self._standing(request)
            signed_in, held = standing.signed_in, standing.token_hash
            if signed_in is not None and held is not None:
                token = self._cookies.sign_out_token(held)
                actor = actor_of(signed_in, self._clock, address_of(request.scope))
                if not _same(fields.get("token", ""), token) or not is_from_our_page(
                    request.headers, self._login.origin
                ):
                    await self._note(actor, Action.SIGNED_OUT, _STALE)
                    return self._refused(request, local_path(None), _STALE, actor=actor)
                # Called back before it has the answer, this tab would never say that they are out.
                self._login.leaving(fields.get("line") or None)
                await self._in_thread(lambda: self._end(actor, signed_in))
        except Unknowable:
            return self._refused(request, local_path(None), _AWAY)
        answer = RedirectResponse(
            f"{SIGN_IN_PATH}?{urlencode({'signed': _SIGNED_OUT})}", _SEE_OTHER
        )
        answer.headers.append("set-cookie", self._cookies.removal(SIGN_IN))
        return answer

    def _too_many_from(self, actor: Actor) -> Refusal | None:
        """Whether an address tries too often, whoever it says it is; asked before any hash is."""
        standing = self._limits.count(
            f"sign-in/{network_of(actor.address)}",
            self._login.settings.bad_credentials_per_minute,
            self._login.runtime.read_pool,
            self._clock.monotonic() + _PATIENCE_S,
        )
        if not standing.is_refused:
            return None
        refusal = Refusal(
            ErrorCode.RATE_LIMIT_EXCEEDED,
            f"Too many sign-ins are tried from here; wait {standing.reset_s} seconds.",
            {"retryAfterSeconds": standing.reset_s},
        )
        self._put_down(actor, Action.SIGNED_IN, refusal)
        return refusal

    def _check(self, actor: Actor, email: str, password: str) -> NewSignIn | Refusal:
        try:
            with session_of(self._login.runtime.target) as session:
                return sign_in_with_password(
                    session,
                    self._clock,
                    self._login.settings,
                    actor,
                    # PostgreSQL knows no text with a NUL, nor with half a character.
                    email=_storable(email),
                    password=password,
                )
        except (SQLAlchemyError, psycopg.Error, PoolTimeout):
            return _AWAY

    def _end(self, actor: Actor, _signed_in: SignedIn) -> None:
        try:
            with session_of(self._login.runtime.target) as session:
                sign_out(session, self._clock, actor)
        except (SQLAlchemyError, psycopg.Error) as error:
            raise Unknowable from error
        self._login.runtime.sign_ins.forget()

    async def _note(self, actor: Actor, action: Action, refusal: Refusal) -> None:
        """Writes a refusal of our own into the audit trail, if it can be."""
        await self._one_of_few(actor.address, lambda: self._put_down(actor, action, refusal))

    def _put_down(self, actor: Actor, action: Action, refusal: Refusal) -> None:
        structlog.get_logger().warning(
            "sign_in_refused",
            correlation_id=actor.correlation_id,
            error_code=refusal.code.value,
            address=actor.address,
        )
        if not self._budget.may_write(actor.address):
            return
        happened = event(self._clock, actor, action, refused=refusal.code)
        deadline = self._clock.monotonic() + _PATIENCE_S
        with (
            suppress(psycopg.Error, PoolTimeout),
            self._login.runtime.read_pool.connection(deadline) as connection,
        ):
            write(connection, happened)

    async def _one_of_few(self, address: str | None, work: Callable[[], T]) -> T | Refusal:
        """Does what takes long, unless too many wait for that already, or too many from there."""
        network = network_of(address)
        if self._waiting.total() >= _WAITING_MAX or self._waiting[network] >= _WAITING_OF_ONE:
            self._waiting += Counter()  # drops the zero that looking has left
            return _BUSY
        self._waiting[network] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting[network] -= 1
            self._waiting += Counter()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _standing(self, request: Request) -> Standing:
        address = address_of(request.scope)
        return await asyncio.to_thread(self._login.standing, request.cookies, address)

    async def _fields(self, request: Request) -> Mapping[str, str] | None:
        """What a form says; None if it is none, or too long, or too slow."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != _FORM_TYPE:
            return None
        body = bytearray()
        try:
            async with asyncio.timeout(self._login.settings.body_time.total_seconds()):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > _BODY_MAX:
                        return None
            pairs = parse_qsl(
                body.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS_MAX
            )
        except (TimeoutError, ClientDisconnect, ValueError):
            return None
        return dict(pairs)

    def _refused(
        self,
        request: Request,
        goal: str,
        refusal: Refusal,
        *,
        email: str = "",
        actor: Actor | None = None,
    ) -> Response:
        """The form again, with what was wrong."""
        correlation_id = (
            make_correlation_id(self._clock.uuid7()) if actor is None else actor.correlation_id
        )
        notice = Notice(
            refusal.message,
            is_alarming=True,
            code=refusal.code.value,
            correlation_id=correlation_id,
        )
        answer = self._form(request, goal, email=email, notice=notice, status=refusal.http_status)
        answer.headers[CORRELATION_HEADER] = correlation_id
        wait_s = refusal.details.get("retryAfterSeconds")
        if wait_s is not None:
            answer.headers["retry-after"] = str(wait_s)
        return answer

    def _form(
        self,
        request: Request,
        goal: str,
        *,
        email: str = "",
        notice: Notice | None = None,
        status: int = _OK,
    ) -> Response:
        # Several tabs with a form share the cookie.
        held = self._cookies.read(request.cookies, FORM) or self._clock.token(16).hex()
        answer = Response(
            sign_in_page(
                environment=self._login.settings.environment,
                token=self._cookies.form_token(held),
                goal=goal,
                email=email,
                notice=notice,
            ),
            status,
            media_type="text/html",
        )
        answer.headers.append("set-cookie", self._cookies.setting(FORM, held, _FORM_S))
        return answer


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode("utf-8", "replace"), other.encode())


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


async def _style(_request: Request) -> Response:
    return Response(style(), media_type="text/css", headers=_KEPT_FOR_EVER)


async def _icon(_request: Request) -> Response:
    return Response(ICON, media_type="image/png", headers={"cache-control": "max-age=86400"})
