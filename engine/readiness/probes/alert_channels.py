"""The channels of alerts: set, sound, and known to those who take what is sent there."""

from __future__ import annotations

from typing import Any, Final

from engine.alerting.channels.channel import FailureReason
from engine.alerting.channels.telegram import LookUp, Telegram
from engine.alerting.channels.webhook import look_at
from engine.readiness.probes.probe import Found, Question, decided, failing, passing, unknown

# Nobody has said yes or no: it may be well, and we cannot tell from here.
_NO_WORD: Final = frozenset(
    {
        FailureReason.UNREACHABLE,
        FailureReason.TIMEOUT,
        FailureReason.BROKEN_LINE,
        FailureReason.RATE_LIMITED,
        FailureReason.SERVER_ERROR,
    }
)
_CERTIFICATE_DAYS_MIN: Final = 14
# Where something on the same machine may take alerts: nobody depends on them there.
_OF_TESTS: Final = frozenset({"development", "test"})


def bot(question: Question) -> Found:
    """`tg.getme`: the token is set, and the Bot API knows whose it is."""
    runtime = question.runtime
    found = Telegram(runtime.settings, runtime.clock).get_me()
    name = str(found.facts.get("username", ""))
    told = f"The Bot API knows the token as that of @{name}"
    return _judged(found, told, "getMe", username=name)


def chat(question: Question) -> Found:
    """`tg.getchat`: the chat is set, and the bot may write there."""
    runtime = question.runtime
    found = Telegram(runtime.settings, runtime.clock).get_chat()
    kind = str(found.facts.get("type", ""))
    title = str(found.facts.get("title", ""))
    told = f"The Bot API knows the chat, a {kind}, and does not say that the bot may not write"
    return _judged(found, told, "getChat, getChatMember", type=kind, title=title)


def hook(question: Question) -> Found:
    """`hook.lint`: the webhook is set, leads to an allowed address, and is who it says for long."""
    runtime = question.runtime
    facts = look_at(runtime.settings, runtime.clock)
    ends_at = facts.certificate_ends_at
    numbers: dict[str, Any] = {
        "host": facts.host,
        "addresses": list(facts.addresses),
        "isLoopback": facts.is_loopback,
        "isSigned": facts.is_signed,
        "certificateEndsAt": None if ends_at is None else f"{ends_at:%Y-%m-%d %H:%M} UTC",
        "certificateDays": facts.certificate_days,
    }
    witness = "ALERT_WEBHOOK_URL: its name looked up, its certificate shown; nothing was posted"
    if facts.fault is not None:
        where = "" if facts.host is None else f"Of {facts.host}: "
        verdict = failing if facts.is_reached else unknown
        return verdict(f"{where}{facts.fault}", witness, **numbers)
    environment = question.release.environment
    if facts.is_loopback:
        return decided(
            environment in _OF_TESTS,
            f"It is on this machine, which will do for {environment}",
            f"It is on this machine, which will not do for {environment}",
            witness,
            **numbers,
        )
    signed = "signed" if facts.is_signed else "not signed: ALERT_WEBHOOK_SECRET is not set"
    return decided(
        (facts.certificate_days or 0) >= _CERTIFICATE_DAYS_MIN,
        f"{facts.host} leads to an allowed address, its certificate is good for"
        f" {facts.certificate_days} days; what is posted is {signed}",
        f"The certificate of {facts.host} ends in {facts.certificate_days} days, fewer than"
        f" {_CERTIFICATE_DAYS_MIN}",
        witness,
        **numbers,
    )


def _judged(found: LookUp, told: str, method: str, **numbers: object) -> Found:
    witness = f"{method} of the Bot API"
    if found.is_ok:
        return passing(told, witness, **numbers)
    if found.reason is FailureReason.NOT_CONFIGURED:
        return failing(found.said, witness)
    said = f" ({found.said})" if found.said else ""
    numbers = {"failure": None if found.reason is None else found.reason.value}
    if found.reason in _NO_WORD:
        return unknown(f"The Bot API has not answered: {found.reason}{said}", witness, **numbers)
    return failing(f"The Bot API refuses: {found.reason}{said}", witness, **numbers)
