"""What a view of alerts is narrowed by: filters that show what the address says, and rewrite it.

The address is the only place where the choice is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from dashboard import alerts_address, alerts_drawing
from dashboard.alerts_address import Asked

# Silences are chosen with the same words.
ANY_RULE: Final = "Any rule"
ANY_SEVERITY: Final = "Any severity"


@dataclass(frozen=True, slots=True)
class Choice:
    """A box with one choice.

    Attributes:
        field: of `Asked`, that it shows and changes.
        label: above it.
        options: that there are, as the address has them.
        width: of the box.
        any_of_them: the words for none chosen; None where something always is.
    """

    field: str
    label: str
    options: Collection[str]
    width: int
    any_of_them: str | None = None

    @property
    def key(self) -> str:
        """Of its widget."""
        return f"alerts_{self.label.lower()}"

    def words(self, asked: Asked) -> str:
        """What it shows of an address."""
        return getattr(asked, self.field) or self.any_of_them or ""

    def chosen(self, words: str) -> str | None:
        """What an address has to say for it to show these words."""
        return None if words == self.any_of_them else words


SEVERITY: Final = Choice("severity", "Severity", alerts_address.SEVERITIES, 150, ANY_SEVERITY)
CHANNEL: Final = Choice("channel", "Channel", alerts_address.CHANNELS, 160, "Any channel")
STATE: Final = Choice("state", "State", alerts_address.STATES, 190, "Whatever came of it")
SPAN: Final = Choice("span", "Span", alerts_address.SPANS, 100)


def rule(rule_ids: Collection[str]) -> Choice:
    """The filter by one rule, of those that there are."""
    return Choice("rule_id", "Rule", rule_ids, 260, ANY_RULE)


def draw(asked: Asked, *choices: Choice, **also: Any) -> None:  # noqa: ANN401  # fields of `Asked`
    """The filters of a view, in a row.

    Args:
        asked: what the address says.
        choices: from left to right.
        also: what else changes in the address with any choice.
    """
    state: Any = st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom", key="alerts-filters"):
        for each in choices:
            state[each.key] = each.words(asked)
            # An address may name a rule that there is not any more.
            first = [] if each.any_of_them is None else [each.any_of_them]
            st.selectbox(
                each.label,
                list(dict.fromkeys([*first, *each.options, state[each.key]])),
                key=each.key,
                on_change=_rewrite,
                args=(asked, choices, also),
                width=each.width,
            )


def _rewrite(asked: Asked, choices: tuple[Choice, ...], also: dict[str, Any]) -> None:
    chosen = {each.field: each.chosen(st.session_state[each.key]) for each in choices}
    alerts_drawing.go(asked, **chosen, **also)
