"""The runbook's section on an error code, as the documentation has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from engine.errors import ErrorCode

NAME: Final = "docs/runbooks/errors.md"
# Beside the packages in a checkout; an installation elsewhere has no documentation with it.
PLACE: Final = Path(__file__).resolve().parent.parent / NAME
_LINK: Final = re.compile(r"\[([^\]]*)\]\((?!https?://)(?:\.\./)*([^)]*)\)")


def section(code: ErrorCode) -> str | None:
    """What the runbook says of a code, as Markdown; None where there is no such file or section."""
    try:
        text = PLACE.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return section_of(text, code)


def not_installed(code: ErrorCode) -> str:
    """What to say where there is no such file or section."""
    return (
        "The runbook is not installed here. It is in the source of this release:"
        f" {NAME}, section {code.value}."
    )


def section_of(text: str, code: ErrorCode) -> str | None:
    """The section under the heading of a code, without the heading; None if there is none.

    Links to other files of the documentation would lead nowhere from a page: they become the name
    of the file.
    """
    _, found, rest = f"\n{text}".partition(f"\n## {code.value}\n")
    if not found:
        return None
    body, *_ = re.split(r"^#{1,2} ", rest, maxsplit=1, flags=re.MULTILINE)
    return _LINK.sub(r"\1: `docs/\2`", body.strip())
