"""The ASGI application: Streamlit with the API's routes beside it, and how it is configured."""

from __future__ import annotations

import gc
import importlib
import os
import tomllib
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import streamlit
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from dashboard import plot
from dashboard.account_routes import account_routes, icon_route
from dashboard.local_only import LocalOnly
from dashboard.login import Login
from dashboard.open_tabs import OpenTabs
from dashboard.page_headers import PageHeaders
from dashboard.provider import streamlit_secrets
from dashboard.public_address import is_behind_tls
from dashboard.sign_in_gate import SignInGate
from dashboard.streamlit_options import environment_name, own_options, require_own_options
from engine.api.hosts import AllowedHosts, HostGuard, allowed_hosts
from engine.api.refusing import Refuser
from engine.api.security_headers import SecurityHeaders
from engine.logs import report
from engine.settings import Settings

_HERE: Final = Path(__file__).resolve().parent
# In a checkout the configuration stands at the top; in an installed wheel beside us.
_CONFIGS: Final = (
    _HERE.parent / ".streamlit" / "config.toml",
    _HERE / "_streamlit" / "config.toml",
)


def build_app(
    routes: Sequence[BaseRoute], login: Login, announce: Callable[[], None]
) -> streamlit.App:
    """Streamlit's application; user routes come before its own.

    Args:
        routes: of the API and of health, served beside the pages.
        login: who may see the pages.
        announce: called once everything is warm, right before requests are taken.

    Raises:
        SetupError: what people sign in with is not set.
    """
    settings = login.settings

    @asynccontextmanager
    async def lifespan(_app: streamlit.App) -> AsyncIterator[None]:
        _warm_up(signs_in_by_provider=login.is_by_provider)
        announce()
        yield

    return streamlit.App(
        _HERE / "app.py",
        secrets=streamlit_secrets(settings, login.streamlit_secret)
        if login.is_by_provider
        else None,
        routes=[*routes, *account_routes(login), plot.library_route(), icon_route()],
        middleware=middleware(login),
        lifespan=lifespan,
        on_script_error=_report_script_error,
    )


def middleware(login: Login) -> list[Middleware]:
    """What stands before the pages and the API, the outermost first."""
    settings = login.settings
    refuser = Refuser(login.runtime.read_pool, login.runtime.clock)
    headers = PageHeaders(
        is_behind_tls=is_behind_tls(settings), session_lifetime=settings.session_lifetime
    )
    return [
        Middleware(SecurityHeaders, headers.choose),
        Middleware(HostGuard, AllowedHosts(allowed_hosts(settings)), refuser),
        *([Middleware(LocalOnly, refuser)] if login.is_local else ()),
        Middleware(SignInGate, login, refuser),
        Middleware(OpenTabs, login, refuser),
    ]


def streamlit_config(settings: Settings) -> dict[str, Any]:
    """Our configuration as dotted keys, with the address of this process.

    Streamlit itself looks for its file beside the console command, so it is read here. Variables
    STREAMLIT_… outrank that file, but for those on which hangs who can reach the pages.

    Raises:
        SetupError: such a variable is set.
    """
    require_own_options(os.environ)
    path = next(each for each in _CONFIGS if each.exists())
    options = dict(_flatten(tomllib.loads(path.read_text("utf-8"))))
    options = {name: value for name, value in options.items() if not _is_overridden(name)}
    return options | own_options(settings)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _is_overridden(option: str) -> bool:
    return environment_name(option) in os.environ


def _warm_up(*, signs_in_by_provider: bool = False) -> None:
    """Pays for the heavy imports before the first viewer comes.

    What they allocate lives for ever; frozen, the garbage collector stops looking at it, which
    otherwise costs every viewer's every refresh more than the refresh itself.
    """
    from dashboard import warm  # noqa: PLC0415  # heavy, and not needed to build the application

    warm.render_once()
    if signs_in_by_provider:
        # It wishes for another HTTP library, and says so whenever it is imported.
        with warnings.catch_warnings(record=True):
            importlib.import_module("authlib.integrations.starlette_client")
    gc.collect()
    gc.freeze()


def _report_script_error(error: BaseException) -> bool:
    report("page", error)
    return False
