"""Where rows in partitions leave the way of rows in memory: dask is imported only if a collection of it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._compat import is_lazy
from .checks import is_network

if TYPE_CHECKING:
    from .dask_rows import Partitions

__all__ = ["partitions_of", "rows_to_fit", "rows_to_plan", "summed_partitions"]


def partitions_of(X: Any, y: Any = None, sample_weight: Any = None) -> Partitions | None:
    """The partitions of a dask array or dataframe, with known scores and weights; None if X is in memory.

    A ValueError if `y` or `sample_weight` have others.
    """
    if not is_lazy(X):
        return None
    from .dask_rows import Partitions

    return Partitions.of(X, y, sample_weight)


def summed_partitions(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Partitions | None:
    """As `partitions_of`, for a fit; None also if the model is a network, which needs its rows in memory."""
    return None if is_network(estimator.model) else partitions_of(X, y, sample_weight)


def rows_to_fit(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple | Partitions:
    """X, y and sample_weight in memory, also those of a collection of few rows; or the partitions of a larger one."""
    rows = summed_partitions(estimator, X, y, sample_weight)
    if rows is None:
        return X, y, sample_weight
    return rows.gathered() or rows


def rows_to_plan(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple:
    """X, y and sample_weight in memory; of a collection, rows from all of its partitions."""
    rows = summed_partitions(estimator, X, y, sample_weight)
    return (X, y, sample_weight) if rows is None else rows.spread()
