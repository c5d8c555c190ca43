"""The locked dependencies: each one version with its hash, and an audit that can tell.

The advisory service is a stand-in on loopback that speaks OSV's protocol.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from tests.dependencies import LOCKS, audit, judge, unlocked

_HASH: Final = "--hash=sha256:" + "0" * 64
_LOCK: Final = f"alpha==1.0 \\\n    {_HASH}\n    # via beta\nbeta==2.5 \\\n    {_HASH}\n"
_ADVISORY: Final = {
    "id": "TEST-2026-0001",
    "summary": "an example",
    "affected": [
        {
            "package": {"name": "beta", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.6"}]}],
        }
    ],
}


@contextmanager
def advising(status: int, advisories: dict[str, Any]) -> Iterator[str]:
    """An advisory service: its address, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = advisories.get(asked["package"]["name"])
            body = json.dumps({"vulns": [found]} if found else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of two packages, and pip-audit set to ask the stand-in."""
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    path = tmp_path / "lock.txt"
    path.write_text(_LOCK)
    return path


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_every_locked_requirement_is_one_version_with_a_hash(name: str) -> None:
    text = (LOCKS / name).read_text()

    assert unlocked(text) == []
    assert text.count("==") > 50


@pytest.mark.parametrize(
    "line",
    ["alpha", f"alpha>=1 \\\n    {_HASH}", "alpha==1.0", "alpha==1.0 --hash=sha256:0123",
     "-e .", "alpha @ https://example.org/alpha.whl", f"--index-url https://x {_HASH}"],
)  # fmt: skip
def test_a_requirement_that_is_not_locked_fails_the_audit(lock: Path, line: str) -> None:
    lock.write_text(f"{_LOCK}{line}\n")

    verdict = audit(lock)

    assert not verdict.is_clean
    assert len(verdict.lines) == 1
    assert verdict.lines[0].startswith("UNLOCKED: ")


def test_a_known_vulnerability_fails_the_audit(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with advising(200, {"beta": _ADVISORY}) as url:
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)
        verdict = audit(lock)

    assert not verdict.is_clean
    assert verdict.lines == [
        "2 of 2 locked packages audited.",
        "VULNERABLE: beta 2.5: TEST-2026-0001 (2.6 mends it)",
    ]


def test_no_known_vulnerability_passes_without_a_word_of_warning(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with advising(200, {}) as url:
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)
        verdict = audit(lock)

    assert (verdict.is_clean, verdict.lines) == (True, ["2 of 2 locked packages audited."])


def test_a_service_that_fails_is_told_loudly_and_is_no_finding(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with advising(500, {}) as url:
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)
        failed = audit(lock)
    gone = audit(lock)  # the same address, where nobody listens any more

    for verdict in (failed, gone):
        assert verdict.is_clean
        assert "DEPENDENCIES NOT AUDITED HERE: no advisory service could be asked." in verdict.lines


def test_packages_that_a_service_does_not_know_are_told_loudly() -> None:
    skipped = {"name": "alpha", "skip_reason": "Dependency not found"}
    known = {"name": "beta", "version": "2.5", "vulns": []}
    vulnerable = known | {"vulns": [{"id": "TEST-2026-0001", "fix_versions": []}]}

    none = judge({"dependencies": [skipped]}, "")
    some = judge({"dependencies": [skipped, known]}, "")
    found = judge({"dependencies": [skipped, vulnerable]}, "")

    assert (none.is_clean, some.is_clean, found.is_clean) == (True, True, False)
    assert "DEPENDENCIES NOT AUDITED HERE: the service knows of no package." in none.lines
    assert "DEPENDENCIES NOT AUDITED HERE: the service knows not of 1." in some.lines
    assert "alpha" in some.lines
    assert found.lines[-1] == "VULNERABLE: beta 2.5: TEST-2026-0001 (no version mends it)"


def test_an_audit_that_cannot_be_run_fails(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setattr("tests.dependencies._TIMEOUT_S", "soon")

    verdict = audit(lock)

    assert not verdict.is_clean
    assert verdict.lines[0].startswith("pip-audit cannot be run so: ")
