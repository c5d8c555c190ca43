"""The channels, against receivers on loopback that check bytes and fail in every way."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from engine.alerting.channels import posting
from engine.alerting.channels.channel import (
    FailureReason,
    Permanent,
    Result,
    Retry,
    Sent,
    legible,
)
from engine.alerting.channels.door import Door
from engine.alerting.channels.opening import open_channels
from engine.alerting.channels.telegram import Telegram
from engine.alerting.channels.verdicts import retry_after
from engine.alerting.channels.webhook import Webhook, look_at
from engine.alerting.rules import AlertCode
from engine.clock import FrozenClock, SystemClock
from engine.settings import Settings
from tests.alerting_notices import HOSTILE, letter
from tests.alerting_receivers import (
    ACCEPT_AND_HANG,
    ACCEPT_AND_RESET,
    CHAT,
    HANG,
    RESET,
    SECRET,
    TOKEN,
    BotApi,
    Reaction,
    bot_api,
    bot_limited,
    limited,
    webhook,
)
from tests.certificates import Authority

CLOCK = SystemClock()
LETTER_ID = UUID("01900000-0000-7000-8000-00000000000b")
_DOCS = Path(__file__).resolve().parents[2] / "docs"
PATH_SECRET = "T0CANARY0/B0CANARY0/canary-in-the-path"  # noqa: S105  # what must not be seen again


def hook(url: str, secret: str | None = SECRET, clock: Any = CLOCK) -> Webhook:
    given = {"alert_webhook_url": SecretStr(url)}
    if secret is not None:
        given["alert_webhook_secret"] = SecretStr(secret)
    return Webhook(Settings(**given), clock)


def telegram(api: BotApi, **changes: Any) -> Telegram:
    given = {
        "telegram_bot_token": SecretStr(TOKEN),
        "telegram_chat_id": CHAT,
        "telegram_api_url": api.url,
    } | changes
    return Telegram(Settings(**given), CLOCK)


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as opened:
        yield opened


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for longer than it takes to send."""
    monkeypatch.setattr(posting.post, "__kwdefaults__", {"method": "POST", "patience_s": 0.5})


def outcome(result: Result) -> tuple[type, FailureReason | None, int | None, bool]:
    return (
        type(result),
        getattr(result, "reason", None),
        result.status,
        getattr(result, "may_have_arrived", False),
    )


# The webhook.


def test_a_webhook_gets_every_field_signed_with_the_key_of_the_row() -> None:
    with webhook() as receiver:
        sent = hook(f"{receiver.url}/alerts").send(letter(LETTER_ID, message=HOSTILE))

    (request,) = receiver.received
    assert receiver.faults == []
    assert isinstance(sent, Sent)
    assert (request.method, request.path) == ("POST", "/alerts")
    assert request.headers["idempotency-key"] == request.json["id"] == str(LETTER_ID)
    assert request.json["isPerhapsRepeated"] is False
    assert request.json["message"] == HOSTILE.replace("\ud83d", "?")
    assert request.json["timestamp"] == "2026-11-26T07:30:00Z"
    assert "nonce" not in request.json


def test_the_timestamp_is_when_it_is_sent_in_seconds() -> None:
    instant = FrozenClock(datetime(2026, 11, 26, 7, 30, tzinfo=UTC))
    with webhook() as receiver:
        hook(receiver.url, clock=instant).send(letter(LETTER_ID))

    assert receiver.faults == []
    assert receiver.received[0].headers["saveguard-timestamp"] == "1795678200"


def test_the_receiver_that_the_documentation_shows_works(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (_DOCS / "how-to/receive-alerts.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    shown: dict[str, Any] = {"__name__": "shown"}
    exec(code, shown)  # noqa: S102  # our own page
    shown["SECRET"] = SECRET.encode()
    shown["Alerts"].log_message = lambda *_words: None
    with HTTPServer(("127.0.0.1", 0), shown["Alerts"]) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        first = hook(url).send(letter(LETTER_ID, nonce="K7QM2XPD"))
        again = hook(url).send(letter(LETTER_ID, is_perhaps_repeated=True))
        forged = hook(url, "another-secret-0123456789").send(letter())
        replayed = hook(url, clock=FrozenClock(datetime(2020, 1, 1, tzinfo=UTC))).send(letter())
        server.shutdown()
        thread.join()

    assert isinstance(first, Sent)
    assert (first.echo, isinstance(again, Sent)) == ("K7QM2XPD", True)
    for refused in (forged, replayed):
        assert outcome(refused) == (Permanent, FailureReason.CREDENTIALS, 401, False)
    # Taken once.
    assert capsys.readouterr().out.count("CRITICAL DATABASE_TIMEOUT") == 1


def test_every_field_and_header_is_documented() -> None:
    page = (_DOCS / "reference/alert-payload.md").read_text()
    example = json.loads(page.partition("```json\n")[2].partition("```")[0])
    with webhook() as receiver:
        hook(receiver.url).send(letter(nonce="K7QM2XPD"))
    (request,) = receiver.received

    assert list(example) == [name for name in request.json if name != "nonce"]
    for name in request.json:
        assert f"`{name}`" in page
    for name in ("Idempotency-Key", "Saveguard-Timestamp", "Saveguard-Signature", "User-Agent"):
        assert name.lower() in request.headers
        assert f"| `{name}` |" in page
    for code in AlertCode:
        assert f"`{code.value}`" in page


def test_every_reason_is_documented_with_what_to_do() -> None:
    page = (_DOCS / "how-to/receive-alerts.md").read_text()
    named = {
        word.strip()
        for row in page.partition("| Reason |")[2].splitlines()
        if row.startswith("| ")
        for word in row.split(" | ")[0].removeprefix("| ").split(",")
    }

    # It says so of a notice that was tried, whose last reason is shown instead.
    assert {each.value for each in FailureReason} - named == {FailureReason.TOO_OFTEN.value}


def test_a_receiver_that_expects_another_secret_finds_the_signature_wrong() -> None:
    with webhook(secret="some-other-secret-0123456789") as receiver:  # noqa: S106  # of nobody
        hook(receiver.url).send(letter())

    assert receiver.faults == ["the signature is not of these bytes"]


def test_without_a_secret_nothing_is_signed_and_it_is_sent_all_the_same() -> None:
    with webhook(secret=None) as receiver:
        sent = hook(receiver.url, None).send(letter())

    assert isinstance(sent, Sent)
    assert "saveguard-signature" not in receiver.received[0].headers


def test_a_test_is_answered_with_its_nonce_or_not() -> None:
    def echoing(request: Any) -> Reaction:
        return Reaction(body=json.dumps({"nonce": request.json["nonce"]}).encode())

    with webhook(echoing) as receiver:
        echoed = hook(receiver.url).send(letter(nonce="K7QM2XPD"))
        receiver.script = lambda _request: Reaction(body=b'{"nonce": "OTHER"}')
        other = hook(receiver.url).send(letter(nonce="K7QM2XPD"))

    assert isinstance(echoed, Sent)
    assert isinstance(other, Sent)
    assert (echoed.echo, other.echo) == ("K7QM2XPD", None)


REACTIONS: list[tuple[str, Reaction, tuple[type, FailureReason | None, int | None, bool]]] = [
    ("created", Reaction(201), (Sent, None, 201, False)),
    ("no content", Reaction(204, b""), (Sent, None, 204, False)),
    ("moved", Reaction(302, b"", {"Location": "http://127.0.0.1:9/"}),
     (Permanent, FailureReason.REDIRECTED, 302, False)),
    ("bad request", Reaction(400), (Permanent, FailureReason.REFUSED, 400, False)),
    ("unauthorized", Reaction(401), (Permanent, FailureReason.CREDENTIALS, 401, False)),
    ("not found", Reaction(404), (Permanent, FailureReason.REFUSED, 404, False)),
    ("request timeout", Reaction(408), (Retry, FailureReason.TIMEOUT, 408, False)),
    ("gone", Reaction(410), (Permanent, FailureReason.REFUSED, 410, False)),
    ("limited", limited(7), (Retry, FailureReason.RATE_LIMITED, 429, False)),
    ("failed", Reaction(500), (Retry, FailureReason.SERVER_ERROR, 500, False)),
    ("bad gateway", Reaction(502), (Retry, FailureReason.SERVER_ERROR, 502, True)),
    ("unavailable", Reaction(503), (Retry, FailureReason.SERVER_ERROR, 503, False)),
    ("reset", RESET, (Retry, FailureReason.BROKEN_LINE, None, True)),
    ("taken and reset", ACCEPT_AND_RESET, (Retry, FailureReason.BROKEN_LINE, None, True)),
    ("silent", HANG, (Retry, FailureReason.TIMEOUT, None, True)),
    ("taken and silent", ACCEPT_AND_HANG, (Retry, FailureReason.TIMEOUT, None, True)),
    ("half an answer", Reaction(200, b"{}", {"Content-Length": "99"}), (Sent, None, 200, False)),
]  # fmt: skip


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("reaction", "expected"),
    [(reaction, expected) for _, reaction, expected in REACTIONS],
    ids=[name for name, *_ in REACTIONS],
)
def test_what_a_webhook_does_is_told_by_reason_status_and_doubt(
    reaction: Reaction, expected: object
) -> None:
    with webhook(reaction) as receiver:
        result = hook(receiver.url).send(letter())

    assert outcome(result) == expected
    assert len(receiver.received) == 1


def test_a_receiver_that_is_limited_says_for_how_long() -> None:
    with webhook(limited(7)) as receiver:
        result = hook(receiver.url).send(letter())

    assert isinstance(result, Retry)
    assert result.after == timedelta(seconds=7)


def test_nobody_who_listens_is_unreachable_and_has_certainly_nothing() -> None:
    with webhook() as receiver:
        url = receiver.url

    assert outcome(hook(url).send(letter())) == (Retry, FailureReason.UNREACHABLE, None, False)


@pytest.mark.usefixtures("hurried")
def test_an_answer_that_never_ends_is_read_to_a_limit_and_for_a_time() -> None:
    """Each byte comes in time for the next; only the whole would take for ever."""

    def dripping(_request: Any) -> Reaction:
        return Reaction(200, b"x" * 300_000, {"Content-Length": "99999999"})

    with webhook(dripping) as receiver:
        result = hook(receiver.url).send(letter())

    assert isinstance(result, Sent)
    assert len(result.answer) == 300


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with webhook() as receiver:
        assert isinstance(hook(receiver.url).send(letter()), Sent)


# Addresses.


@pytest.mark.parametrize(
    "url",
    ["http://receiver.example/x", "http://10.0.0.1/x", "ftp://127.0.0.1/x", "https://", "nonsense",
     "https://user:canary@receiver.example/x", "http://127.0.0.1.example/x",
     "https://a.example/b c", "https://receiver.example:99999/x", "https://r\u00e9ceiver.example/x"],
)  # fmt: skip
def test_an_address_that_would_not_do_makes_the_channel_one_that_is_not_configured(
    url: str,
) -> None:
    missing = hook(url).missing

    assert missing is not None
    assert missing.startswith("ALERT_WEBHOOK_URL ")
    assert "canary" not in missing


@pytest.mark.parametrize(
    "url",
    ["https://receiver.example/x?y=1", "https://10.0.0.1:8443/", "http://127.0.0.1:8000/",
     "http://localhost/", "http://[::1]:8000/", "https://[2001:db8::1]/"],
)  # fmt: skip
def test_https_will_do_and_plain_text_on_loopback(url: str) -> None:
    assert hook(url).missing is None


@pytest.mark.parametrize(
    "leads_to",
    ["169.254.169.254", "169.254.0.1", "fe80::1", "fd00:ec2::254", "100.100.100.200",
     "168.63.129.16", "0.0.0.0", "::", "224.0.0.1", "::ffff:169.254.169.254",  # noqa: S104
     "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "192.0.0.192", "fd20:ce::254"],
)  # fmt: skip
def test_nothing_is_sent_where_the_machine_itself_answers(
    monkeypatch: pytest.MonkeyPatch, leads_to: str
) -> None:
    """Whatever the name is: what it leads to is looked at when the connection is made."""
    found = [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", (leads_to, 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_of, **_more: found)

    result = hook("https://receiver.example/x").send(letter())

    assert outcome(result) == (Permanent, FailureReason.ADDRESS, None, False)


def test_a_name_that_means_this_machine_leads_nowhere_else_in_plain_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_of, **_more: found)

    result = hook("http://localhost/x").send(letter())

    assert outcome(result) == (Permanent, FailureReason.ADDRESS, None, False)


# TLS.


def test_a_certificate_of_somebody_else_is_no_receiver(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook(tls=authority.server("localhost")) as receiver:
        url = f"https://localhost:{receiver.port}/x"
        untrusted = hook(url).send(letter())
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        trusted = hook(url).send(letter())
        facts = look_at(Settings(alert_webhook_url=SecretStr(url)), CLOCK)
    with webhook(tls=authority.server("elsewhere.example")) as receiver:
        misnamed = hook(f"https://localhost:{receiver.port}/x").send(letter())

    assert outcome(untrusted) == (Retry, FailureReason.CERTIFICATE, None, False)
    assert isinstance(trusted, Sent)
    assert outcome(misnamed) == (Retry, FailureReason.CERTIFICATE, None, False)
    assert (facts.host, facts.fault, facts.is_loopback) == ("localhost", None, True)
    assert facts.certificate_days == authority.days


def test_facts_of_a_webhook_say_what_is_wrong_with_it(authority: Authority) -> None:
    def faults(url: str) -> str | None:
        return look_at(Settings(alert_webhook_url=SecretStr(url)), CLOCK).fault

    with webhook(tls=authority.server("localhost")) as receiver:
        untrusted = faults(f"https://localhost:{receiver.port}/x")
        port = receiver.port

    assert look_at(Settings(), CLOCK).fault == "ALERT_WEBHOOK_URL is not set"
    assert untrusted is not None
    assert untrusted.startswith("its certificate is not trusted: ")
    assert faults(f"https://localhost:{port}/x") == "it cannot be reached"
    assert faults("https://169.254.169.254/x") == (
        "its name leads to an address that is not sent to"
    )


# Telegram.


def test_telegram_gets_plain_text_with_entities_and_its_message_id_is_kept(api: BotApi) -> None:
    sent = telegram(api).send(letter(message=HOSTILE))

    assert api.receiver.faults == []
    assert isinstance(sent, Sent)
    assert (sent.receipt, sent.status) == ("1", 200)
    (message,) = api.messages
    assert set(message) == {"chat_id", "text", "entities", "link_preview_options"}
    assert "*bold* _it_ `code`" in message["text"]


def test_a_message_of_telegrams_greatest_length_is_taken(api: BotApi) -> None:
    assert isinstance(telegram(api).send(letter(message="🧨" * 5_000)), Sent)
    assert api.receiver.faults == []


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("reaction", "expected"),
    [
        (bot_limited(3), (Retry, FailureReason.RATE_LIMITED, 429, False)),
        (Reaction(500, b"", is_accepted=False), (Retry, FailureReason.SERVER_ERROR, 500, False)),
        (Reaction(403, b"{}", is_accepted=False),
         (Permanent, FailureReason.CREDENTIALS, 403, False)),
        (Reaction(200, b"<html>", is_accepted=False), (Retry, FailureReason.ANSWER, 200, True)),
        (RESET, (Retry, FailureReason.BROKEN_LINE, None, True)),
        (ACCEPT_AND_HANG, (Retry, FailureReason.TIMEOUT, None, True)),
    ],
    ids=["limited", "failed", "blocked", "no JSON", "reset", "taken and silent"],
)  # fmt: skip
def test_what_telegram_does_is_told_by_reason_status_and_doubt(
    api: BotApi, reaction: Reaction, expected: object
) -> None:
    api.script = lambda _request: reaction

    assert outcome(telegram(api).send(letter())) == expected


def test_a_chat_that_there_is_not_is_refused_for_good(api: BotApi) -> None:
    result = telegram(api, telegram_chat_id="99").send(letter())

    assert isinstance(result, Permanent)
    assert (result.reason, result.answer) == (
        FailureReason.REFUSED, "Bad Request: chat not found",
    )  # fmt: skip


def test_a_token_of_no_bot_is_a_fault_of_the_credentials(api: BotApi) -> None:
    other = telegram(api, telegram_bot_token=SecretStr("1:AAother"))

    assert outcome(other.send(letter())) == (Permanent, FailureReason.CREDENTIALS, 404, False)
    assert (other.get_me().is_ok, other.get_me().reason) == (False, FailureReason.CREDENTIALS)


def test_telegram_is_left_alone_for_as_long_as_it_asks(api: BotApi) -> None:
    api.script = lambda _request: bot_limited(3)
    channel = telegram(api)

    result = channel.send(letter())

    assert isinstance(result, Retry)
    assert result.after == timedelta(seconds=3)
    assert 1 < channel.wait() <= 3


def test_the_bot_and_the_chat_can_be_looked_up(api: BotApi) -> None:
    channel = telegram(api)

    assert channel.get_me().facts["username"] == "saveguard_bot"
    assert channel.get_chat().facts["title"] == "On call"
    assert telegram(api, telegram_chat_id=None).get_me().is_ok
    assert telegram(api, telegram_chat_id=None).get_chat().said == "TELEGRAM_CHAT_ID is not set"


@pytest.mark.parametrize(
    ("member", "chat_type", "is_ok"),
    [
        ({"status": "left"}, "supergroup", False),
        ({"status": "restricted", "can_send_messages": False}, "supergroup", False),
        ({"status": "restricted", "can_send_messages": True}, "supergroup", True),
        ({"status": "administrator"}, "channel", False),
        ({"status": "administrator", "can_post_messages": True}, "channel", True),
        ({"status": "member"}, "group", True),
    ],
    ids=["left", "muted", "not muted", "reads a channel", "writes to a channel", "member"],
)
def test_a_chat_that_the_bot_may_not_write_to_is_none(
    member: dict[str, Any],
    chat_type: str,
    is_ok: object,
    monkeypatch: pytest.MonkeyPatch,
    api: BotApi,
) -> None:
    look_ups = {
        "getChat": {"id": int(CHAT), "type": chat_type, "title": "On call"},
        "getChatMember": member,
    }
    monkeypatch.setattr("tests.alerting_receivers._LOOK_UPS", look_ups)

    assert telegram(api).get_chat().is_ok is is_ok


# What is not configured.


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "TELEGRAM_BOT_TOKEN is not set"),
        ({"telegram_bot_token": SecretStr(TOKEN)}, "TELEGRAM_CHAT_ID is not set"),
        ({"telegram_bot_token": SecretStr("canary word")},
         "TELEGRAM_BOT_TOKEN is not of the form that tokens of bots have"),
        ({"telegram_bot_token": SecretStr(TOKEN), "telegram_chat_id": "on call"},
         "TELEGRAM_CHAT_ID is neither a number nor @ and a name"),
        ({"telegram_bot_token": SecretStr(TOKEN), "telegram_chat_id": CHAT,
          "telegram_api_url": "http://bots.example"},
         "TELEGRAM_API_URL must start with https:// unless it is on loopback"),
        ({"telegram_bot_token": SecretStr(TOKEN), "telegram_chat_id": CHAT}, None),
    ],
    ids=["nothing", "no chat", "no token", "no such chat", "plain text", "all"],
)  # fmt: skip
def test_telegram_says_what_it_lacks(given: dict[str, Any], missing: str | None) -> None:
    assert Telegram(Settings(**given), CLOCK).missing == missing


def test_nothing_is_configured_unless_it_is_set() -> None:
    channels = open_channels(Settings(), CLOCK)

    assert [name.value for name in channels] == ["telegram", "webhook", "apprise"]
    assert all(each.missing is not None for each in channels.values())


# Apprise.


def test_apprise_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys, engine.worker\n"
        "from engine.alerting.channels.opening import open_channels\n"
        "from engine.clock import SystemClock\n"
        "from engine.settings import Settings\n"
        "door = open_channels(Settings(), SystemClock())['apprise']\n"
        "print(door.missing, 'apprise' in sys.modules)"
    )
    said = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout

    assert said == "ALERT_APPRISE_URLS is not set False\n"


def test_a_service_of_apprise_gets_the_text() -> None:
    with webhook(secret=None) as receiver:
        url = f"json://127.0.0.1:{receiver.port}/x"
        door = Door(Settings(alert_apprise_urls=SecretStr(url)), CLOCK)
        assert door.missing is None
        sent = door.send(letter())
        receiver.script = lambda _request: Reaction(500)
        refused = door.send(letter())

    told = receiver.received[0].json
    assert isinstance(sent, Sent)
    assert told["title"] == "🔴 CRITICAL firing: DATABASE_TIMEOUT"
    assert told["message"].startswith("Database timeouts (CRITICAL-003)\nEnvironment: test\n")
    assert outcome(refused) == (Retry, FailureReason.NOT_TAKEN, None, True)


def test_a_service_of_apprise_that_leads_elsewhere_is_not_followed() -> None:
    with webhook(secret=None) as elsewhere:
        moved = Reaction(307, b"", {"Location": f"{elsewhere.url}/x"})
        with webhook(moved, secret=None) as receiver:
            url = SecretStr(f"json://127.0.0.1:{receiver.port}/x")
            result = Door(Settings(alert_apprise_urls=url), CLOCK).send(letter())

    assert isinstance(result, Retry)
    assert elsewhere.received == []


def test_an_address_that_apprise_does_not_know_is_said_by_its_number() -> None:
    urls = SecretStr("json://127.0.0.1/x canary://what")

    assert Door(Settings(alert_apprise_urls=urls), CLOCK).missing == (
        "address 2 of ALERT_APPRISE_URLS is none that Apprise knows"
    )


# Secrets.


def test_a_secret_is_not_kept_also_when_the_receiver_says_it(
    api: BotApi, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything that comes back from a channel, and everything that is logged on the way."""
    caplog.set_level(logging.DEBUG)

    def telling(request: Any) -> Reaction:
        known = TOKEN if TOKEN in request.path else SECRET
        said = f"{request.path} {known} {request.headers}"
        return Reaction(500, said.encode(), is_accepted=False)

    api.script = telling
    seen = [repr(telegram(api).send(letter())), repr(telegram(api).get_me())]
    with webhook(telling) as receiver:
        channel = hook(f"{receiver.url}/{PATH_SECRET}?key=canary-in-the-query")
        seen += [repr(channel.send(letter())), repr(channel)]
        receiver.script = lambda _request: RESET
        seen.append(repr(channel.send(letter())))
        apprise = SecretStr(f"json://user:canary-word@127.0.0.1:{receiver.port}/canary-in-apprise")
        receiver.script = lambda request: Reaction(500, repr(request.headers).encode())
        seen.append(repr(Door(Settings(alert_apprise_urls=apprise), CLOCK).send(letter())))
    seen += [caplog.text, *capsys.readouterr()]

    words = (SECRET, TOKEN.partition(":")[2], PATH_SECRET, "canary-in", "canary-word")
    assert [(word, said) for said in seen for word in words if word in said] == []


def test_an_answer_is_kept_as_one_short_line() -> None:
    said = legible("a\x00\n\u202eb\ud83d " + "x" * 400, [])

    assert said.startswith("a b? xxx")
    assert (len(said), said[-1]) == (300, "…")


# Retry-After.


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (" 7 ", 7), ("999999", 3600), ("Thu, 26 Nov 2026 07:30:09 GMT", 9),
     ("Thu, 26 Nov 2026 07:00:00 GMT", 0), ("soon", None), ("-1", None), ("", None), ("²", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(
    header: str, seconds: int | None
) -> None:
    now = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)

    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(header, now) == expected
