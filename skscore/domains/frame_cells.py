"""The cells of a frame, column by column: what values they hold, and which are missing.

None, NaN, NA and NaT are missing cells, all of them alike.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date
from numbers import Integral
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy import ndarray

from .._compat import native_frame

__all__ = ["ColumnCells", "array_name", "columns_of", "library_of", "object_array", "read_cells", "scalar_cell"]

FRAMES = ("pandas", "polars", "pyarrow")


class ColumnCells(NamedTuple):
    """The cells of a column.

    Attributes
    ----------
    content : {"number", "boolean", "text", "category", "time"}
    values : ndarray of shape (n,)
        As they are stored: times as datetime64 in UTC or timedelta64, text and categories as objects. Of a missing cell
        any value.
    missing : ndarray of bool, shape (n,)
    """

    content: str
    values: ndarray
    missing: ndarray

    @property
    def held(self):
        """The values of the cells that are not missing."""
        return self.values[~self.missing]


def columns_of(X: Any) -> dict[Hashable, nw.Series | ndarray]:
    """Return the columns of a frame, or of a 2-d array or list of lists, by name.

    A ValueError if `X` is neither, has no column or no row, or two columns of one name.
    """
    X = np.asarray(X) if isinstance(X, list | tuple) else X
    if isinstance(X, np.ndarray):
        columns = _columns_of_array(X)
    else:
        frame = _narwhals_frame(X)
        columns = dict(zip(frame.columns, frame.iter_columns(), strict=True))
    if not columns or not len(next(iter(columns.values()))):
        raise ValueError(f"The frame has {'no rows' if columns else 'no columns'}: nothing can be read from it.")
    return columns


def _columns_of_array(X):
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise ValueError(
            f"An array of shape {X.shape} and dtype {X.dtype} is no table: give two dimensions of numbers, or a frame "
            "if columns differ in dtype."
        )
    return {array_name(j): column for j, column in enumerate(X.T)}


def array_name(key: Hashable) -> Hashable:
    """Return the name of the column of an array at the position `key`; a name stays as it is."""
    return f"x{key}" if isinstance(key, Integral) else key


def _narwhals_frame(X):
    try:
        frame = nw.from_native(native_frame(X), eager_only=True)
    except nw.exceptions.DuplicateError as error:
        twice = " ".join(str(error).split())
        raise ValueError(f"Columns of the frame share their name: rename them. {twice}.") from None
    except TypeError:
        frame = None
    if frame is None or str(frame.implementation) not in FRAMES:
        raise ValueError(
            f"{type(X).__name__} is no frame: give one of pandas, polars (collected) or pyarrow, or a two-dimensional "
            "array of numbers."
        )
    return frame


def library_of(column: nw.Series | ndarray) -> str:
    """Return the library that a column came from: ``"pandas"``, ``"polars"``, ``"pyarrow"`` or ``"numpy"``."""
    return "numpy" if isinstance(column, np.ndarray) else str(column.implementation)


def read_cells(name: Hashable, column: nw.Series | ndarray) -> ColumnCells:
    """Return the cells of the column called `name`; a ValueError with this name if it holds what no density knows."""
    if isinstance(column, np.ndarray):
        cells = ColumnCells("boolean" if column.dtype == bool else "number", column, np.isnan(column))
    elif column.dtype == nw.Object:
        cells = _of_objects(name, column)
    else:
        cells = _of_one_dtype(name, column)
    if cells.content == "number" and cells.values.dtype.kind == "f":
        cells = cells._replace(missing=cells.missing | np.isnan(cells.values))
        if np.isinf(cells.held).any():
            raise ValueError(f"Column {name!r} holds infinite numbers: write them as missing, or leave out these rows.")
    return cells


def scalar_cell(name, value, library, is_category) -> ColumnCells:
    """Return the cell that holds `value`, as a column of one row."""
    if is_category:
        return ColumnCells("category", object_array([value]), np.array([value is None]))
    if library == "numpy":
        return read_cells(name, np.array([np.nan if value is None else value]))
    return read_cells(name, nw.new_series("cell", [value], backend=library))


def _of_one_dtype(name, column):
    missing, held = column.is_null().to_numpy().astype(bool), column.drop_nulls()
    if column.dtype.is_decimal():
        return _filled("number", held.cast(nw.Float64).to_numpy(), missing)
    if column.dtype.is_numeric():
        return _filled("number", held.to_numpy(), missing)
    if column.dtype == nw.Boolean:
        return _filled("boolean", held.to_numpy().astype(bool), missing)
    if column.dtype == nw.String:
        return _filled("text", object_array(held.to_list()), missing)
    if column.dtype in (nw.Categorical, nw.Enum):
        return _filled("category", object_array(held.to_list()), missing)
    if column.dtype == nw.Date:
        return _filled("time", held.to_numpy().astype("datetime64[D]"), missing)
    if column.dtype in (nw.Datetime, nw.Duration):
        return _filled("time", held.to_numpy(), missing)
    if missing.all():
        return ColumnCells("number", np.full(len(missing), np.nan), missing)
    raise _no_cells(name, f"holds {column.dtype}")


def _of_objects(name, column):
    """Cells of a column of Python objects: all text, all truth values, all numbers, or all dates."""
    missing, held = column.is_null().to_numpy().astype(bool), column.drop_nulls().to_list()
    for content, types, dtype in OBJECTS:
        if all(isinstance(value, types) for value in held):
            return _filled(content, object_array(held) if dtype is object else np.asarray(held, dtype=dtype), missing)
    raise _no_cells(name, f"holds objects of type {' and '.join(sorted({type(value).__name__ for value in held}))}")


OBJECTS = (
    ("text", str, object),
    ("boolean", (bool, np.bool_), bool),
    ("number", (int, np.integer), np.int64),
    ("number", (int, float, np.number), np.float64),
    ("time", date, "datetime64"),
)


def _no_cells(name, what):
    return ValueError(
        f"Column {name!r} {what}: a density knows numbers, text, true and false, categories, dates and durations, of "
        f"one type in a column. Convert it, or leave it out with column_types={{{name!r}: 'ignore'}}."
    )


def object_array(values) -> ndarray:
    """Return a one-dimensional array of objects, whatever they are."""
    return np.fromiter(values, dtype=object, count=len(values))


def _filled(content, held, missing):
    """Cells of which those that are not missing hold the values `held`."""
    values = np.full(len(missing), None) if held.dtype == object else np.zeros(len(missing), dtype=held.dtype)
    values[~missing] = held
    return ColumnCells(content, values, missing)
