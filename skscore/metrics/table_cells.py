"""Tables of one schema as matrices: numbers as they are, levels as codes that all tables share, NaN for missing cells.

Numbers, dates and durations are numbers, in days of the latter two; text, categories and truth values are levels. The
code of a level is its rank by frequency over all tables, so that rare levels have the largest codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy import ndarray

from ..domains.frame_cells import ColumnCells, columns_of, read_cells

__all__ = ["TableCells", "read_tables"]

OF_CONTENT = {"number": "numbers", "time": "times", "boolean": "truth values", "text": "text", "category": "text"}
LEVELS = ("boolean", "text", "category")


@dataclass(frozen=True, eq=False)
class TableCells:
    """The cells of a table.

    Attributes
    ----------
    names : list of hashable
        Of the columns.
    is_level : ndarray of bool, shape (d,)
        Columns of levels.
    cells : ndarray of float64, shape (n, d)
    """

    names: list[Hashable]
    is_level: ndarray
    cells: ndarray

    def __len__(self):
        return len(self.cells)

    def at(self, rows) -> TableCells:
        """Return the table of these rows."""
        return replace(self, cells=self.cells[rows])


def read_tables(tables: Mapping[str, Any]) -> dict[str, TableCells]:
    """Return tables of the same columns as matrices of one code.

    Parameters
    ----------
    tables : mapping from argument names to frames or ndarrays of shape (n, d)
        The first has the order of the columns; the others are read by their names.

    Raises
    ------
    ValueError
        If the columns differ, or what a column holds.
    """
    native = {which: columns_of(table) for which, table in tables.items()}
    first, *others = native
    for which in others:
        _refuse_other_columns(first, native[first], which, native[which])
    names = list(native[first])
    columns = [_coded(name, {which: read_cells(name, native[which][name]) for which in native}) for name in names]
    is_level = np.array([holds_levels for holds_levels, _ in columns])
    return {
        which: TableCells(names, is_level, np.column_stack([values[which] for _, values in columns]))
        for which in native
    }


def _refuse_other_columns(first, expected, which, found):
    absent, strange = [n for n in expected if n not in found], [n for n in found if n not in expected]
    if absent or strange:
        raise ValueError(
            f"{which} has not the columns of {first}: {absent} are absent, {strange} are unknown. Give tables of the "
            "same columns, in any order."
        )


def _coded(name, cells: dict[str, ColumnCells]):
    """Whether a column holds levels, and its cells in each table."""
    contents = {which: OF_CONTENT[each.content] for which, each in cells.items() if len(each.held)}
    if len(set(contents.values())) > 1:
        held = " and ".join(f"{content} in {which}" for which, content in contents.items())
        raise ValueError(f"Column {name!r} holds {held}: convert it, so that all tables hold the same.")
    read = [each for each in cells.values() if len(each.held)]
    holds_levels = bool(read) and read[0].content in LEVELS
    number = _levels(cells.values()) if holds_levels else _numbers
    return holds_levels, {which: _placed(each, number) for which, each in cells.items()}


def _placed(cells, number):
    values = np.full(len(cells.missing), np.nan)
    values[~cells.missing] = number(cells.held)
    return values


def _numbers(held):
    """Values of a column of numbers, or days."""
    if held.dtype.kind not in "mM":
        return held.astype(np.float64)
    since = held - np.datetime64(0, "s") if held.dtype.kind == "M" else held
    return since / np.timedelta64(1, "D")


def _levels(columns):
    """Function from values to their codes, by their frequency in all columns."""
    count = Counter(value for cells in columns for value in cells.held.tolist())
    code = {value: k for k, (value, _) in enumerate(count.most_common())}
    return lambda held: [code[value] for value in held.tolist()]
