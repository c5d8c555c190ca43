"""The documentation as it is here, for gates that look at it before people vouch for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

# Beside the packages in a checkout; an installation elsewhere has no documentation with it.
TOP: Final = Path(__file__).resolve().parents[2]
RUNBOOKS: Final = "docs/runbooks/"
# The history of changes is no document that anybody vouches for.
_PATTERNS: Final = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
_FENCED: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Documents:
    """Pages of the documentation.

    Attributes:
        top: the directory that they are named from.
        pages: by name, in order.
    """

    top: Path
    pages: Mapping[str, str]

    def digest(self, under: str = "") -> str:
        """SHA-256 over the names and texts of all pages, or of those in a directory."""
        digest = hashlib.sha256()
        for name, text in self.pages.items():
            if name.startswith(under):
                for part in (name.encode(), text.encode()):
                    digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    def broken_links(self) -> Iterator[str]:
        """Links to files that are not there, each with its page."""
        for name, text in self.pages.items():
            place = (self.top / name).parent
            for target, _ in _LINK.findall(_FENCED.sub("", text)):
                if ":" not in target and not (place / target).exists():
                    yield f"{name}: {target}"

    def section(self, name: str, title: str) -> str | None:
        """What stands under a heading of the second level; None where there is none."""
        _, found, rest = f"\n{self.pages.get(name, '')}".partition(f"\n## {title}\n")
        return rest.partition("\n## ")[0].strip() if found else None


def read_documents(top: Path | None = None) -> Documents | None:
    """The documentation; None where there is none.

    Args:
        top: of a checkout; where this code lies unless given.
    """
    place = TOP if top is None else top
    files = sorted({each for pattern in _PATTERNS for each in place.glob(pattern)})
    try:
        stats = [(each, each.stat()) for each in files]
        return _read(place, tuple((each, stat.st_mtime_ns, stat.st_size) for each, stat in stats))
    except (OSError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=1)
def _read(top: Path, files: tuple[tuple[Path, int, int], ...]) -> Documents | None:
    """The same, read anew only when a file has changed."""
    if not any(str(each.relative_to(top)).startswith("docs/") for each, _, _ in files):
        return None
    return Documents(
        top, {str(each.relative_to(top)): each.read_text("utf-8") for each, _, _ in files}
    )
