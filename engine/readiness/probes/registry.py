"""Every probe by its name; and, of those that nothing looks for yet, why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.readiness.probes import (
    contract,
    counters,
    fuzz,
    races,
    rate_limit,
    retries,
    roundtrip,
    schema,
    security,
    smoke,
    states,
)
from engine.readiness.probes.probe import Probe

PROBES: Final[Mapping[str, Probe]] = MappingProxyType(
    {
        "api.patch.pack": contract.patch_pack,
        "api.post.pack": contract.post_pack,
        "canary.crud": smoke.canary,
        "corr.roundtrip": roundtrip.roundtrip,
        "flow.ppp": smoke.flow,
        "fuzz.contract": fuzz.fuzz,
        "hist.register": races.register,
        "lock.race": races.lock,
        "metrics.reconcile": counters.reconcile,
        "mig.applied": schema.applied,
        "mig.columns": schema.columns,
        "mig.fingerprint": schema.fingerprint,
        "mig.index": schema.index,
        "retry.inject": retries.inject,
        "sec.authn": security.authn,
        "sec.authz": security.authz,
        "sec.ratelimit": rate_limit.ratelimit,
        "smoke.crud": smoke.crud,
        "state.matrix": states.matrix,
        "state.race": races.state,
    }
)
