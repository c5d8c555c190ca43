"""A transcript: what was asked of the system, what it should have said, and what it did say.

Statuses, codes, versions and names only; no body, no key and no text of anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from engine.readiness.probes.probe import Found, decided, unknown

_SHOWN: Final = 200
_SAID_MAX: Final = 160


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what should hold, in a few words.
        is_good: whether it does.
        said: what was said instead.
        part: of which part of the transcript it is.
    """

    name: str
    is_good: bool
    said: str
    part: str


@dataclass(slots=True)
class Transcript:
    """Checks, in the order in which they were made."""

    checks: list[Check] = field(default_factory=list)
    part: str = ""

    def check(self, name: str, is_good: bool, said: object = "") -> bool:  # noqa: FBT001  # what it is about
        """Puts down whether something holds; returns it."""
        self.checks.append(Check(name, bool(is_good), str(said)[:_SAID_MAX], self.part))
        return bool(is_good)

    def equal(self, name: str, got: object, wanted: object) -> bool:
        """Puts down whether something is what it should be."""
        return self.check(name, got == wanted, f"{got!r}, not {wanted!r}")

    def of(self, part: str) -> Transcript:
        """The checks of one part alone."""
        return Transcript([each for each in self.checks if each.part == part], part)

    def found(self, what: str, witness: str, **numbers: object) -> Found:
        """What it comes to: green when there are checks and all of them hold.

        Args:
            what: was looked at, as the beginning of a sentence.
            witness: the requests.
            numbers: more of them.
        """
        if not self.checks:
            return unknown(f"{what}: nothing could be looked at", witness, **numbers)
        bad = [each for each in self.checks if not each.is_good]
        worst = f"{bad[0].name} ({bad[0].said})" if bad else ""
        return decided(
            not bad,
            f"{what}: all {len(self.checks)} checks hold",
            f"{what}: {len(bad)} of {len(self.checks)} checks do not hold, the first: {worst}",
            witness,
            checks=len(self.checks),
            broken=len(bad),
            **numbers,
            transcript=[
                {"check": each.name, "holds": each.is_good}
                | ({} if each.is_good else {"said": each.said})
                for each in (bad + [each for each in self.checks if each.is_good])[:_SHOWN]
            ],
        )
