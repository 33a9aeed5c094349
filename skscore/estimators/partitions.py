"""Where rows in partitions leave the way of rows in memory: dask is imported only if a collection of it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._compat import is_lazy

if TYPE_CHECKING:
    from .dask_rows import Partitions

__all__ = ["partitions_of"]


def partitions_of(X: Any, y: Any = None, sample_weight: Any = None) -> Partitions | None:
    """The partitions of a dask array or dataframe, with known scores and weights; None if X is in memory.

    A ValueError if `y` or `sample_weight` have others.
    """
    if not is_lazy(X):
        return None
    from .dask_rows import Partitions

    return Partitions.of(X, y, sample_weight)
