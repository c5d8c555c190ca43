"""Our own cookies: what they are called, how they are signed, and how they are set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from itsdangerous import BadSignature, Signer
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

# Of each kind one, with a signature that fits no other.
SIGN_IN: Final = "saveguard"
NEXT: Final = "saveguard-next"
FORM: Final = "saveguard-form"
_SIGN_OUT: Final = "sign-out"


class Cookies:
    """Signs, reads and sets cookies.

    Over TLS a browser takes them from this very host only, and sends them over TLS only.
    """

    def __init__(self, secret: str, *, is_behind_tls: bool) -> None:
        """Takes what they depend on.

        Args:
            secret: signs them.
            is_behind_tls: whether people reach us by https.
        """
        self._secret = secret
        self._is_behind_tls = is_behind_tls

    def read(self, cookies: Mapping[str, str], kind: str) -> str | None:
        """What a browser's cookie of a kind holds; None for none, and for one that is not ours."""
        signed = cookies.get(self.name(kind))
        if signed is None:
            return None
        try:
            return self._signer(kind).unsign(signed.encode("latin-1", "replace")).decode("latin-1")
        except BadSignature:
            return None

    def setting(self, kind: str, value: str, lasts_s: int) -> str:
        """A Set-Cookie that holds a value, which must be visible ASCII without a semicolon.

        Args:
            kind: which of ours.
            value: what it holds.
            lasts_s: seconds until the browser forgets it.
        """
        return self._line(kind, self._signer(kind).sign(value).decode("latin-1"), lasts_s)

    def removal(self, kind: str) -> str:
        """A Set-Cookie that makes the browser forget one."""
        return self._line(kind, "", 0)

    def name(self, kind: str) -> str:
        """What a cookie of a kind is called."""
        return f"__Host-{kind}" if self._is_behind_tls else kind

    def form_token(self, held: str) -> str:
        """What the form to sign in has to send along with the cookie that came with it."""
        return self._signer("form").get_signature(held).decode("ascii")

    def sign_out_token(self, token_hash: bytes) -> str:
        """What the form to sign out has to send along."""
        return self._signer(_SIGN_OUT).get_signature(token_hash).decode("ascii")

    def derived_secret(self, purpose: str) -> str:
        """A secret for somebody else's use, from which ours cannot be found."""
        return self._signer(purpose).derive_key().hex()

    def _signer(self, purpose: str) -> Signer:
        return Signer(
            self._secret,
            salt=f"saveguard.{purpose}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def _line(self, kind: str, value: str, lasts_s: int) -> str:
        line = f"{self.name(kind)}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax"
        return f"{line}; Secure" if self._is_behind_tls else line


def cookies_of(scope: Scope) -> dict[str, str]:
    """The cookies that a connection brings."""
    return cookie_parser("; ".join(Headers(scope=scope).getlist("cookie")))
