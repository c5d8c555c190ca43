"""No secret and nothing of a person stands anywhere but where it belongs.

One run of the whole system, looked at from all sides; see `scene` for what is driven and
`allowed` for what belongs where.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TypeAlias

import pytest

from dashboard.navigation import PAGES
from tests.canaries.allowed import ALLOWED
from tests.canaries.canaries import Scanner, canary
from tests.canaries.planting import KEYS, SETTINGS, planted
from tests.canaries.scene import Seen, play

Kinds: TypeAlias = Mapping[str, AbstractSet[str]]
SCANNER = Scanner(planted())
# The whole system once, on whatever machine; the first of these tests waits for it.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def seen(server: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What one run of the system showed."""
    return play(server, template, tmp_path_factory.mktemp("canaries"))


def found_in(seen: Seen) -> Kinds:
    """Which canaries were found in which place."""
    found = {place: SCANNER.found_in(many) for place, many in seen.places.items()}
    return {place: kinds for place, kinds in found.items() if kinds}


def beyond(
    these: Mapping[str, AbstractSet[str]], those: Mapping[str, AbstractSet[str]]
) -> set[tuple[str, str]]:
    """What these have and those have not: places and kinds."""
    return {
        (place, kind) for place, kinds in these.items() for kind in kinds - those.get(place, set())
    }


def test_nothing_is_found_where_it_does_not_belong(seen: Seen) -> None:
    assert beyond(found_in(seen), ALLOWED) == set()


def test_everything_is_found_where_it_belongs(seen: Seen) -> None:
    """Otherwise a line of what is allowed hides a leak of tomorrow."""
    assert beyond(ALLOWED, found_in(seen)) == set()


def test_every_canary_was_let_loose(seen: Seen) -> None:
    """A secret that was never put anywhere proves nothing by not being found."""
    stored = {kind for place, kinds in found_in(seen).items() if "table" in place for kind in kinds}
    loose = SCANNER.found_in(seen.sent) | stored

    assert set(planted()) == loose
    assert {*SETTINGS, *KEYS} <= loose


def test_what_a_browser_holds_is_told_to_that_browser_alone(seen: Seen) -> None:
    told = {
        place
        for place, many in seen.places.items()
        for each in many
        if any(token in each for token in seen.tokens)
    }

    assert len(seen.tokens) > 0
    assert told == {"answer of the form to sign in"}


def test_every_place_was_looked_at(seen: Seen) -> None:
    pages = {f"page {page}{state}" for page in PAGES for state in ("", ", without a database")}
    files = {"journal", "logs", "settings-fingerprint.key"}
    exports = {"file for a spreadsheet", "story as JSON", "story in Markdown"}
    answers = {f"answer GET {path}" for path in ("/metrics", "/healthz", "/api/openapi.json")}
    said = {"standard error", "what commands print", "Python's logging", "refusal", "repr"}

    assert pages | files | exports | answers | said <= set(seen.places)
    assert all(sum(map(len, many)) > 0 for many in seen.places.values())
    logged = b"".join(seen.places["logs"])
    assert logged.count(b"\n") > 100
    for line in logged.splitlines():
        json.loads(line)


@pytest.mark.parametrize("place", ["logs", "page overview", "refusal", "table audit_event.details"])
@pytest.mark.parametrize("kind", ["a key that works", "the secret of the cookies", "client email"])
def test_a_leak_is_noticed(seen: Seen, place: str, kind: str) -> None:
    text = planted()[kind]
    leaking = Seen({**seen.places, place: [*seen.places[place], f"{{{text[:30]}}}".encode()]})

    assert beyond(found_in(leaking), ALLOWED) == {(place, kind)}
    assert canary("nothing") not in text
