"""Telegram: the Bot API's sendMessage, in plain text with entities.

There is no `parse_mode`: what stands in an alert may come from anywhere, and must neither be taken
for markup nor make the message one that is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from engine.alerting.channels.addresses import MalformedError, receiver_of
from engine.alerting.channels.channel import (
    ChannelName,
    FailureReason,
    Letter,
    Permanent,
    Result,
    Retry,
    Sent,
    legible,
)
from engine.alerting.channels.entities import compose
from engine.alerting.channels.pacing import Allowance, Pace
from engine.alerting.channels.posting import Answer, NoAnswer, post
from engine.alerting.channels.verdicts import AFTER_MAX, refused, unanswered
from engine.alerting.channels.wording import pieces_of
from engine.clock import Clock
from engine.settings import Settings

_PUBLIC_API: Final = "https://api.telegram.org"
_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")
_CHAT: Final = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{2,63}")
# As the Bot API's own limits say: to one chat, and to one group besides.
_ONE_CHAT: Final = Allowance(1, timedelta(seconds=1))
_ONE_GROUP: Final = Allowance(20, timedelta(minutes=1))
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class LookUp:
    """What the Bot API says of a bot or a chat.

    Attributes:
        is_ok: whether it knows it.
        facts: `result` of its answer: `username` of a bot, `title` and `type` of a chat, …
        reason: why not; None when it does.
        said: its words, without secrets.
    """

    is_ok: bool
    facts: Mapping[str, Any]
    reason: FailureReason | None
    said: str


class Telegram:
    """One chat that a bot writes to."""

    name: Final = ChannelName.TELEGRAM

    def __init__(self, settings: Settings, clock: Clock, pace: Pace | None = None) -> None:
        """Asks nothing yet.

        Args:
            settings: token, chat, and where the Bot API is.
            clock: for deadlines and pacing.
            pace: Telegram's own limits unless given.
        """
        token = settings.telegram_bot_token
        self._token = "" if token is None else token.get_secret_value()
        self._chat = settings.telegram_chat_id or ""
        self._api = (settings.telegram_api_url or _PUBLIC_API).rstrip("/")
        self._clock = clock
        self._pace = pace or Pace(_allowances(self._chat))

    @property
    def missing(self) -> str | None:
        """Why it is not configured."""
        return self._missing_bot or self._missing_chat

    def wait(self) -> float:
        """Seconds until its limits allow another message."""
        return self._pace.wait(self._clock.monotonic())

    def send(self, letter: Letter) -> Result:
        """Sends one message; the receipt is its id."""
        composed = compose(pieces_of(letter))
        self._pace.sent(self._clock.monotonic())
        asked = self._ask(
            "sendMessage",
            {
                "chat_id": self._chat,
                "text": composed.text,
                "entities": list(composed.entities),
                "link_preview_options": {"is_disabled": True},
            },
        )
        if isinstance(asked, NoAnswer):
            return unanswered(asked)
        result = self._judged(asked)
        if isinstance(result, Retry) and result.after is not None:
            # It is meant for the chat, not for this message.
            self._pace.hold(self._clock.monotonic() + result.after.total_seconds())
        return result

    def get_me(self) -> LookUp:
        """Which bot the token belongs to."""
        return self._look_up("getMe", {}, self._missing_bot)

    def get_chat(self) -> LookUp:
        """Which chat is written to, and, of its member that is the bot, whether it may write."""
        found = self._look_up("getChat", {"chat_id": self._chat}, self.missing)
        if not found.is_ok:
            return found
        member = self._look_up(
            "getChatMember",
            {"chat_id": self._chat, "user_id": self._token.partition(":")[0]},
            None,
        )
        # A private chat has no members; of a group, one that may not be asked says nothing.
        if member.is_ok and not _may_post(member.facts, str(found.facts.get("type"))):
            return LookUp(
                is_ok=False,
                facts=found.facts,
                reason=FailureReason.CREDENTIALS,
                said="the bot may not write there",
            )
        return found

    @property
    def _missing_bot(self) -> str | None:
        if not self._token:
            return "TELEGRAM_BOT_TOKEN is not set"
        if not _TOKEN.fullmatch(self._token):
            return "TELEGRAM_BOT_TOKEN is not of the form that tokens of bots have"
        try:
            receiver_of(self._api)
        except MalformedError as fault:
            return f"TELEGRAM_API_URL {fault}"
        return None

    @property
    def _missing_chat(self) -> str | None:
        if not self._chat:
            return "TELEGRAM_CHAT_ID is not set"
        if not _CHAT.fullmatch(self._chat):
            return "TELEGRAM_CHAT_ID is neither a number nor @ and a name"
        return None

    def _ask(self, method: str, parameters: Mapping[str, Any]) -> Answer | NoAnswer:
        receiver = receiver_of(f"{self._api}/bot{self._token}/{method}")
        content = json.dumps(parameters).encode()
        return post(receiver, {"Content-Type": "application/json"}, content, self._clock)

    def _look_up(self, method: str, parameters: Mapping[str, Any], missing: str | None) -> LookUp:
        if missing is not None:
            return LookUp(is_ok=False, facts={}, reason=FailureReason.NOT_CONFIGURED, said=missing)
        asked = self._ask(method, parameters)
        if isinstance(asked, NoAnswer):
            return LookUp(is_ok=False, facts={}, reason=asked.reason, said=asked.detail)
        said = _said(asked)
        if _is_yes(asked, said):
            return LookUp(is_ok=True, facts=said["result"], reason=None, said="")
        judged = self._judged(asked)
        reason = judged.reason if isinstance(judged, Retry | Permanent) else FailureReason.ANSWER
        return LookUp(is_ok=False, facts={}, reason=reason, said=judged.answer)

    def _judged(self, answer: Answer) -> Result:
        said = _said(answer)
        if _is_yes(answer, said) and isinstance(said["result"].get("message_id"), int):
            message_id = str(said["result"]["message_id"])
            return Sent(message_id, answer.status, f"message {message_id}")
        description = str(said.get("description", answer.text))
        # Of a bot that does not exist it says what others say of a page.
        if answer.status == _NOT_FOUND:
            words = legible(description, self._secrets)
            return Permanent(FailureReason.CREDENTIALS, answer.status, words)
        after = _retry_after(said)
        now = self._clock.now()
        return refused(answer, now, self._secrets, said=description, after=after)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._token, self._token.partition(":")[2])


def _allowances(chat: str) -> tuple[Allowance, ...]:
    """A person's chat has a positive number; groups and channels have a negative one or a name."""
    is_person = chat.isdigit()
    return (_ONE_CHAT,) if is_person else (_ONE_CHAT, _ONE_GROUP)


def _said(answer: Answer) -> dict[str, Any]:
    try:
        said = json.loads(answer.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _is_yes(answer: Answer, said: Mapping[str, Any]) -> bool:
    is_fine = answer.status in range(200, 300) and said.get("ok") is True
    return is_fine and isinstance(said.get("result"), dict)


def _retry_after(said: Mapping[str, Any]) -> timedelta | None:
    parameters = said.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
        return None
    return timedelta(seconds=min(seconds, int(AFTER_MAX.total_seconds())))


def _may_post(member: Mapping[str, Any], chat_type: str) -> bool:
    status = member.get("status")
    if status in {"left", "kicked"}:
        return False
    if status == "restricted":
        return member.get("can_send_messages") is True
    if chat_type == "channel":
        return status == "creator" or member.get("can_post_messages") is True
    return True
