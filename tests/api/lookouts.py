"""Looking with a probe in tests: at a served API, or at the engine alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.readiness.probes.probe import Found, Question
from engine.readiness.probes.registry import PROBES
from engine.runtime import Runtime
from tests.api.service import Service
from tests.database.releases import lead, readiness_of, released


class Lookout:
    """Looks with one probe after the other; what they share is forgotten in between."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        _, actor = lead(runtime.target, runtime.clock)
        # Several may look at one database.
        name = str(runtime.clock.uuid7())
        release_id = released(runtime.target, runtime.clock, actor, name=name)
        self.readiness = readiness_of(runtime.target, runtime.settings, runtime.clock, release_id)

    def __call__(self, probe: str, *, box: str = "", shared: dict[str, Any] | None = None) -> Found:
        """What a probe finds, asked for the first of its boxes or for one of them."""
        release = self.readiness.release
        item = next(
            each for each in release.items.values() if each.probe == probe and box in {"", each.id}
        )
        phase = next(
            each
            for each in release.checklist.phases
            if any(found.id == item.id for found in each.boxes)
        )
        question = Question(self.runtime, release, item, phase, {} if shared is None else shared)
        return PROBES[probe](question)


def looking_at(service: Service, **settings: Any) -> Lookout:
    """Looks from a process that is set to the service's own address."""
    host, port = service.address
    changed = {"host": host, "port": port, **settings}
    own = service.runtime.settings.model_copy(update=changed)
    return Lookout(replace(service.runtime, settings=own))
