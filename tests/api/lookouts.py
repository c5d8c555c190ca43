"""Looking at a served API with a probe, in tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.runtime import Runtime
from tests.api.service import Service
from tests.database.releases import Lookout


def beside_others(runtime: Runtime) -> Lookout:
    """A lookout of which there may be several on one database."""
    name, runs = str(runtime.clock.uuid7()), runtime.settings.release
    return Lookout(runtime, name=name, commit=runs)


def looking_at(service: Service, **settings: Any) -> Lookout:
    """Looks from a process that is set to the service's own address."""
    host, port = service.address
    changed = {"host": host, "port": port, **settings}
    own = service.runtime.settings.model_copy(update=changed)
    return beside_others(replace(service.runtime, settings=own))
