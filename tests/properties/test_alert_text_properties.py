"""What holds of every alert's text, whatever stands in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.alerting.channels.entities import compose, shortened, units
from engine.alerting.channels.wording import Mark, Piece, pieces_of
from tests.alerting_notices import letter
from tests.alerting_receivers import CHAT, fault_of_message

TEXTS = st.text(st.characters(), max_size=80)
SENDABLE = st.text(st.characters(codec="utf-8"), max_size=80)
PIECES = st.lists(
    st.builds(Piece, SENDABLE.filter(bool), st.sampled_from(Mark), st.integers(0, 3)),
    max_size=12,
)


@given(SENDABLE, st.integers(0, 200))
def test_a_shortened_text_fits_and_is_as_long_as_it_can_be(text: str, limit: int) -> None:
    cut = shortened(text, limit)

    assert units(cut) <= limit
    if cut != text:
        assert text.startswith(cut[:-1])
        # Not a unit is given away but where a character of two would not fit.
        assert limit - units(cut) <= 1
    assert units(text) == len(text.encode("utf-16-le")) // 2


@given(PIECES, st.integers(0, 400))
def test_entities_lie_within_the_text_and_mark_what_is_left_of_their_piece(
    pieces: list[Piece], limit: int
) -> None:
    made = compose(pieces, limit)

    encoded = made.text.encode("utf-16-le")
    marked = iter([piece.text for piece in pieces if piece.mark is not Mark.PLAIN])
    assert len(encoded) // 2 <= limit
    end = 0
    for entity in made.entities:
        assert entity["offset"] >= end
        end = entity["offset"] + entity["length"]
        part = encoded[entity["offset"] * 2 : end * 2].decode("utf-16-le")
        assert entity["length"] * 2 == len(part.encode("utf-16-le"))
        # In their order: each is a whole piece, or the beginning of one.
        assert any(part == text or text.startswith(part[:-1]) for text in marked)
    assert end <= len(encoded) // 2


@given(
    message=TEXTS.map(lambda text: text * 60),
    rule_name=TEXTS,
    correlation_id=TEXTS,
    metrics=st.dictionaries(TEXTS, st.floats(allow_nan=False, allow_infinity=False) | TEXTS),
    others=st.lists(st.fixed_dictionaries({"ruleName": TEXTS, "severity": TEXTS}), max_size=40),
)
def test_the_bot_api_takes_every_alert(
    message: str,
    rule_name: str,
    correlation_id: str,
    metrics: dict[str, float | str],
    others: list[dict[str, str]],
) -> None:
    made = compose(
        pieces_of(
            letter(
                message=message,
                rule_name=rule_name,
                correlation_id=correlation_id,
                metrics=metrics,
                others=tuple(others),
            )
        )
    )
    asked = {"chat_id": CHAT, "text": made.text, "entities": list(made.entities)}

    assert fault_of_message(asked) is None
