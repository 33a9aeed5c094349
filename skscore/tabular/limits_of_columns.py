"""Limits that a user sets to the numbers of columns."""

from __future__ import annotations

import numpy as np

from ..maps.limits import Limits

__all__ = ["limits_of", "rows_outside"]


def limits_of(bounds, schema, rows):
    """The limits of all numeric columns, None if there are none.

    A value of an evenly spaced column stands for a cell around it, so that its limits lie half a step further out.

    Parameters
    ----------
    bounds : mapping from names to (lower, upper), or None
    schema : Schema
    rows : Rows
        Of the table; a ValueError names the first column that does not lie within its bounds.
    """
    if not bounds:
        return None
    lower, upper = np.full(rows.numbers.shape[1], -np.inf), np.full(rows.numbers.shape[1], np.inf)
    for name, pair in bounds.items():
        column = schema.column(name)
        if column.numeric is None:
            raise ValueError(
                f"bounds={bounds!r}: column {name!r} is {column.kind!r}, only numeric columns have bounds."
            )
        lower[column.numeric], upper[column.numeric] = _ends(pair, name, column)
    limits = Limits(lower, upper)
    for name in bounds:
        j = schema.numeric_of(name)
        x = rows.numbers[:, j]
        if (strange := (x <= lower[j]) | (x >= upper[j])).any():
            raise ValueError(
                f"bounds={bounds!r}: {strange.sum()} rows of column {name!r} lie on or outside its bounds, the first "
                f"at row {np.argmax(strange)}. Widen them: a density of continuous numbers ends before its bounds."
            )
    return limits


def _ends(pair, name, column):
    """Lower and upper limit of one column as floats."""
    try:
        lower, upper = pair
        half = 0.0 if column.line.cells is None else column.line.cells.width / 2
        ends = [
            sign * np.inf if end is None else float(column.line.numbers(np.array([end]))[0]) + sign * half
            for end, sign in ((lower, -1.0), (upper, 1.0))
        ]
    except (TypeError, ValueError):
        raise ValueError(f"bounds: {name!r} has {pair!r}. Give (lower, upper), None where there is no limit.") from None
    if not ends[0] < ends[1]:
        raise ValueError(f"bounds: {name!r} has {pair!r}. The lower limit has to lie below the upper one.")
    return ends


def rows_outside(limits, rows):
    """Which rows have a number on or outside its limits, shape (n,)."""
    if limits is None:
        return np.zeros(rows.n, dtype=bool)
    return ((rows.numbers <= limits.lower) | (rows.numbers >= limits.upper)).any(axis=1)
