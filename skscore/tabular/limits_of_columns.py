"""Limits that a user sets to the numbers of columns."""

from __future__ import annotations

import numpy as np

from ..maps.limits import Limits

__all__ = ["limits_of", "rows_outside"]


def limits_of(bounds, schema, rows):
    """The limits of all numeric columns, None if there are none.

    A value of a column that has cells stands for the one around it, so that its limits lie where the cell ends.

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
        ends = [
            sign * np.inf if end is None else _outer_end(column.line.numbers(np.array([end])), sign, column.line.cells)
            for end, sign in ((lower, -1.0), (upper, 1.0))
        ]
    except (TypeError, ValueError):
        raise ValueError(f"bounds: {name!r} has {pair!r}. Give (lower, upper), None where there is no limit.") from None
    if not ends[0] < ends[1]:
        raise ValueError(f"bounds: {name!r} has {pair!r}. The lower limit has to lie below the upper one.")
    return ends


def _outer_end(x, sign, cells):
    """The number x, (1,), or the lower or upper end of its cell if it has one."""
    places = np.array([0.0, 1.0])
    return float(x[0] if cells is None else np.max(sign * cells.spread(x, places)) * sign)


def rows_outside(limits, rows):
    """Which rows have a number on or outside its limits, shape (n,)."""
    if limits is None:
        return np.zeros(rows.n, dtype=bool)
    return ((rows.numbers <= limits.lower) | (rows.numbers >= limits.upper)).any(axis=1)
