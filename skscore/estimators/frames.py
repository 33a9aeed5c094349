"""Frames of named columns: their numbers, the frame as it reaches a transformer, and rows as a frame again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import narwhals as nw
import narwhals.selectors as ncs
import numpy as np

from .._compat import validate_numpy
from .native_dtypes import NativeDtype, native_column, native_dtype, native_frame_of

__all__ = ["FrameKind", "frame_kind", "frame_of_kind", "numeric_rows", "precise_frame"]

LIBRARIES = ("pandas", "polars", "pyarrow")
NUMBERS = {"bool", *(f"{kind}{size}" for kind in ("int", "uint") for size in (8, 16, 32, 64)), "float32", "float64"}


class FrameKind(NamedTuple):
    """What a frame of numbers is, without its rows.

    Attributes
    ----------
    library : {"pandas", "polars", "pyarrow"}
    columns : list of (hashable, NativeDtype, str)
        In order: their names, their dtypes, and the dtypes that their numbers have in numpy.
    """

    library: str
    columns: list[tuple[Hashable, NativeDtype, str]]


def numeric_rows(estimator, X: Any, reset: bool) -> np.ndarray:
    """Rows as float64, of the width and names seen in fit unless these are `reset`.

    A ValueError names the columns of a frame that hold no numbers.
    """
    try:
        return validate_numpy(estimator, X, reset=reset, dtype=np.float64)
    except (TypeError, ValueError):
        columns = _without_numbers(X)
        if not columns:
            raise
    raise ValueError(
        f"X has columns that hold no numbers, {columns}: text, categories and dates have no density. Drop them from X, "
        "also where transformer leaves them out, or write dates as numbers. Integer codes of categories have "
        "probabilities, which DenoisingScoreEstimator gives to columns of few values."
    ) from None


def _without_numbers(X):
    """Names of the columns of a frame that do not become numbers; nothing if X is no frame."""
    if not nw.dependencies.is_into_dataframe(X):
        return []
    return [column.name for column in nw.from_native(X, eager_only=True).iter_columns() if not _holds_numbers(column)]


def _holds_numbers(column):
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        return True
    try:
        np.asarray(column.to_list(), dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return True


def precise_frame(X: Any, rows: np.ndarray, kept: np.ndarray) -> Any:
    """The rows at the places `kept` of the frame X, single precision as double; these `rows` if X is no frame."""
    if not nw.dependencies.is_into_dataframe(X):
        return rows
    frame = nw.from_native(X, eager_only=True)
    return frame.with_columns(ncs.by_dtype(nw.Float32).cast(nw.Float64))[kept].to_native()


def frame_kind(X: Any) -> FrameKind | None:
    """What frame X is; None if rows like its own cannot be frames: it is none, or columns share their name."""
    if not nw.dependencies.is_into_dataframe(X):
        return None
    try:
        frame = nw.from_native(X, eager_only=True)
    except nw.exceptions.DuplicateError:
        return None
    if str(frame.implementation) not in LIBRARIES:
        return None
    columns = [(column.name, native_dtype(column), _numpy_dtype(column)) for column in frame.iter_columns()]
    return FrameKind(str(frame.implementation), columns)


def _numpy_dtype(column):
    """The dtype of numpy for the numbers of a column; "object" if they are stored as something else."""
    dtype = "bool" if column.dtype == nw.Boolean else str(column.dtype).lower()
    return dtype if dtype in NUMBERS else "object"


def frame_of_kind(rows: np.ndarray, kind: FrameKind | None) -> Any:
    """The `rows` (n, d) as a frame of this `kind`; as they are if it is None.

    Columns have the dtypes that they had there. Where a density takes whole numbers, or true and false, for continuous
    ones, its draws are not whole: such a column is one of float64.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skscore.estimators.frames import frame_kind, frame_of_kind
    >>> kind = frame_kind(pd.DataFrame({"legs": [2, 4], "mass": [1.5, 2.5]}))
    >>> frame_of_kind(np.array([[3.0, 1.25]]), kind)
       legs  mass
    0     3  1.25
    >>> frame_of_kind(np.array([[3.5, 1.25]]), kind)
       legs  mass
    0   3.5  1.25
    """
    if kind is None:
        return rows
    columns = {
        name: _column_of(values, native, dtype, kind.library)
        for values, (name, native, dtype) in zip(rows.T, kind.columns, strict=True)
    }
    return native_frame_of(columns, kind.library, len(rows))


def _column_of(values, native, dtype, library):
    """A column of the dtype `native`, or of float64 if this is none of numbers, or does not hold the values."""
    with np.errstate(all="ignore"):
        stored = values.astype(dtype)
    is_kept = dtype.startswith("float") or (dtype != "object" and np.array_equal(stored, values))
    if is_kept:
        return native_column(stored, np.zeros(len(values), dtype=bool), native)
    return nw.new_series("", values, backend=library).to_native()
