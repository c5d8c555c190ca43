"""Why nothing looks for some boxes yet: what of the system they speak of is not there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_ALERTING: Final = "Nothing alerts yet: there is no evaluator, no rule and no channel to look at"
_DRILLS: Final = "Nothing drives drills yet: the runner of load, chaos and incidents is to come"
_ROLLBACK: Final = "Nothing carries out a rollback plan yet, so there is no run of one to look at"
_SOAK: Final = "Nothing records memory and CPU of processes over time yet"
_RESULTS: Final = (
    "Results of a test run decide it: saveguard readiness import, of a run on the release's commit"
)
_BACKUP: Final = "Nothing makes or restores backups yet"

ABSENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        probe: why
        for why, probes in {
            _ALERTING: (
                "alert.nonce",
                "hook.lint",
                "notify.team",
                "oncall.page",
                "tg.getchat",
                "tg.getme",
            ),
            _DRILLS: (
                "chaos.pack",
                "drill.conflict",
                "drill.report",
                "drill.state",
                "drill.timeout",
                "drill.validation",
                "load.baseline",
                "load.hotquote",
                "load.stateviolation",
                "prod.codes",
                "prod.probe",
                "prod.race",
                "prod.state",
                "staging.agents",
                "staging.shapes",
                "txn.killpoints",
            ),
            _ROLLBACK: (
                "mig.updown",
                "rollback.drill",
                "rollback.plan",
                "rollback.ready",
                "rollback.time",
            ),
            _SOAK: ("soak.cpu", "soak.mem"),
            _RESULTS: (
                "runs.integration",
                "runs.suite+sabotage",
                "runs.unit",
                "sec.canary",
                "sec.sqli",
                "sec.xss",
                "ui.oracle",
            ),
            _BACKUP: ("backup.restore",),
        }.items()
        for probe in probes
    }
)
