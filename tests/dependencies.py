"""`make audit`: known vulnerabilities among the locked dependencies, by an advisory service.

A finding fails. That no service could be asked is no finding: it is said loudly, and the run goes
on. pip-audit alone cannot be trusted to tell: with an index that has no advisories it skips every
package, says that nothing was found and ends with 0.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

LOCKS: Final = Path(__file__).resolve().parent.parent / "locks"
_LOUD: Final = "=" * 78
_TIMEOUT_S: Final = 15
# Enough for a hundred packages one after the other; a service that hangs is one that is not there.
_PATIENCE_S: Final = 300
_MISUSED: Final = 2  # what a program ends with that does not know its arguments
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)(\[[a-z0-9,._-]+\])?==([^ ;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= |$)")


class Verdict(NamedTuple):
    """What became of an audit.

    Attributes:
        is_clean: whether the run may go on.
        lines: for a person.
    """

    is_clean: bool
    lines: Sequence[str]


def unlocked(lock: str) -> list[str]:
    """The requirements of a lock that are not pinned to one version, or have no hash.

    Args:
        lock: the text of a lock file.
    """
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*$", "", lock, flags=re.MULTILINE))
    requirements = [line.strip() for line in joined.splitlines() if line.strip()]
    return [each for each in requirements if not (_REQUIREMENT.match(each) and _HASH.search(each))]


def judge(report: Mapping[str, Any] | None, silence: str) -> Verdict:
    """What an advisory service's answers come to.

    Args:
        report: what pip-audit wrote, in its JSON; None when it could not.
        silence: why it could not, in its own words.
    """
    if report is None:
        return Verdict(is_clean=True, lines=_loud("no advisory service could be asked", [silence]))
    packages = report["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {each['id']}"
        f" ({', '.join(each['fix_versions']) or 'no version'} mends it)"
        for package in packages
        for each in package.get("vulns", ())
    ]
    skipped = sorted(package["name"] for package in packages if "skip_reason" in package)
    lines = [f"{len(packages) - len(skipped)} of {len(packages)} locked packages audited."]
    if skipped or not packages:
        who = "of no package" if len(skipped) == len(packages) else f"not of {len(skipped)}"
        lines = [*_loud(f"the service knows {who}", [", ".join(skipped)]), *lines]
    if found:
        lines += [f"VULNERABLE: {each}" for each in found]
    return Verdict(not found, lines)


def _loud(what: str, more: Sequence[str]) -> list[str]:
    return [_LOUD, f"DEPENDENCIES NOT AUDITED HERE: {what}.", *filter(None, more), _LOUD]


def audit(lock: Path) -> Verdict:
    """Asks the advisory service of pip-audit's own settings about a lock's packages.

    Args:
        lock: a lock file with hashes.
    """
    faults = unlocked(lock.read_text("utf-8"))
    if faults:
        return Verdict(is_clean=False, lines=[f"UNLOCKED: {each}" for each in faults])
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "report.json"
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock)),
            *("--require-hashes", "--disable-pip", "--progress-spinner", "off"),
            *("--cache-dir", directory, "--timeout", str(_TIMEOUT_S)),
            *("--format", "json", "--output", str(output)),
        ]
        try:
            ended = subprocess.run(  # noqa: S603  # our own interpreter and module
                command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
            )
        except subprocess.TimeoutExpired:
            return judge(None, "it did not answer in time")
        if not output.exists():
            said = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
            if ended.returncode == _MISUSED:
                return Verdict(is_clean=False, lines=[f"pip-audit cannot be run so: {said}"])
            return judge(None, said)
        return judge(json.loads(output.read_text("utf-8")), "")


def main() -> int:
    """Audits what Saveguard runs with; 1 when something is found."""
    verdict = audit(LOCKS / "runtime.txt")
    sys.stdout.write("\n".join(verdict.lines) + "\n")
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
