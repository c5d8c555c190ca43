"""What is at stake, on the page of readiness: each risk as it stands, with the boxes behind it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import navigation, readiness_address, readiness_view
from dashboard.quote_words import cut
from dashboard.wording import Colour
from engine.readiness.looking import Readiness
from engine.readiness.risks import RiskStanding, Tier, assess_risks, own_risks

# None is green: that a risk is low proves nothing.
_COLOURS: Final[dict[Tier, Colour]] = {
    Tier.LOW: "gray",
    Tier.MEDIUM: "orange",
    Tier.HIGH: "red",
}


def risks(found: Readiness) -> None:
    """The risk register of a release; nothing where its checklist has none."""
    standings = assess_risks(own_risks(), found.standings)
    if not standings:
        return
    raised = sum(each.is_raised for each in standings)
    summary = (
        f"{raised} of {len(standings)} raised" if raised else f"none of {len(standings)} raised"
    )
    with st.expander(f"Risks · {summary}", icon=":material/warning:", key="risks"):
        st.caption(
            "A risk counts a tier higher while a box that mitigates it is open or waived. Of the"
            " highest tier there is no higher one: it is challenged."
        )
        for standing in standings:
            _risk(found, standing)


def _risk(found: Readiness, standing: RiskStanding) -> None:
    with st.container(border=True, gap="xxsmall", key=f"risk-{standing.risk.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(_tier(standing), color=_COLOURS[standing.tier])
            st.text(cut(standing.risk.text))
        st.caption(_why(standing))
        with st.container(horizontal=True, gap="xxsmall"):
            for box_id in standing.risk.boxes:
                if box_id in found.standings:
                    link = readiness_view.box_link(found, box_id)
                    st.page_link(
                        navigation.PATHS["readiness"],
                        label=link.label,
                        icon=link.icon,
                        query_params=readiness_address.parameters(
                            found.release.id, link.phase_id, box_id
                        ),
                    )


def _tier(standing: RiskStanding) -> str:
    was = standing.risk.tier
    if standing.tier is not was:
        return f"{standing.tier.value}, assessed as {was.value}"
    return f"{was.value}, challenged" if standing.is_raised else was.value


def _why(standing: RiskStanding) -> str:
    boxes = len(standing.risk.boxes)
    if not standing.is_raised:
        return f"All {boxes} boxes that mitigate it are settled"
    told = [
        f"{len(some)} {word}"
        for some, word in ((standing.open_boxes, "open"), (standing.waived, "waived"))
        if some
    ]
    return f"Of the {boxes} boxes that mitigate it {' and '.join(told)}"
