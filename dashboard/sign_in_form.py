"""The page on which somebody signs in with a password: plain HTML, without a script.

It looks like the pages, and password managers know what its fields are for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

SIGN_IN_PATH: Final = "/account/sign-in"
SIGN_OUT_PATH: Final = "/account/sign-out"
ICON_PATH: Final = "/favicon.png"

_HERE: Final = Path(__file__).resolve().parent
_STYLE: Final = (_HERE / "sign_in.css").read_bytes()
ICON: Final = (_HERE / "favicon.png").read_bytes()
# Its address changes with it, so a browser may keep it.
STYLE_PATH: Final = f"/account/{hashlib.sha256(_STYLE).hexdigest()[:12]}.css"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence above the form.

    Attributes:
        text: what is said; never Markdown or HTML.
        is_alarming: whether something went wrong.
        code: the semantic code of a refusal.
        correlation_id: what to quote to an administrator.
    """

    text: str
    is_alarming: bool = False
    code: str = ""
    correlation_id: str = ""


def style() -> bytes:
    """The form's style sheet."""
    return _STYLE


def sign_in_page(
    *, environment: str, token: str, goal: str, email: str = "", notice: Notice | None = None
) -> bytes:
    """The page as a browser gets it.

    Args:
        environment: which installation this is.
        token: what has to come back with the form.
        goal: where to go once signed in; a path of ours.
        email: what was typed before.
        notice: what there is to say.
    """
    # Whoever comes back after a mistake has to type the password only.
    first, second = (" autofocus", "") if not email else ("", " autofocus")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Saveguard {escape(environment)}</title>
<link rel="icon" href="{ICON_PATH}">
<link rel="stylesheet" href="{STYLE_PATH}">
</head>
<body>
<main>
<h1>Sign in to Saveguard</h1>
<p class="where">{escape(environment)}</p>
{_notice(notice)}<form method="post" action="{SIGN_IN_PATH}">
<input type="hidden" name="token" value="{escape(token)}">
<input type="hidden" name="next" value="{escape(goal)}">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required maxlength="320" \
value="{escape(email)}"{first}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required \
maxlength="1024"{second}>
<button type="submit">Sign in</button>
</form>
<p class="help">Forgotten? An administrator can set a new password for you.</p>
</main>
</body>
</html>
""".encode()


def _notice(notice: Notice | None) -> str:
    if notice is None:
        return ""
    kind = "alarm" if notice.is_alarming else "news"
    facts = f"<small>{escape(notice.code)}</small>" if notice.code else ""
    if notice.correlation_id:
        facts += (
            "<small>Ask an administrator, quoting"
            f" <code>{escape(notice.correlation_id)}</code></small>"
        )
    return f'<div class="{kind}" role="alert"><p>{escape(notice.text)}</p>{facts}</div>\n'
