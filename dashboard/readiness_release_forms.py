"""The forms of a whole release: the next one, and when one was deployed.

Like those of a phase (`readiness_forms`): a callback does it before the page is drawn.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import streamlit as st

from dashboard import engine_in_process, readiness_actions, readiness_words, told
from engine.readiness.looking import Readiness
from engine.readiness.releases import CHECKLIST_MAX, Plan

# Where it is said what became of them: beside the button that was pressed.
NEW_RELEASE: Final = "new release"
DEPLOYMENT: Final = "deployment"
_OURS, _OWN = "Ours", "The file below"
_NAME_MAX: Final = 100
# A page takes files of a megabyte, see config.toml; what is larger than a checklist may be is
# refused with words of ours.
_FILE_MAX_MB: Final = 1
_KIB: Final = 1024
# A file that was put down is taken away by another key: Streamlit has no other way.
_FILE: Final = "release_checklist"
_FILES: Final = "release_checklists_taken"
_MINUTE: Final = timedelta(minutes=1)


def new_release(*, is_first: bool) -> None:
    """A new release, with a run of the checklist of its own."""
    with st.expander("New release", expanded=is_first, icon=":material/add:", key="new-release"):
        with st.form("make_release", border=False, enter_to_submit=False):
            _release_fields()
            st.form_submit_button("Make the release", on_click=_make_release, type="primary")
        told.draw(NEW_RELEASE)


def _release_fields() -> None:
    settings = engine_in_process.runtime().settings
    with st.container(horizontal=True):
        st.text_input("Name", key="release_name", max_chars=_NAME_MAX, width=200)
        st.text_input("Commit", key="release_commit", max_chars=_NAME_MAX, width=200)
        st.text_input(
            "Environment",
            value=settings.environment,
            key="release_environment",
            max_chars=_NAME_MAX,
            width=160,
        )
        st.text_input(
            "Author's e-mail address",
            key="release_author",
            placeholder="you, unless you say who",
            max_chars=_NAME_MAX,
            width=240,
        )
    with st.container(horizontal=True):
        _planned("Planned from, UTC", "release_from")
        _planned("Planned until, UTC", "release_until")
    # Said, and not guessed from whether there is a file: one that did not arrive would else make a
    # release of another checklist than was meant.
    st.radio("Checklist", [_OURS, _OWN], key="release_list", horizontal=True)
    with st.container(key="own-checklist"):
        st.file_uploader(
            f"A checklist of your own, Markdown (.md), {CHECKLIST_MAX // _KIB} KiB at most",
            type=["md"],
            max_upload_size=_FILE_MAX_MB,
            key=_file_key(),
            width=560,
        )
    st.caption(
        "Name the author if that is somebody else: whoever made a release does not sign it."
        " Boxes are looked at where the environment is the release's. In a checklist of your"
        " own, phases are headings of the third level, boxes lines that begin with - [ ], and"
        " each takes a person's word."
    )


def _planned(label: str, key: str) -> None:
    st.datetime_input(label, value=None, step=15 * _MINUTE, key=key, width=240)


def _file_key() -> str:
    return f"{_FILE}_{st.session_state.get(_FILES, 0)}"


def _checklist() -> bytes | None:
    """The file of one's own, empty if none has come; None for ours."""
    if st.session_state["release_list"] == _OURS:
        return None
    file: Any = st.session_state[_file_key()]
    found: bytes = b"" if file is None else file.getvalue()
    return found


def _make_release() -> None:
    state: Any = st.session_state
    name = state["release_name"].strip()
    made = readiness_actions.make_release(
        Plan(
            name,
            state["release_commit"].strip(),
            state["release_environment"].strip(),
            planned_from=_in_utc(state["release_from"]),
            planned_until=_in_utc(state["release_until"]),
            author=state["release_author"].strip(),
            checklist=_checklist(),
        )
    )
    told.leave(made, f"There is a release {name}.", place=NEW_RELEASE)
    if made.value is not None:
        for key in ("release_name", "release_commit", "release_author"):
            state[key] = ""
        state["release_from"] = state["release_until"] = None
        state["release_list"] = _OURS
        state[_FILES] = state.get(_FILES, 0) + 1
        st.query_params.from_dict({"release": str(made.value)})


def _in_utc(chosen: datetime | None) -> datetime | None:
    return None if chosen is None else chosen.replace(tzinfo=UTC)


def deployment(readiness: Readiness) -> None:
    """When a release was deployed: the windows of its phases run from there."""
    release, now = readiness.release, engine_in_process.runtime().clock.now()
    with st.form("deployment", enter_to_submit=False):
        st.datetime_input(
            "Deployed at, UTC",
            value=now.astimezone(UTC).replace(tzinfo=None, second=0, microsecond=0),
            step=_MINUTE,
            key="deployed_at",
            width=240,
        )
        st.caption(
            "The phases after the deployment run from then."
            if release.deployed_at is None
            else f"Put down: {readiness_words.instant(release.deployed_at)}. Said again, the last"
            " word counts."
        )
        st.form_submit_button(
            "Put the deployment down",
            icon=":material/rocket_launch:",
            on_click=_put_down_deployment,
            args=(release.id,),
        )
    told.draw(DEPLOYMENT)


def _put_down_deployment(release_id: UUID) -> None:
    chosen: datetime | None = st.session_state["deployed_at"]
    if chosen is None:
        return
    deployed_at = chosen.replace(tzinfo=UTC)
    done = readiness_actions.put_down_deployment(release_id, deployed_at)
    told.leave(done, f"Deployed at {readiness_words.instant(deployed_at)}.", place=DEPLOYMENT)
