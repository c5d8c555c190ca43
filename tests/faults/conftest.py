"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.clock import SystemClock
from engine.database.migrate import migrate_up
from engine.database.target import Target
from tests.database.databases import blank_database, cloned


@pytest.fixture(params=["one-statement", "several-statements"])
def write_form(request: pytest.FixtureRequest) -> str:
    """Both ways in which a save is written."""
    form: str = request.param
    return form


@pytest.fixture(scope="module")
def target(server: str, template: str) -> Iterator[Target]:
    """A database for the scenes of one module; each has an agent of its own in it."""
    with cloned(server, template) as made:
        yield made


@pytest.fixture
def own_target(server: str, template: str) -> Iterator[Target]:
    """A database for a test that does to it what others should not see."""
    with cloned(server, template) as made:
        yield made


@pytest.fixture
def blank(server: str) -> Iterator[Target]:
    """A migrated database that is not a clone: an installation of its own."""
    with blank_database(server) as made:
        migrate_up(made.owner, SystemClock())
        yield made
