"""Why nothing looks for some boxes yet: what of the system they speak of is not there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NOTES: Final = (
    "Nothing tells the team of a release yet, and of a note that was sent nobody could say who of"
    " the roster has read it"
)
_PAGES: Final = (
    "No test page goes to one person yet: channels reach all at once, and a nonce is read back by"
    " whoever comes first"
)
_DRILLS: Final = "Nothing drives drills yet: the runner of load, chaos and incidents is to come"
_ROLLBACK: Final = "Nothing carries out a rollback plan yet, so there is no run of one to look at"
_SOAK: Final = "Nothing records memory and CPU of processes over time yet"
_RESULTS: Final = (
    "Results of a test run decide it: saveguard readiness import, of a run on the release's commit"
)
_BACKUP: Final = "Nothing makes or restores backups yet"

# The probes of boxes that results may decide; a box that is decided otherwise is left alone.
IMPORTED: Final = frozenset(
    {
        "runs.integration",
        "runs.suite+sabotage",
        "runs.unit",
        "sec.canary",
        "sec.sqli",
        "sec.xss",
        "ui.oracle",
    }
)
ABSENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        probe: why
        for why, probes in {
            _NOTES: ("notify.team",),
            _PAGES: ("oncall.page",),
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
            _RESULTS: sorted(IMPORTED),
            _BACKUP: ("backup.restore",),
        }.items()
        for probe in probes
    }
)
