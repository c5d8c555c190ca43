"""A whole release on the page of readiness: its files, risks, contacts, others, the next one."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import (
    acting,
    engine_in_process,
    quote_drawing,
    readiness_contacts,
    readiness_export,
    readiness_reads,
    readiness_release_forms,
    readiness_risks,
    readiness_view,
    told,
)
from dashboard.readiness_reads import Listed
from dashboard.viewer import Viewer
from engine.access.roles import Permission
from engine.readiness.looking import Readiness


def whole(looking: Viewer, found: Readiness, listed: tuple[Listed, ...]) -> None:
    """What is of the release and not of one of its phases.

    Args:
        looking: who looks.
        found: the release.
        listed: all releases that there are, newest first.
    """
    st.header("The release", anchor=False)
    _exports(looking, found)
    readiness_risks.risks(found)
    readiness_contacts.contacts(looking, found)
    if len(listed) > 1:
        with st.expander("Releases side by side", icon=":material/table_rows:", key="side-by-side"):
            _side_by_side(looking, listed)
    if looking.may(Permission.SIGN_OFF):
        with st.expander("Deployment", icon=":material/rocket_launch:", key="deploying"):
            readiness_release_forms.deployment(found)
        readiness_release_forms.new_release(is_first=False)


def _exports(looking: Viewer, found: Readiness) -> None:
    with st.container(horizontal=True, key="exports"):
        for name, form in readiness_export.FORMS.items():
            if looking.may(form.permission):
                st.download_button(
                    form.label,
                    partial(
                        readiness_export.written,
                        acting.actor(looking, engine_in_process.runtime().clock),
                        found.release.id,
                        name,
                    ),
                    file_name=f"readiness-{found.release.id}.{form.ending}",
                    mime=form.mime,
                    help=form.help,
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"export-{name}",
                )


def _side_by_side(looking: Viewer, listed: tuple[Listed, ...]) -> None:
    newest = [each.id for each in listed[: readiness_reads.SIDE_BY_SIDE]]
    known = readiness_reads.side_by_side(looking, newest, told.last())
    quote_drawing.stale(known, "The releases could not be read")
    if known.value:
        quote_drawing.table(
            readiness_view.side_by_side(known.value), "releases", "Releases side by side", {}
        )
    if len(listed) > len(newest):
        st.caption(f"The newest {len(newest)} of {len(listed)}")
