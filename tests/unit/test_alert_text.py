"""Alerts in words, and in UTF-16 units as Telegram counts them."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.alerting.channels.entities import TEXT_MAX, compose, shortened, units
from engine.alerting.channels.wording import Mark, Piece, pieces_of, plain_text
from engine.alerting.notices import NoticeKind
from tests.alerting_notices import HOSTILE, letter


def slices(text: str, entities: object) -> list[str]:
    encoded = text.encode("utf-16-le")
    return [
        encoded[each["offset"] * 2 : (each["offset"] + each["length"]) * 2].decode("utf-16-le")
        for each in entities  # type: ignore[attr-defined]
    ]


def test_a_message_says_what_is_the_matter_where_and_what_to_do() -> None:
    assert plain_text(pieces_of(letter())) == (
        "🔴 CRITICAL firing: DATABASE_TIMEOUT\n"
        "Database timeouts (CRITICAL-003)\n"
        "Environment: test\n"
        "12 of 380 attempts ended with DATABASE_TIMEOUT in 5 minutes.\n"
        "attempts 380, bad 12, share 3.16 %, window 5 min, p95 410.5 ms\n"
        "Since: 2026-11-26 07:30:00 UTC\n"
        "Correlation id: 01900000-0000-7000-8000-00000000c0de\n"
        "Alert: https://saveguard.example/alerts?alert=1\n"
        "Dashboard: https://saveguard.example/?from=2026-11-26T07:25Z\n"
        "Runbook: https://saveguard.example/runbooks/alerts#critical-003"
    )


def test_numbers_are_told_in_their_order_and_as_people_write_them() -> None:
    metrics = {
        "p95_ms": 358.7, "factor": 14.4, "short_window_s": 300, "burn_rate": 48.78, "still_s": 20.3,
        "window_s": 3600, "threshold": 0.144, "share": 0.4878, "bad": 20, "attempts": 41,
    }  # fmt: skip

    assert (
        "\nattempts 41, bad 20, share 48.8 %, threshold 14.4 %, window 1 h, burn rate 48.78,"
        " factor 14.4, short window 5 min, still 20.3 s, p95 358.7 ms\n"
    ) in plain_text(pieces_of(letter(metrics=metrics)))


def test_an_instant_is_told_to_the_second() -> None:
    at = datetime(2026, 11, 26, 11, 47, 35, 82_553, tzinfo=UTC)

    assert "\nSince: 2026-11-26 11:47:35 UTC\n" in plain_text(pieces_of(letter(timestamp=at)))


def test_what_is_over_says_how_long_it_was() -> None:
    text = plain_text(pieces_of(letter(kind=NoticeKind.RESOLVED, duration_s=720.0)))

    assert text.startswith("🟢 CRITICAL resolved: ")
    assert "\nResolved: 2026-11-26 07:30:00 UTC, after 12 min\n" in text


def test_a_message_that_may_be_a_repetition_says_so() -> None:
    text = plain_text(pieces_of(letter(is_perhaps_repeated=True)))

    assert "\nThis may repeat an earlier message.\n" in text


def test_the_other_alerts_of_a_group_are_named() -> None:
    others = ({"severity": "HIGH", "ruleName": "Rollbacks", "ruleId": "HIGH-001"},)

    assert plain_text(pieces_of(letter(others=others))).endswith(
        "\nAlso: HIGH Rollbacks (HIGH-001)"
    )


def test_entities_mark_the_title_and_what_is_copied_whatever_stands_between() -> None:
    made = compose(pieces_of(letter(message=HOSTILE, nonce="K7QM-2XPD")))

    assert slices(made.text, made.entities) == [
        "🔴 CRITICAL firing: DATABASE_TIMEOUT",
        "K7QM-2XPD",
        "01900000-0000-7000-8000-00000000c0de",
    ]
    assert [each["type"] for each in made.entities] == ["bold", "code", "code"]


def test_text_of_any_kind_stays_as_it_is_but_for_what_cannot_be_sent() -> None:
    made = compose(pieces_of(letter(message=HOSTILE)))

    assert "*bold* _it_ `code` [a](http://x) <b>html</b> &amp; 🧨🧨" in made.text
    assert "👩‍👩‍👧‍👦 \ufffd\ufffd \ufffd end" in made.text


def test_a_long_message_is_cut_and_what_follows_it_stays() -> None:
    others = tuple(
        {"severity": "HIGH", "ruleName": "x" * 50, "ruleId": f"HIGH-{n}"} for n in range(100)
    )

    made = compose(pieces_of(letter(message="🧨" * 5_000, others=others)))

    assert units(made.text) in {TEXT_MAX, TEXT_MAX - 1}
    assert "🧨…\n" in made.text
    assert "Also: " not in made.text
    assert "\nDashboard: https://saveguard.example/?from=2026-11-26T07:25Z" in made.text
    assert slices(made.text, made.entities)[-1] == "01900000-0000-7000-8000-00000000c0de"


def test_no_character_is_cut_in_two() -> None:
    assert shortened("a🧨b", 3) == "a…"
    assert shortened("a🧨b", 4) == "a🧨b"
    assert shortened("🧨🧨", 1) == "…"
    assert shortened("🧨", 0) == ""


def test_pieces_that_give_most_are_cut_first_and_the_last_of_them_first_of_all() -> None:
    pieces = [Piece("keep", Mark.STRONG), Piece("first", gives=1), Piece("second", gives=1)]

    assert compose(pieces, 12).text == "keepfirstse…"
    assert compose(pieces, 7).text == "keepfi…"
    assert compose(pieces, 3).text == "ke…"
