"""What is known of a release as a signed attestation, for whoever deploys and for whoever audits.

An in-toto Statement (version 1) about the commit, in a DSSE envelope (version 1) signed with the
installation's key. Anybody who has the public key can verify it, with tools that are not ours.

Sources: in-toto attestation framework, `spec/v1/statement.md`; DSSE, `protocol.md` and
`envelope.md`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from sqlmodel import Session, col, select

from engine.readiness.export import as_facts
from engine.readiness.looking import Readiness, records_that_count
from engine.readiness.signing import Signer
from engine.readiness.tables import ReadinessRecord, ReadinessSeal
from engine.readiness.verifier import is_signed

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
PREDICATE_TYPE: Final = "urn:saveguard:readiness:1"


def statement(readiness: Readiness, session: Session) -> dict[str, Any]:
    """The statement about a release: its boxes, evidence, sign-offs, and the head of the seals.

    Args:
        readiness: of the release.
        session: to read its records with.
    """
    release = readiness.release
    records = records_that_count(session, release)
    last = session.exec(
        select(ReadinessSeal).order_by(col(ReadinessSeal.number).desc()).limit(1)
    ).one_or_none()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": release.name, "digest": {"gitCommit": release.commit}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "assessment": as_facts(readiness),
            "records": _digests(records),
            "seal": None
            if last is None
            else {"number": last.number, "count": last.count, "head": last.head.hex()},
        },
    }


def envelope(statement: dict[str, Any], signer: Signer) -> dict[str, Any]:
    """A statement in its envelope, signed.

    Raises:
        engine.errors.SetupError: the key cannot be used.
    """
    payload = json.dumps(statement, ensure_ascii=False, sort_keys=True).encode()
    signature = signer.sign(encoded(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": key_id(signer.public_key), "sig": base64.b64encode(signature).decode()}
        ],
    }


def opened(envelope: dict[str, Any], public_key: bytes) -> dict[str, Any] | None:
    """The statement in an envelope; None when it is not signed with the key.

    Raises:
        ValueError: it is no envelope.
    """
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        message = encoded(envelope["payloadType"], payload)
        signatures = [
            base64.b64decode(each["sig"], validate=True) for each in envelope["signatures"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no envelope: {error}") from None
    if not any(is_signed(public_key, each, message) for each in signatures):
        return None
    found: dict[str, Any] = json.loads(payload)
    return found


def encoded(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what a signature is over."""
    named = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(named), named, len(payload), payload)


def key_id(public_key: bytes) -> str:
    """A name for a key; a hint, which proves nothing."""
    return hashlib.sha256(public_key).hexdigest()


def _digests(records: Sequence[ReadinessRecord]) -> list[dict[str, Any]]:
    return [
        {"id": str(each.id), "kind": each.kind, "box": each.item_id, "sha256": each.digest.hex()}
        for each in records
    ]
