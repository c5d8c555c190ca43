"""What browsers are told to refuse on our pages, and how Streamlit's own cookies are tightened."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Final

import streamlit
from starlette.types import Message, Scope

from engine.api.app import PREFIX
from engine.api.security_headers import Headers, api_headers, headers_of

_INDEX: Final = Path(streamlit.__file__).parent / "static" / "index.html"
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_MAX_AGE: Final = re.compile(rb"(?i)(max-age=)([0-9]+)")
# Who somebody is, as Streamlit keeps it in the browser; both may come in several pieces.
_IDENTITY_COOKIE: Final = b"_streamlit_user"

# What is never needed, and what a page with numbers on it should not be used for.
_PERMISSIONS: Final = ", ".join(
    f"{name}=()"
    for name in (
        "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation",
        "gyroscope", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock",
        "serial", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip

_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Addresses hold correlation ids; our own forms need their origin.
    "referrer-policy": "same-origin",
    "permissions-policy": _PERMISSIONS,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def page_policy() -> str:
    """What a page may load: from us alone, and no script that is not a file of ours.

    Streamlit's page has one script in it, known by its hash, loads the script of a
    component from a blob, and writes styles as it draws
    (docs/decisions/0016-login.md).
    """
    inline = " ".join(_hash(script) for script in _INLINE_SCRIPT.findall(_INDEX.read_text("utf-8")))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {inline} blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def form_policy() -> str:
    """What our own pages without a script may load: their style and picture."""
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )


class PageHeaders:
    """The headers of every answer of the dashboard's process."""

    def __init__(self, *, is_behind_tls: bool, session_lifetime: timedelta) -> None:
        """Takes what they depend on.

        Args:
            is_behind_tls: whether people reach us by https.
            session_lifetime: how long somebody stays signed in at most.
        """
        self._is_behind_tls = is_behind_tls
        self._lifetime_s = int(session_lifetime.total_seconds())
        self._api = api_headers(is_behind_tls=is_behind_tls)
        self._pages, self._forms = (
            headers_of(
                {"content-security-policy": policy, **_COMMON},
                is_behind_tls=is_behind_tls,
                amend=self._amend,
            )
            for policy in (page_policy(), form_policy())
        )

    def choose(self, scope: Scope) -> Headers:
        """The headers for a request."""
        path: str = scope["path"]
        if path.startswith(PREFIX + "/") or path == PREFIX:
            return self._api
        return self._forms if path.startswith("/account/") else self._pages

    def _amend(self, scope: Scope, message: Message) -> None:
        """Pages and downloads are kept nowhere; cookies of Streamlit's are tightened."""
        headers: list[tuple[bytes, bytes]] = message["headers"]
        is_kept_nowhere = scope["path"].startswith("/media/") or any(
            name == b"content-type" and value.startswith(b"text/html") for name, value in headers
        )
        message["headers"] = [
            *(
                (name, self._tightened(value) if name == b"set-cookie" else value)
                for name, value in headers
                if not (is_kept_nowhere and name == b"cache-control")
            ),
            *([(b"cache-control", b"no-store")] if is_kept_nowhere else ()),
        ]

    def _tightened(self, cookie: bytes) -> bytes:
        if cookie.startswith(_IDENTITY_COOKIE):
            cookie = _MAX_AGE.sub(self._shortened, cookie)
        is_secure = b"; secure" in cookie.lower()
        return cookie + b"; Secure" if self._is_behind_tls and not is_secure else cookie

    def _shortened(self, found: re.Match[bytes]) -> bytes:
        return found[1] + b"%d" % min(int(found[2]), self._lifetime_s)


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
