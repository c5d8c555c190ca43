"""Pages that end after a number of rows or of bytes, whichever comes first.

One row may hold a megabyte: a page of a hundred would be more than the process that saves can take.
Where a page ends is found before any row is sent, by walking down the keys, one look into an index
a row. The walk sees one row more than fits, which says that there is another page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    and_,
    bindparam,
    cast,
    exists,
    literal_column,
    null,
    or_,
    select,
    true,
)

from engine.database.sql import whole

# JSON of a page. This process holds about three times as much while it answers (measured), in each
# of its read threads.
PAGE_BYTES: Final = 4 * 1024 * 1024

# The row that the walk has just reached, for expressions over a whole row.
BELOW: Final = "below"


def walk(
    columns: Sequence[Column[Any]],
    key: Column[Any],
    where: Sequence[ColumnElement[bool]],
    size: Callable[[FromClause], ColumnElement[int]],
) -> CTE:
    """The rows of a page, from the one below the parameter `before` downwards.

    The parameter `most` is how many rows it may have. One row is on it however large it is.

    Args:
        columns: what is wanted of a row, the key among it.
        key: the column that rows are ordered by, unique among those that count.
        where: which rows count.
        size: how many bytes a row takes.

    Returns:
        A relation of the columns, `place` (0 is the start, which is no row) and `bytes` (of the
        rows so far). Its last row may be the next page's first: see `is_on` and `goes_on`.
    """
    start = {key.name: bindparam("before", type_=key.type)}
    page = select(
        *(start.get(each.name, cast(null(), each.type)).label(each.name) for each in columns),
        whole(0).label("place"),
        cast(whole(0), BigInteger).label("bytes"),
    ).cte("page", recursive=True)
    # A subquery with a limit cannot be taken apart: whatever the statistics say, each step is one
    # look into the index, and only the row that it finds is measured.
    below = (
        select(*columns)
        .where(*where, key < page.c[key.name])
        .order_by(key.desc())
        .limit(whole(1))
        .lateral(BELOW)
    )
    return page.union_all(
        select(*below.c, page.c.place + whole(1), page.c.bytes + size(below))
        .select_from(page.join(below, true()))
        .where(_fits(page))
    )


def is_on(page: CTE) -> ColumnElement[bool]:
    """Whether a row of the walk is on the page."""
    return and_(page.c.place > whole(0), _fits(page))


def goes_on(page: CTE) -> ColumnElement[bool]:
    """Whether there is another page after this one."""
    return exists(select(page.c.place).where(~_fits(page))).label("goes_on")


def _fits(page: CTE) -> ColumnElement[bool]:
    has_room = and_(
        page.c.place <= bindparam("most", type_=Integer()),
        page.c.bytes <= literal_column(str(PAGE_BYTES), BigInteger()),
    )
    return or_(page.c.place <= whole(1), has_room)
