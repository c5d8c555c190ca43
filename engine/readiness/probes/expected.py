"""What the catalogue looks like after all migrations of this release, as a file beside this one.

It is written by `python -m tests.golden.regenerate`, and a test holds it against the migrations.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

CATALOGUE_FILE: Final = "catalogue.txt"


@cache
def expected_schema() -> tuple[str, ...]:
    """The lines of the catalogue, see `fingerprints.schema_lines`."""
    file = resources.files("engine.readiness.probes") / CATALOGUE_FILE
    return tuple(file.read_text("utf-8").splitlines())
