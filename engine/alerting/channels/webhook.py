"""A webhook: the notice as JSON, signed, with a key by which a repetition is known.

docs/reference/alert-payload.md says what a receiver gets.
"""

from __future__ import annotations

import hmac
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.alerting.channels.addresses import (
    MalformedError,
    Receiver,
    addresses_of,
    forbidden,
    is_loopback_name,
    receiver_of,
)
from engine.alerting.channels.channel import (
    ChannelName,
    Letter,
    Result,
    Sent,
    legible,
)
from engine.alerting.channels.posting import NoAnswer, post
from engine.alerting.channels.verdicts import refused, unanswered
from engine.clock import Clock
from engine.settings import Settings

SIGNATURE_HEADER: Final = "Saveguard-Signature"
TIMESTAMP_HEADER: Final = "Saveguard-Timestamp"
KEY_HEADER: Final = "Idempotency-Key"
# Of an address: what is longer is rather a secret than a word.
_WORD_MAX: Final = 11
_LOOK_S: Final = 5.0
_NO_ADDRESS: Final = "its name leads to no address"
_UNREACHABLE: Final = "it cannot be reached"


class Webhook:
    """One address that notices are posted to."""

    name: Final = ChannelName.WEBHOOK

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Asks nothing yet.

        Args:
            settings: the address, and the secret that signs.
            clock: for deadlines and the timestamp.
        """
        url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
        self._url = "" if url is None else url.get_secret_value()
        self._secret = "" if secret is None else secret.get_secret_value()
        self._clock = clock

    @property
    def missing(self) -> str | None:
        """Why it is not configured."""
        if not self._url:
            return "ALERT_WEBHOOK_URL is not set"
        try:
            receiver_of(self._url)
        except MalformedError as fault:
            return f"ALERT_WEBHOOK_URL {fault}"
        return None

    @property
    def is_signed(self) -> bool:
        """Whether a receiver can tell that it is us."""
        return bool(self._secret)

    def wait(self) -> float:
        """Nothing paces it but what it asks for."""
        return 0.0

    def send(self, letter: Letter) -> Result:
        """Posts one notice; a test's receiver may answer `{"nonce": …}`."""
        now = self._clock.now()
        content = payload(letter)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "saveguard",
            KEY_HEADER: str(letter.id),
            TIMESTAMP_HEADER: str(int(now.timestamp())),
        }
        if self._secret:
            headers[SIGNATURE_HEADER] = signature(self._secret, headers[TIMESTAMP_HEADER], content)
        answer = post(receiver_of(self._url), headers, content, self._clock)
        if isinstance(answer, NoAnswer):
            return unanswered(answer)
        if answer.status not in range(200, 300):
            return refused(answer, now, self._secrets)
        return Sent(
            receipt=None,
            status=answer.status,
            answer=legible(answer.text, self._secrets),
            echo=_echo(answer.body, letter.nonce),
        )

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._secret, *_secrets_in(self._url))


def payload(letter: Letter) -> bytes:
    """The bytes that are posted: the notice's fields, and what the delivery adds."""
    added: dict[str, Any] = {
        "id": str(letter.id),
        "isPerhapsRepeated": letter.is_perhaps_repeated,
    }
    if letter.nonce is not None:
        added["nonce"] = letter.nonce
    whole = {**letter.body, **added}
    # A lone half of a pair is no character; as an escape it would pass, and be refused there.
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """What stands in the signature's header.

    Args:
        secret: that sender and receiver share.
        timestamp: as in its own header, seconds since 1970.
        content: the body as it was sent, byte for byte.
    """
    signed = timestamp.encode() + b"." + content
    return "v1=" + hmac.digest(secret.encode("utf-8", "surrogateescape"), signed, "sha256").hex()


@dataclass(frozen=True, slots=True)
class HookFacts:
    """What can be known of a webhook without posting to it.

    Attributes:
        host: where it is; None when the address is not one.
        fault: what is wrong with it, in words without secrets; None when nothing is.
        is_loopback: whether it is on this machine, which is for tests alone.
        is_signed: whether a secret is set.
        addresses: what its name leads to.
        certificate_ends_at: of TLS; None without, or when none was shown that is trusted.
        certificate_days: whole days from now until then.
    """

    host: str | None
    fault: str | None
    is_loopback: bool = False
    is_signed: bool = False
    addresses: tuple[str, ...] = ()
    certificate_ends_at: datetime | None = None
    certificate_days: int | None = None

    @property
    def is_reached(self) -> bool:
        """Whether what is wrong, if anything is, is not just that nobody answers from here."""
        return self.fault not in {_NO_ADDRESS, _UNREACHABLE}


def look_at(settings: Settings, clock: Clock) -> HookFacts:
    """Looks at the address of the webhook: that it parses, leads somewhere, and is who it says.

    Connects for the certificate, and sends no request.
    """
    hook = Webhook(settings, clock)
    if hook.missing is not None:
        return HookFacts(None, hook.missing)
    receiver = receiver_of(hook._url)  # noqa: SLF001  # of the same module
    known: dict[str, Any] = {
        "is_loopback": is_loopback_name(receiver.host),
        "is_signed": hook.is_signed,
    }
    try:
        addresses = addresses_of(receiver.host, receiver.port)
    except (OSError, UnicodeError):
        return HookFacts(receiver.host, _NO_ADDRESS, **known)
    known["addresses"] = tuple(map(str, addresses))
    if any(forbidden(each, is_tls=receiver.is_tls) for each in addresses):
        fault = "its name leads to an address that is not sent to"
        return HookFacts(receiver.host, fault, **known)
    if not receiver.is_tls:
        return HookFacts(receiver.host, None, **known)
    ends_at = _certificate_end(receiver, known["addresses"][0])
    if isinstance(ends_at, str):
        return HookFacts(receiver.host, ends_at, **known)
    known["certificate_ends_at"] = ends_at
    known["certificate_days"] = (ends_at - clock.now()).days
    return HookFacts(receiver.host, None, **known)


def _certificate_end(receiver: Receiver, address: str) -> datetime | str:
    """When its certificate ends, or why it shows none that is trusted."""
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((address, receiver.port), _LOOK_S) as plain,
            context.wrap_socket(plain, server_hostname=receiver.host) as line,
        ):
            shown: Mapping[str, Any] = line.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted: {error.verify_message}"
    except ssl.SSLError:
        return "it does not speak TLS as it should"
    except OSError:
        return _UNREACHABLE
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def _secrets_in(url: str) -> tuple[str, ...]:
    """What of an address may be a secret: all of it, its path and query, and longer parts."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    words = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    whole = (parts.path, parts.query, *words)
    found = [word for word in whole if len(word) > _WORD_MAX]
    return (url, *found, *map(unquote, found))


def _echo(body: bytes, nonce: str | None) -> str | None:
    if nonce is None:
        return None
    try:
        said = json.loads(body)
    except ValueError:
        return None
    told = said.get("nonce") if isinstance(said, dict) else None
    is_same = isinstance(told, str) and hmac.compare_digest(told.encode(), nonce.encode())
    return nonce if is_same else None
