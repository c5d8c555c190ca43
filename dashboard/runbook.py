"""The runbooks' sections on an error code and on an alert rule, as the documentation has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from engine.alerting.lint import sections_of
from engine.errors import ErrorCode

NAME: Final = "docs/runbooks/errors.md"
ALERTS_NAME: Final = "docs/runbooks/alerts.md"
# Beside the packages in a checkout; an installation elsewhere has no documentation with it.
_ROOT: Final = Path(__file__).resolve().parent.parent
PLACE: Final = _ROOT / NAME
ALERTS_PLACE: Final = _ROOT / ALERTS_NAME
_LINK: Final = re.compile(r"\[([^\]]*)\]\((?!https?://)((?:\.\./)*)([^)]*)\)")
# A section of the runbook of codes, which the page of errors shows.
_CODE: Final = re.compile(r"errors\.md#([a-z_]+)")


def section(code: ErrorCode) -> str | None:
    """What the runbook says of a code, as Markdown; None where there is no such file or section."""
    text = _text(PLACE)
    return None if text is None else section_of(text, code.value)


def alert_section(title: str) -> str | None:
    """What the runbook of alerts has under a title; None where there is no such file or section."""
    text = _text(ALERTS_PLACE)
    return None if text is None else section_of(text, title)


def alert_sections() -> frozenset[str] | None:
    """The titles of the runbook of alerts; None where it is not installed."""
    text = _text(ALERTS_PLACE)
    return None if text is None else sections_of(text)


def not_installed(title: str, name: str = NAME) -> str:
    """What to say where there is no such file or section."""
    return (
        "The runbook is not installed here. It is in the source of this release:"
        f" {name}, section {title}."
    )


def section_of(text: str, title: str) -> str | None:
    """The section under a heading, without the heading; None if there is none.

    Links to other files of the documentation would lead nowhere from a page: they become the name
    of the file, or lead to the page that shows the same.
    """
    _, found, rest = f"\n{text}".partition(f"\n## {title}\n")
    if not found:
        return None
    body, *_ = re.split(r"^#{1,2} ", rest, maxsplit=1, flags=re.MULTILINE)
    return _LINK.sub(_led, body.strip())


def _led(link: re.Match[str]) -> str:
    words, up, target = link.groups()
    code = None if up else _CODE.fullmatch(target)
    if code is not None:
        return f"[{words}](errors?code={code[1].upper()})"
    return f"{words}: `docs/{'' if up else 'runbooks/'}{target}`"


def _text(place: Path) -> str | None:
    try:
        return place.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
