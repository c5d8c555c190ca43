"""One served API for each module of tests; those that need another make their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.caller import Caller, calling
from tests.api.service import Service, served, settings_in
from tests.database.databases import cloned


@pytest.fixture(scope="module")
def module_service(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The module's server, with a database of its own."""
    settings = settings_in(tmp_path_factory.mktemp("api"))
    with cloned(server, template) as target, served(target, settings) as service:
        yield service


@pytest.fixture
def service(module_service: Service) -> Iterator[Service]:
    """The module's server; fails the test in which something unclassified happens."""
    yield module_service
    assert module_service.take_surprises() == []


@pytest.fixture
def own_service(server: str, template: str, tmp_path: Path) -> Iterator[Service]:
    """A server and a database of the test's own, for what would spoil others'."""
    with cloned(server, template) as target, served(target, settings_in(tmp_path)) as service:
        yield service


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    """A new agent's program."""
    with calling(service) as made:
        yield made


@pytest.fixture(scope="module")
def module_caller(module_service: Service) -> Iterator[Caller]:
    """One agent's program for the whole module."""
    with calling(module_service) as made:
        yield made


@pytest.fixture
def shared_caller(service: Service, module_caller: Caller) -> Caller:
    """The module's agent, for tests that mind no company: a new agent costs more than they do."""
    assert module_caller.service is service
    return module_caller


@pytest.fixture
def stranger(service: Service) -> Iterator[Caller]:
    """Another agent's program."""
    with calling(service) as made:
        yield made


@pytest.fixture
def own_caller(own_service: Service) -> Iterator[Caller]:
    """An agent's program on the test's own server."""
    with calling(own_service) as made:
        yield made
