"""How many points of its cells and steps of the flow the log-density of a row needs, by the errors that they leave."""

from __future__ import annotations

import numpy as np

__all__ = ["MAX_POINTS", "choose_number_of_points", "choose_number_of_steps"]

MAX_POINTS = 32
TOLERANCE = 0.005  # nats per row, in the mean
UNCHANGED = 0.003


def choose_number_of_steps(log_density, n_steps):
    """Fewest steps of the flow in cells, which are so smooth that more points serve them better than more steps.

    Parameters
    ----------
    log_density : callable
        From a number of steps to the log-densities of some hundred rows.
    n_steps : int

    Returns
    -------
    int
        A quarter or half of `n_steps`, or all of them: what changes the log-density of a row by at most 0.003 nat in
        the mean.
    """
    value = log_density(n_steps)
    tried = (n_steps // k for k in (4, 2) if n_steps >= 2 * k)
    return next((n for n in tried if mean_change(log_density(n), value) <= UNCHANGED), n_steps)


def choose_number_of_points(log_density, table, index, most=MAX_POINTS):
    """Fewest points of the cells of rows, and the error that they leave in the log-density of a row.

    Parameters
    ----------
    log_density : callable
        Of points (n m, d), shape (n m,), known up to a constant.
    table : object
        With `points`, from places of rows and a number m to their CellPoints, `fewest_points` and `is_continuous`.
    index : ndarray of int
        Places of some hundred rows.
    most : int
        Points at the most.

    Returns
    -------
    n_points : int
        The first power of two that twice as many points would change by at most 0.005 nat per row in the mean; 1 if the
        table has no cells.
    difference : float
        That change; for the most points that from half as many. In nats.
    """

    def of_rows(n_points):
        points = table.points(index, n_points)
        return points.log_mean(log_density(points.Z))

    number, difference = table.fewest_points, 0.0
    if table.is_continuous:
        return number, difference
    value = of_rows(number)
    while number < most:
        doubled = of_rows(2 * number)
        difference = mean_change(value, doubled)
        if difference <= TOLERANCE:
            break
        number, value = 2 * number, doubled
    return number, difference


def mean_change(a, b):
    """Mean of |a − b| of the rows that both reach."""
    seen = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[seen] - b[seen]).mean()) if seen.any() else np.inf
