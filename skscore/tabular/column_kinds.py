"""What kind of column each one is: guessed from what it holds, or as the user says.

- **real** and **integer**: numbers, and whole numbers of any dtype;
- **date**: dates with or without a time of day, and durations;
- **ordered** and **categorical**: levels, with an order (an ordered categorical) and without one (text, categories);
- **boolean**: true and false, or two other values;
- **constant**: one value in every cell, or nothing but missing cells, of which nothing is to be learnt;
- **ignore**: left out.

Levels, true and false are discrete. So are numbers and dates of at most 20 values that recur, so that fresh rows hold
no others (:func:`skscore.tabular.number_line.heavy_values`), unless the user asks for this kind. Text of which nearly
every cell differs, and integers that count the rows, name the rows: they are refused, as no density of them means
anything.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
from numpy import ndarray

from ..domains.frame_cells import ColumnCells
from .number_line import are_whole

__all__ = ["check_column_types", "check_kind", "guess_kind", "is_discrete", "refuse_names"]

KINDS = ("real", "integer", "ordered", "categorical", "boolean", "date", "ignore")  # that a user may ask for
LEVELS = ("ordered", "categorical", "boolean")
OF_CONTENT = {"boolean": "boolean", "text": "categorical", "category": "categorical", "time": "date"}
MANY = 20  # cells, from which on it shows whether they are names
NAMES = 0.95  # the share of cells that differ, at least, in a column of names


def check_column_types(column_types: Mapping | None, names: Iterable[Hashable]) -> dict:
    """Return the kinds asked for, by column; a ValueError if there is no such column or kind."""
    names, asked = list(names), dict(column_types or {})
    for name, kind in asked.items():
        if name not in names:
            raise ValueError(f"column_types names the column {name!r}, but the frame has {names}.")
        if kind not in KINDS:
            raise ValueError(f"column_types gives the column {name!r} the kind {kind!r}: give one of {list(KINDS)}.")
    return asked


def guess_kind(cells: ColumnCells, ordered: bool) -> str:
    """Return the kind of a column, by its cells and whether its categories are ordered."""
    if cells.content == "number":
        return "integer" if are_whole(cells.held) else "real"
    return "ordered" if ordered else OF_CONTENT[cells.content]


def check_kind(name: Hashable, kind: str, cells: ColumnCells, n_levels: int) -> None:
    """Raise a ValueError if the cells of the column called `name` cannot be of the `kind` that was asked for."""
    needed = {
        "real": ("numbers", cells.content == "number"),
        "integer": ("whole numbers", cells.content == "number" and are_whole(cells.held)),
        "date": ("dates or durations", cells.content == "time"),
        "boolean": ("at most two values", n_levels <= 2),
    }
    what, fits = needed.get(kind, ("", True))
    if not fits:
        raise ValueError(
            f"column_types asks for {kind!r} of the column {name!r}, which needs {what}: it holds {n_levels} values of "
            f"{cells.content}, such as {cells.held[:1].tolist()[0]!r}. Convert it, or ask for another kind."
        )


def is_discrete(kind: str, asked: bool, n_values: int, few: bool) -> bool:
    """Whether a column of this kind, asked for or guessed, and of `n_values` values that are `few` or not, is discrete.

    One value, beside cells that are missing, has no density on a line.
    """
    if kind in LEVELS or n_values < 2:
        return True
    return few and not asked


def refuse_names(name: Hashable, cells: ColumnCells, n_values: int) -> None:
    """Raise a ValueError if the cells of the column called `name`, of `n_values` values, are names of the rows."""
    n = len(cells.held)
    if n > MANY and (n_values >= NAMES * n if cells.values.dtype == object else _counts_rows(cells)):
        raise ValueError(
            f"Column {name!r} seems to name the rows: {n_values} of its {n} cells differ. Leave it out with "
            f"column_types={{{name!r}: 'ignore'}}, or if its values mean something say which kind they are, for "
            f"example column_types={{{name!r}: {_kind_of_names(cells)!r}}}."
        )


def _kind_of_names(cells):
    return "categorical" if cells.values.dtype == object else "integer"


def _counts_rows(cells):
    """Whether the cells count 0, 1, 2, … or 1, 2, 3, …, forwards or backwards."""
    x: ndarray = cells.values
    if cells.content != "number" or cells.missing.any() or min(x[0], x[-1]) not in (0, 1):
        return False
    return bool((np.diff(x.astype(np.float64)) == (1 if x[-1] > x[0] else -1)).all())
