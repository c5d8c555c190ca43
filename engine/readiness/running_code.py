"""Whether code that runs is a release's, by what it says of itself: evidence is of that code."""

from __future__ import annotations

from engine.readiness.knowledge import Release


def names_of(name: str, commit: str) -> frozenset[str]:
    """What processes of a release may call themselves."""
    return frozenset({name, commit, f"{name}+{commit}", f"{name}-{commit}"})


def is_of(release: Release, said: str) -> bool:
    """Whether a process that calls itself so runs a release.

    Args:
        release: that it should be.
        said: the setting `SAVEGUARD_RELEASE` of the process.
    """
    return said in names_of(release.name, release.commit)
