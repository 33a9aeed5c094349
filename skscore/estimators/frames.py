"""Frames of named columns: the numbers in them, and the frame as it reaches a transformer."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import narwhals.selectors as ncs
import numpy as np

from .._compat import validate_numpy

__all__ = ["numeric_rows", "precise_frame"]


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
