"""What fit learns of one column, and its cells as levels and numbers and back.

A discrete column has levels: its values, and "missing" as the last one if fit saw missing cells. A numeric column has
numbers, and beside them a **state** if not every cell holds one: level 0 says that the cell holds a number, then comes
"missing" if fit saw missing cells, then each value that holds a large share of the column. A code of -1 stands for a
cell of which the density knows nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy import ndarray

from ..domains.frame_cells import ColumnCells, object_array, read_cells
from ..estimators.native_dtypes import NativeDtype, native_column, native_dtype
from ..models.mixed.rows import NOT_KNOWN
from .column_kinds import check_kind, guess_kind, is_discrete, refuse_names
from .number_line import NumberLine, heavy_values

__all__ = ["NOT_KNOWN", "Column", "EncodedColumn"]


class EncodedColumn(NamedTuple):
    """Cells of a column as a density takes them.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
        Level of the column or of its state, 0 if it has neither.
    numbers : ndarray of float64, shape (n,)
        NaN where a cell holds none.
    unlike : ndarray of bool, shape (n,)
        Cells unlike all that fit saw: an unknown level, another value of a constant, a missing cell of a column that
        had none.
    """

    codes: ndarray
    numbers: ndarray
    unlike: ndarray


class Column(NamedTuple):
    """A column of the frame that fit saw.

    Attributes
    ----------
    name : hashable
    kind : str
        See :mod:`skscore.tabular.column_kinds`.
    dtype : NativeDtype
    levels : ndarray
        The values of a discrete column, of a constant its only one if it has any, of a numeric column those that are
        states; as they are stored.
    missing : int or None
        Code of a missing cell; None if fit saw none, `NOT_KNOWN` if missing cells are to tell nothing.
    line : NumberLine or None
        Of a numeric column.
    discrete, numeric : int or None
        Place of the column, or of its state, in the discrete block, and of its numbers in the numeric block.
    """

    name: Hashable
    kind: str
    dtype: NativeDtype
    levels: ndarray
    missing: int | None
    line: NumberLine | None = None
    discrete: int | None = None
    numeric: int | None = None

    @classmethod
    def learn(cls, name, native: nw.Series | ndarray, asked: str | None, missingness: str, weight=None) -> Column:
        """The column called `name` of a frame, of the kind `asked` for or guessed."""
        dtype = native_dtype(native)
        if asked == "ignore":
            return cls(name, "ignore", dtype, np.empty(0), None)
        cells = read_cells(name, native)
        seen = _distinct(cells.held)
        if len(seen) + cells.missing.any() <= 1:
            return cls(name, "constant", dtype, seen, None if len(seen) else 0)
        values = seen if dtype.categories is None else object_array(dtype.categories)
        kind = asked or guess_kind(cells, dtype.ordered)
        if asked:
            check_kind(name, kind, cells, len(seen))
        else:
            refuse_names(name, cells, len(seen))
        missing = len(values) if cells.missing.any() else None
        heavy, few = _heavy_values(cells, values, weight)
        if is_discrete(kind, asked is not None, len(seen), few):
            return cls(name, kind, dtype, values, missing)
        if missingness == "ignore" and missing is not None:
            heavy = heavy[:0]  # a state would have to say what a missing cell holds
        line = NumberLine.through(cells.held[_places(heavy, cells.held) == NOT_KNOWN])
        if missingness == "ignore":
            return cls(name, kind, dtype, heavy, NOT_KNOWN, line)
        return cls(name, kind, dtype, heavy, None if missing is None else 1, line)

    @property
    def n_levels(self):
        """K, how many levels the column has, or its state; 0 if it has neither."""
        if self.kind in ("constant", "ignore"):
            return 0
        if self.line is None:
            return len(self.levels) + (self.missing is not None)
        states = self._first_value + len(self.levels)
        return states if states > 1 else 0

    @property
    def _first_value(self):
        """Code of the first of the levels: in a state it comes after those of a number and of a missing cell."""
        return 0 if self.line is None else 1 + (self.missing == 1)

    def encode(self, cells: ColumnCells) -> EncodedColumn:
        """Return the cells of a frame as codes and numbers; a ValueError if a numeric column holds no numbers."""
        cells = self._read_times(cells)
        place = _places(self.levels, cells.values)
        codes = np.where(place == NOT_KNOWN, NOT_KNOWN, place + self._first_value)
        numbers = np.full(len(codes), np.nan)
        if self.line is not None:
            codes[place == NOT_KNOWN] = 0
            is_number = (place == NOT_KNOWN) & ~cells.missing
            numbers[is_number] = self._numbers(self.line, cells, is_number)
        codes[cells.missing] = NOT_KNOWN if self.missing is None else self.missing
        unlike = codes == NOT_KNOWN
        if self.missing == NOT_KNOWN:
            unlike &= ~cells.missing
        return EncodedColumn(codes, numbers, unlike)

    def _read_times(self, cells):
        """Cells of which text says a time if the column holds times."""
        if self.levels.dtype.kind != "M" or cells.content != "text":
            return cells
        try:
            return cells._replace(content="time", values=cells.values.astype(self.levels.dtype))
        except ValueError:
            raise ValueError(f"Column {self.name!r} holds text that is no time: write it as 2026-11-30.") from None

    def _numbers(self, line, cells, which):
        """Numbers on the line of some cells."""
        content = "time" if line.unit else "number"
        if content != cells.content and which.any():
            raise ValueError(f"Column {self.name!r} holds {cells.content}, but a {content} is needed: convert it.")
        return line.numbers(cells.values[which])

    def decode(self, codes: ndarray, numbers: ndarray) -> Any:
        """Return the column of the frame library, from codes and numbers of shape (n,), NaN if it is not numeric."""
        place = codes - self._first_value
        is_value = (0 <= place) & (place < len(self.levels))
        is_number = ~is_value & ~np.isnan(numbers)
        values = np.zeros(len(codes), dtype=self.levels.dtype)
        values[is_value] = self.levels[place[is_value]]
        if self.line is not None:
            values[is_number] = self.line.values(numbers[is_number])
        if self.dtype.categories is not None:
            values = _places(object_array(self.dtype.categories), values)
        return native_column(values, ~is_value & ~is_number, self.dtype)


def _distinct(values):
    """The values that differ, in order; of objects that have none in the order in which they come."""
    if values.dtype != object:
        return np.unique(values)
    different = list(dict.fromkeys(values.tolist()))
    return object_array(sorted(different) if all(isinstance(value, str) for value in different) else different)


def _heavy_values(cells, values, weight):
    """Values that are states of a numeric column, as they are stored, and whether it has few values and no others."""
    if cells.content not in ("number", "time") or len(values) < 2:
        return values[:0], False
    line = NumberLine.through(values)
    heavy, few = heavy_values(line.numbers(cells.held), None if weight is None else weight[~cells.missing])
    is_heavy = np.isin(line.numbers(values), heavy)
    return values[is_heavy if (~is_heavy).sum() > 1 else []], few


def _places(levels, values):
    """Place of each value among the levels, `NOT_KNOWN` of a value that is none of them, shape (n,)."""
    if not len(levels):
        return np.full(len(values), NOT_KNOWN)
    if object in (levels.dtype, values.dtype):
        place = {level: k for k, level in enumerate(levels.tolist())}
        return np.fromiter((place.get(value, NOT_KNOWN) for value in values.tolist()), np.int64, len(values))
    if (levels.dtype.kind in "mM") != (values.dtype.kind in "mM"):
        return np.full(len(values), NOT_KNOWN)
    k = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
    return np.where(levels[k] == values, k, NOT_KNOWN)
