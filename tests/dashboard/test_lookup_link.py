"""From the correlation ids of any table to the story: what a cell shows and where it leads."""

from __future__ import annotations

import json
from typing import Final

import psycopg
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import lookup_link
from engine.errors import ErrorCode
from tests.dashboard.attempts import add, attempt

_OURS: Final = "REQ-01KG9YS7KVF9D9MPJTB9D5MPJTM"
_MARKED: Final = "<img src=x onerror=alert(1)> [a](https://evil.example) **b** :red[c]"


@pytest.mark.parametrize(
    ("correlation_id", "label"),
    [
        pytest.param(_OURS, _OURS, id="ours"),
        pytest.param(_MARKED, _MARKED, id="markup"),
        pytest.param("a\u202egpj.exe\n", r"a\u202egpj.exe", id="turned-round"),
        # A column of buttons draws the first as an icon and the second as a list of buttons.
        pytest.param(":material/delete: x", r"\u003amaterial/delete: x", id="icon"),
        pytest.param('["a", "b"]', r'\u005b"a", "b"]', id="several"),
    ],
)
def test_a_cell_shows_the_text_that_an_id_is(correlation_id: str, label: str) -> None:
    assert lookup_link.label(correlation_id) == label


def test_every_label_leads_back_to_the_id_as_it_is_stored() -> None:
    ids = [_OURS, ":material/delete: x", "a\u202eb", ""]

    shown, configured = lookup_link.leading(pa.table({"Id": ids}), "Id", key="pick")

    assert shown["Id"].to_pylist() == [lookup_link.label(each) for each in ids]
    key, by_label = configured["Id"].args
    assert key == "pick"
    assert [by_label[each] for each in shown["Id"].to_pylist() if each] == ids[:-1]


@pytest.mark.parametrize(
    ("path", "alt", "column"),
    [
        pytest.param("overview", "Newest attempts", "Correlation id", id="overview"),
        pytest.param("latency", "Slowest attempts", "Correlation id", id="latency"),
        pytest.param("errors", "Error codes", "Newest correlation id", id="errors-codes"),
        pytest.param("errors", "Failures of the same shape", "Correlation id", id="errors-shapes"),
        pytest.param("errors", "Newest failed attempts", "Correlation id", id="errors-newest"),
        pytest.param("attempts", "Attempts, newest first", "Correlation id", id="attempts"),
    ],
)
def test_the_ids_of_every_table_can_be_clicked(
    page: AppTest, connection: psycopg.Connection[object], path: str, alt: str, column: str
) -> None:
    add(connection, attempt(code=ErrorCode.QUOTE_CONFLICT_VERSION, correlation_id=_MARKED))

    page.switch_page(f"../pages/{path}.py").run()
    # The page of attempts opens on its own window by rewriting the address.
    page.run()

    assert not page.exception
    (found,) = [each for each in page.dataframe if each.proto.alt == alt]
    assert found.value[column].tolist() == [_MARKED]
    configured = json.loads(found.proto.columns)[column]
    assert configured["type_config"]["type"] == "button"
    assert configured["width"] == lookup_link.WIDTH
