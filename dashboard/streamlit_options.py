"""Streamlit's options that are ours alone to set: who can reach the pages hangs on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from engine.api.hosts import allowed_hosts
from engine.errors import SetupError
from engine.settings import Settings

# What to do instead of setting one.
_INSTEAD: Final[Mapping[str, str]] = {
    "server.address": "set SAVEGUARD_HOST instead",
    "server.port": "set SAVEGUARD_PORT instead",
    "server.allowedHosts": "set SAVEGUARD_ALLOWED_HOSTS instead",
    "server.corsAllowedOrigins": "set SAVEGUARD_PUBLIC_URL instead",
    "server.baseUrlPath": "pages are served at the root of SAVEGUARD_PUBLIC_URL",
    "server.enableXsrfProtection": "it is always on",
    "server.enableCORS": "it is always on",
    "server.cookieSecret": "set SAVEGUARD_COOKIE_SECRET instead",
    "server.trustedUserHeaders": "set SAVEGUARD_LOGIN and SAVEGUARD_TRUSTED_PROXIES instead",
}


def own_options(settings: Settings) -> dict[str, Any]:
    """What is given to Streamlit whatever its own files say, by dotted keys.

    A configuration file of the current directory, or of the user, counts less than this.
    """
    return {
        "server.address": settings.host,
        "server.port": settings.port,
        "server.allowedHosts": [*allowed_hosts(settings)],
        "server.corsAllowedOrigins": [],
        "server.baseUrlPath": "",
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.trustedUserHeaders": {},
    }


def require_own_options(environ: Mapping[str, str]) -> None:
    """Makes sure that no variable of Streamlit's contradicts our settings.

    Args:
        environ: usually `os.environ`.

    Raises:
        SetupError: one does; the message names it, and what to set instead.
    """
    for option, instead in _INSTEAD.items():
        variable = environment_name(option)
        if variable in environ:
            raise SetupError(f"{variable}: this is Saveguard's to set; unset it: {instead}")


def environment_name(option: str) -> str:
    """The variable that sets an option, by Streamlit's own rule.

    Streamlit could be asked, but would read its configuration before ours is given to it.
    """
    name = option.replace(".", "_")
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return f"STREAMLIT_{name}".upper()
