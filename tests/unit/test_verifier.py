"""The stand-alone verifier: its Ed25519 is the standard's, and it says what it cannot read."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.readiness import signing, verifier
from engine.readiness.verifier import (
    is_backdated,
    is_future_dated,
    is_signed,
    record_digest,
    verify,
)

# RFC 8032, section 7.1: secret key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555f"
            "b8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da08"
            "5ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
]
EMPTY = {"format": verifier.FORMAT, "installation": "one", "records": [], "seals": []}


@pytest.mark.parametrize(("secret", "message", "signature"), VECTORS, ids=["empty", "one byte"])
def test_signatures_are_those_of_the_standard(secret: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    public = key.public_key().public_bytes_raw()

    assert is_signed(public, bytes.fromhex(signature), bytes.fromhex(message))


@pytest.mark.parametrize("check", [verifier.is_signed, signing.is_signed], ids=["own", "fast"])
def test_it_takes_what_another_implementation_has_signed_and_nothing_like_it(
    check: verifier.Check,
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"message")
    response = int.from_bytes(signature[32:], "little") + verifier._ORDER

    assert check(public, signature, b"message")
    assert not check(public, signature, b"massage")
    assert not check(public, signature[:-1], b"message")
    assert not check(public[:-1], signature, b"message")
    assert not check(b"\xff" * 32, signature, b"message")
    # The same one written otherwise would let a signature be taken for another.
    assert not check(public, signature[:32] + response.to_bytes(32, "little"), b"message")


def test_a_digest_tells_fields_apart_that_only_together_read_alike() -> None:
    one: dict[str, Any] = {"id": "ab", "releaseId": "c"}
    two: dict[str, Any] = {"id": "a", "releaseId": "bc"}

    assert record_digest(one) != record_digest(two)
    assert record_digest({**one, "itemId": ""}) != record_digest({**one, "itemId": None})


@pytest.mark.parametrize(
    ("recorded_at", "sealed_at", "is_late"),
    [
        ("2026-11-26T12:00:00.000000Z", "", False),
        ("2026-11-26T12:00:00.000000Z", "2026-11-26T12:05:00.000000Z", False),
        ("2026-11-26T12:00:00.000000Z", "2026-11-26T12:05:00.000001Z", True),
    ],
)
def test_a_record_may_commit_five_minutes_after_its_instant(
    recorded_at: str, sealed_at: str, *, is_late: bool
) -> None:
    assert is_backdated(recorded_at, sealed_at) is is_late


def test_a_bundle_of_another_format_is_not_taken_for_an_empty_one() -> None:
    (found,) = verify({**EMPTY, "format": "saveguard-readiness/2"}, [], b"")

    assert found.what == "unreadable"


def test_a_record_that_is_not_what_its_kind_has_is_named(tmp_path: Path) -> None:
    record = dict.fromkeys(verifier.RECORD_FIELDS, "x") | {"kind": "evidence", "body": "no JSON"}
    record["recordedAt"] = "2026-11-26T12:00:00.000000Z"
    record["digest"] = record_digest(record)
    bundle = {**EMPTY, "records": [record]}

    assert "unreadable: record x" in run(tmp_path, json.dumps(bundle)).stdout


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "passing"}, {"itemId": 1}, {"body": {"verdict": "passing"}}],
    ids=["more", "a number", "an object"],
)
def test_a_record_that_its_digest_says_nothing_of_is_named(changes: dict[str, Any]) -> None:
    record = dict.fromkeys(verifier.RECORD_FIELDS, "{}") | {"kind": "release", "digest": ""}
    record["recordedAt"] = "2026-11-26T12:00:00.000000Z"
    record["digest"] = record_digest(record)
    assert "unreadable" not in {
        each.what for each in verify({**EMPTY, "records": [record]}, [], b"")
    }

    changed: dict[str, Any] = record | changes
    changed["digest"] = record_digest(changed)

    assert "unreadable" in {each.what for each in verify({**EMPTY, "records": [changed]}, [], b"")}


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """This verifier would read the one, and somebody else the other."""
    twice = json.dumps(EMPTY)[:-1] + ', "records": []}'

    ended = run(tmp_path, twice)

    assert (ended.returncode, "twice" in ended.stderr) == (2, True)


def test_it_needs_nothing_but_python() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text())
    imported = {
        str(each.module if isinstance(each, ast.ImportFrom) else each.names[0].name).split(".")[0]
        for each in ast.walk(tree)
        if isinstance(each, ast.Import | ast.ImportFrom)
    }

    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "saveguard-readiness/1"}'])
def test_what_is_no_bundle_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    ended = run(tmp_path, content)

    assert ended.returncode == 2 or "unreadable" in ended.stdout
    assert "Traceback" not in ended.stderr


def run(tmp_path: Path, content: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "bundle.json"
    path.write_text(content)
    command = ["-I", "-S", verifier.__file__, str(path), "--key", "00" * 32]
    return subprocess.run(  # noqa: S603  # our own file
        [sys.executable, *command, "--checkpoints", tmp_path / "none.jsonl"],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("at", "is_so"), [("12:05:00", False), ("12:05:01", True)])
def test_a_record_that_is_younger_than_its_own_seal_says_a_time_to_come(
    at: str, *, is_so: bool
) -> None:
    day = "2026-11-26T"

    assert is_future_dated(f"{day}{at}.000000Z", f"{day}12:00:00.000000Z") is is_so
