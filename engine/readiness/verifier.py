"""Verifies readiness records on their own: this one file and Python are all it needs.

    python -I -S verifier.py bundle.json --checkpoints checkpoints.jsonl --key signing.pub

It trusts the public key and the checkpoints, which are kept outside of the database, and nothing
else. Every record has a digest over all its fields; every seal has a head over the one before and
the digests of its records, in their order, signed with Ed25519. So whatever was edited, put in,
taken out or moved, the part of a chain that was cut off, an older state that was brought back, and
a record that was copied to another release, show.

Sources: RFC 8032, section 5.1 (Ed25519); the format is in docs/reference/readiness-records.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = "saveguard-readiness/1"
# What a signature is over begins with this, so that it can be of nothing else.
SEAL_CONTEXT = b"saveguard readiness seal 1\n"
FIRST_HEAD = "0" * 64
# A record commits a moment after the instant that it has; one that is older by more than that than
# the seal before its own was put in later than it says. Clocks are that close, too: one that is
# younger than its own seal by more than that says a time that had not come.
LATE = timedelta(minutes=5)
# The fields of a record, in the order of its digest.
RECORD_FIELDS = (
    "id",
    "releaseId",
    "kind",
    "itemId",
    "phaseId",
    "recordedAt",
    "recordedBy",
    "accountId",
    "body",
)
# What a bundle has of a record; anything more would be read, and be of no digest.
_MEMBERS = frozenset({*RECORD_FIELDS, "digest"})


class Finding(NamedTuple):
    """Something that is not as it was sealed.

    Attributes:
        what: a short word for it: edited, missing, not sealed, …
        where: of which record, seal or checkpoint.
        why: in a sentence.
    """

    what: str
    where: str
    why: str


def record_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 over all fields of a record, each with its length before it, in hex."""
    return hashlib.sha256(b"".join(_framed(record.get(name)) for name in RECORD_FIELDS)).hexdigest()


def seal_head(
    previous: str, number: int, sealed_at: str, count: int, records: Iterable[tuple[str, str]]
) -> str:
    """The head of a chain once a seal is put on it, in hex.

    Args:
        previous: the head before.
        number: of the seal, from 1.
        sealed_at: as it is written.
        count: of all records up to here.
        records: id and digest of those that it seals, in their order.
    """
    parts = [previous, str(number), sealed_at, str(count)]
    for record_id, digest in records:
        parts += [record_id, digest]
    return hashlib.sha256(b"".join(_framed(part) for part in parts)).hexdigest()


def signed_bytes(installation: str, number: int, head: str) -> bytes:
    """What the signature of a seal is over."""
    return SEAL_CONTEXT + b"".join(_framed(each) for each in (installation, str(number), head))


# Whether a signature is of a public key, over a message.
Check = Callable[[bytes, bytes, bytes], bool]


def verify(
    bundle: Mapping[str, Any],
    checkpoints: Sequence[Mapping[str, Any]],
    public_key: bytes,
    check: Check | None = None,
    now: str = "",
) -> list[Finding]:
    """What is wrong with a bundle; nothing when it is as it was sealed.

    Args:
        bundle: format, installation, records and seals.
        checkpoints: installation, number, head and signature of seals, kept elsewhere.
        public_key: 32 bytes.
        check: of signatures, where there is a faster one than this file's own.
        now: when the bundle was read, as instants are written; empty where nobody can tell. Records
            that have waited for a seal for long are a finding then.
    """
    if bundle.get("format") != FORMAT:
        return [Finding("unreadable", "bundle", f"its format is not {FORMAT}")]
    records: dict[str, Mapping[str, Any]] = {}
    found: list[Finding] = []
    for record in bundle["records"]:
        where = f"record {record['id']}"
        if record["id"] in records:
            found.append(Finding("doubled", where, "it is there twice"))
        if record.keys() != _MEMBERS or not all(map(_is_text, record.values())):
            found.append(
                Finding("unreadable", where, "it is more, or other, than its digest is of")
            )
        records[record["id"]] = record
    verification = Verification(str(bundle["installation"]), public_key, check)
    for seal in bundle["seals"]:
        found += verification.follow(seal, [(each, records.get(each)) for each in seal["records"]])
    for record_id, record in records.items():
        if not verification.has_sealed(record_id):
            found += verification.wait(record)
    found += verification.end(checkpoints, now)
    return found


class Verification:
    """Follows the seals from the first, each with its records, without having them all at once."""

    def __init__(self, installation: str, public_key: bytes, check: Check | None = None) -> None:
        """Has followed nothing yet; arguments as of `verify`."""
        self.installation = installation
        self._is_ours = partial(check or is_signed, public_key)
        self._heads: dict[int, str] = {}
        # Heads with their signatures, of which those were looked at.
        self._signed: set[tuple[int, str, str]] = set()
        # Of each record its release; of one that waits, too.
        self._releases: dict[str, str] = {}
        self._sealed: set[str] = set()
        self._sealed_at = ""
        self._head, self._number = FIRST_HEAD, 0
        # The run of each evidence, and what each signature rests on.
        self._runs: dict[str, str] = {}
        self._rests: list[tuple[str, str, Sequence[str]]] = []
        # When what waits for a seal was put down.
        self._waiting: list[str] = []

    def has_sealed(self, record_id: str) -> bool:
        """Whether a seal that was followed has this record."""
        return record_id in self._sealed

    @property
    def records(self) -> int:
        """How many there were."""
        return len(self._releases)

    @property
    def seals(self) -> int:
        """How many were followed."""
        return len(self._heads)

    def follow(
        self, seal: Mapping[str, Any], records: Iterable[tuple[str, Mapping[str, Any] | None]]
    ) -> Iterator[Finding]:
        """What is wrong with the next seal, and what it has sealed.

        Args:
            seal: number, sealedAt, count, previous, head and signature.
            records: the ids that it has sealed, in their order, each with the record if there is
                one.
        """
        number, where = int(seal["number"]), f"seal {seal['number']}"
        if number != self._number + 1:
            yield Finding("missing", where, f"seal {self._number + 1} was to come before it")
        if seal["previous"] != self._head:
            yield Finding("unlinked", where, "it does not follow from the seal before")
        digests: list[tuple[str, str]] = []
        yield from self._take(seal, records, digests)
        head = seal_head(seal["previous"], number, seal["sealedAt"], int(seal["count"]), digests)
        if head != seal["head"]:
            yield Finding("broken", where, "what it sealed, or the order, is not what is there")
        if int(seal["count"]) != len(self._sealed):
            yield Finding("broken", where, "it counts other records than there are")
        message = signed_bytes(self.installation, number, str(seal["head"]))
        if not self._is_ours(bytes.fromhex(seal["signature"]), message):
            yield Finding("unsigned", where, "its signature is not of this key")
        else:
            self._signed.add((number, str(seal["head"]), str(seal["signature"])))
        if seal["sealedAt"] < self._sealed_at:
            yield Finding("broken", where, "it is older than the seal before")
        self._head, self._number = str(seal["head"]), number
        self._heads[number] = self._head
        self._sealed_at = str(seal["sealedAt"])

    def wait(self, record: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong with a record that no seal has, once all seals were followed.

        What waits for one is younger than the newest; else it was put in behind the seals.
        """
        where = f"record {record['id']}"
        self._waiting.append(str(record["recordedAt"]))
        if is_backdated(record["recordedAt"], self._sealed_at):
            yield Finding("not sealed", where, "older than the newest seal")
        elif record_digest(record) != record["digest"]:
            yield Finding("edited", where, "its digest is another's")
        yield from self._sense(record)

    def end(self, checkpoints: Sequence[Mapping[str, Any]], now: str = "") -> Iterator[Finding]:
        """What only shows once every record is known; arguments as of `verify`."""
        # What nobody has sealed for long: whoever keeps it from a seal can still write it anew.
        late = sorted(each for each in self._waiting if is_backdated(each, now))
        if late:
            since = f"no seal has come since {late[0]}: nothing proves yet what they say"
            yield Finding("waiting", f"{len(late)} records", since)
        yield from self._held_against(checkpoints)
        for record_id, release_id, evidence in self._rests:
            where = f"record {record_id}"
            for evidence_id in evidence:
                other = self._releases.get(evidence_id)
                if other is None:
                    yield Finding("missing", f"record {evidence_id}", f"{where} rests on it")
                elif other != release_id:
                    yield Finding("swapped", where, "it rests on another release's evidence")

    def _take(
        self,
        seal: Mapping[str, Any],
        records: Iterable[tuple[str, Mapping[str, Any] | None]],
        digests: list[tuple[str, str]],
    ) -> Iterator[Finding]:
        for record_id, record in records:
            where = f"record {record_id}"
            if record is None:
                yield Finding("missing", where, f"seal {seal['number']} has sealed it")
                continue
            if record_id in self._sealed:
                yield Finding("doubled", where, "it was sealed before")
            else:
                yield from self._sense(record)
            self._sealed.add(record_id)
            if is_backdated(record["recordedAt"], self._sealed_at):
                yield Finding("backdated", where, "the seal before is younger")
            if is_future_dated(record["recordedAt"], seal["sealedAt"]):
                yield Finding("future-dated", where, f"seal {seal['number']} is older than it")
            digest = record_digest(record)
            if digest != record["digest"]:
                yield Finding("edited", where, "its digest is another's")
            digests.append((record_id, digest))

    def _held_against(self, checkpoints: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
        """Whether the chain still has every head that was written down elsewhere."""
        if not checkpoints:
            yield Finding("unproved", "checkpoints", "there are none: a tail may be cut off unseen")
        for checkpoint in checkpoints:
            number, where = int(checkpoint["number"]), f"checkpoint {checkpoint['number']}"
            head = str(checkpoint["head"])
            if not self._is_signed_checkpoint(checkpoint):
                yield Finding("unsigned", where, "its signature is not of this key")
            elif checkpoint["installation"] != self.installation:
                yield Finding("foreign", where, "it is of another installation")
            elif number not in self._heads:
                yield Finding("cut off", where, "the chain ends before it, or is an older state")
            elif self._heads[number] != head:
                yield Finding("rewritten", where, "the chain had another head then")

    def _is_signed_checkpoint(self, checkpoint: Mapping[str, Any]) -> bool:
        number, head = int(checkpoint["number"]), str(checkpoint["head"])
        installation, signature = str(checkpoint["installation"]), str(checkpoint["signature"])
        # A signature takes milliseconds; that of the seal itself was looked at already.
        if installation == self.installation and (number, head, signature) in self._signed:
            return True
        message = signed_bytes(installation, number, head)
        return self._is_ours(bytes.fromhex(signature), message)

    def _sense(self, record: Mapping[str, Any]) -> Iterator[Finding]:
        """Whether a record speaks of others as it should."""
        record_id, release_id = str(record["id"]), sys.intern(str(record["releaseId"]))
        where = f"record {record_id}"
        self._releases[record_id] = release_id
        if record["kind"] not in {"evidence", "sign-off"}:
            yield from _legible(record)
            return
        try:
            body = json.loads(record["body"])
            if record["kind"] == "sign-off":
                self._rests.append((record_id, release_id, [*body["evidence"]]))
                return
            run, made_for = str(body["run"]), body["releaseId"]
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Finding("unreadable", where, "its body is not what its kind has")
            return
        if self._runs.setdefault(run, record_id) != record_id:
            yield Finding("replayed", where, f"it is the run of record {self._runs[run]}")
        if made_for != release_id:
            yield Finding("swapped", where, "it was made for another release")


def _legible(record: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        json.loads(record["body"])
    except (ValueError, TypeError):
        yield Finding("unreadable", f"record {record['id']}", "its body is not what its kind has")


def is_backdated(recorded_at: str, sealed_at: str) -> bool:
    """Whether a record is older than a seal that it is not under; no seal is the empty text."""
    if not sealed_at:
        return False
    return datetime.fromisoformat(recorded_at) < datetime.fromisoformat(sealed_at) - LATE


def is_future_dated(recorded_at: str, sealed_at: str) -> bool:
    """Whether a record is younger than the seal that it is under: it would stay fresh longer."""
    return datetime.fromisoformat(recorded_at) > datetime.fromisoformat(sealed_at) + LATE


def _is_text(value: object) -> bool:
    """Whether a digest can be of a value: 1 and "1" would have the same."""
    return value is None or isinstance(value, str)


def _framed(value: object) -> bytes:
    if value is None:
        return b"\x00"
    written = str(value).encode("utf-8", "surrogatepass")
    return b"\x01" + len(written).to_bytes(8, "big") + written


# --- Ed25519, as far as verifying goes ---

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_SIZE = 32
# Extended coordinates: x, y, z, and x times y over z.
_Point = tuple[int, int, int, int]


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is of a key, over a message."""
    if len(public_key) != _SIZE or len(signature) != 2 * _SIZE:
        return False
    key, commitment = _point(public_key), _point(signature[:_SIZE])
    response = int.from_bytes(signature[_SIZE:], "little")
    if key is None or commitment is None or response >= _ORDER:
        return False
    hashed = hashlib.sha512(signature[:_SIZE] + public_key + message).digest()
    challenge = int.from_bytes(hashed, "little") % _ORDER
    return _same(_times(response, _BASE), _plus(commitment, _times(challenge, key)))


def _point(encoded: bytes) -> _Point | None:
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    x = None if y >= _P else _abscissa(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _abscissa(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _plus(one: _Point, two: _Point) -> _Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _plus(total, point)
        point = _plus(point, point)
        factor >>= 1
    return total


def _same(one: _Point, two: _Point) -> bool:
    return (one[0] * two[2] - two[0] * one[2]) % _P == 0 and (
        one[1] * two[2] - two[1] * one[2]
    ) % _P == 0


_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE_X = _abscissa(_BASE_Y, 0) or 0
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verifies a bundle; prints what is wrong with it, a line each. 0 when nothing is."""
    parser = argparse.ArgumentParser(description="Verifies readiness records on their own.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--key", required=True, help="public key: 64 characters of hex, or a file")
    given = parser.parse_args(arguments)
    try:
        bundle = _read_json(given.bundle.read_text("utf-8"))
        checkpoints, key = _read_checkpoints(given.checkpoints), _read_key(given.key)
        found = verify(bundle, checkpoints, key)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"unreadable: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    for finding in found:
        print(f"{finding.what}: {finding.where}: {finding.why}")  # noqa: T201
    if not found:
        print("\n".join(_summary(bundle, checkpoints, key)))  # noqa: T201
    return int(bool(found))


def _summary(
    bundle: Mapping[str, Any], checkpoints: Sequence[Mapping[str, Any]], key: bytes
) -> Iterator[str]:
    """What holds, and what that rests on: to be held against what was written down elsewhere."""
    records, seals = bundle["records"], bundle["seals"]
    yield f"{len(records)} records, {len(seals)} seals: as sealed"
    newest = max(checkpoints, key=lambda each: int(each["number"]))
    yield f"trusted: key {key.hex()}, checkpoint {newest['number']} with head {newest['head']}"
    waiting = len(records) - sum(len(seal["records"]) for seal in seals)
    if waiting:
        yield f"not under a seal yet, so that nothing proves them: {waiting} records"


def _read_json(text: str) -> Any:  # noqa: ANN401  # whatever it is
    """What a text says.

    Raises:
        ValueError: it is no JSON, or names a member twice, of which others may read the other one.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(pairs)
        if len(read) < len(pairs):
            raise ValueError("a member is there twice")
        return read

    return json.loads(text, object_pairs_hook=members)


def _read_checkpoints(path: Path) -> list[dict[str, Any]]:
    """The checkpoints in a file; none of a file that is not there, which is a finding."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [_read_json(line) for line in lines if line.strip()]


def _read_key(given: str) -> bytes:
    path = Path(given)
    return bytes.fromhex(path.read_text("ascii") if path.exists() else given)


if __name__ == "__main__":
    sys.exit(main())
