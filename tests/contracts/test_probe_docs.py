"""The documentation names every probe, and each that is not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.readiness.probes.absent import ABSENT
from engine.readiness.probes.registry import PROBES

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


def test_every_probe_is_documented() -> None:
    text = "\n".join(page.read_text() for page in _DOCS.rglob("*.md"))

    assert [name for name in sorted({*PROBES, *ABSENT}) if f"`{name}`" not in text] == []


def test_every_probe_says_its_name_where_it_is_written() -> None:
    unsaid = [
        name for name, probe in PROBES.items() if not (probe.__doc__ or "").startswith(f"`{name}`:")
    ]

    assert unsaid == []
