"""Every probe by its name; and, of those that nothing looks for yet, why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.readiness.probes import schema
from engine.readiness.probes.probe import Probe

PROBES: Final[Mapping[str, Probe]] = MappingProxyType(
    {
        "mig.applied": schema.applied,
        "mig.columns": schema.columns,
        "mig.fingerprint": schema.fingerprint,
        "mig.index": schema.index,
    }
)
