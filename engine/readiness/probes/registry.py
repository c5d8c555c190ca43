"""Every probe by its name; of those that nothing looks for yet `absent` says why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.readiness.probes import (
    codes,
    coverage,
    database,
    health,
    indexes,
    integrity,
    limits,
    lookup,
    models,
    objectives,
    plans,
    processes,
    schema,
    series,
    settings,
    steadiness,
)
from engine.readiness.probes.probe import Probe

PROBES: Final[Mapping[str, Probe]] = MappingProxyType(
    {
        "boot.clean": processes.boot,
        "codes.census": codes.census,
        "corr.coverage": coverage.covered,
        "db.health": health.health,
        "db.indexes": indexes.indexes,
        "db.plans": plans.plans,
        "db.pool": limits.pool,
        "db.probe": database.connection,
        "db.timeouts": limits.timeouts,
        "deploy.version": processes.version,
        "env.model": settings.model,
        "inv.lastmod": integrity.last_modified,
        "inv.sweep": integrity.sweep,
        "inv.version": integrity.version,
        "ledger.critical": codes.critical,
        "lookup.sample": lookup.sample,
        "mig.applied": schema.applied,
        "mig.columns": schema.columns,
        "mig.fingerprint": schema.fingerprint,
        "mig.index": schema.index,
        "model.drift": models.drift,
        "perf.series": series.performance,
        "silent.reconcile": coverage.reconciled,
        "slo.bound": objectives.bound,
        "slo.stable": steadiness.stable,
        "slo.windows": steadiness.windows,
        "taxonomy.registry": codes.registry,
        "ui.fresh": series.fresh,
        "window.complete": series.complete,
    }
)
