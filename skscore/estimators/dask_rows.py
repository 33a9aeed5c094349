r"""Rows in the partitions of a dask array or dataframe (Rocklin, 2015): sums and evaluations go to where they lie.

What score matching keeps of rows adds up, :math:`s(P_1 \cup \dots \cup P_k) = s(P_1) + \dots + s(P_k)`. Each partition
is summed by the worker that has it, and eight sums become one on a worker, in the order of the partitions:

.. math:: \bigl(s(P_1) + \dots + s(P_8)\bigr) + \bigl(s(P_9) + \dots + s(P_{16})\bigr) + \dots

Neither the number of workers nor their pace changes this order, or a bit of the sum; a task is a function of its
partition alone, so that a worker that is lost costs its tasks and nothing else. Of the rows themselves at most
`MOST_GATHERED` come to the client, those that a plan is made of.

References
----------
Rocklin, M. (2015). Dask: Parallel computation with blocked algorithms and task scheduling. Proceedings of the 14th
Python in Science Conference, 126-132.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial, reduce
from operator import add
from typing import Any, NamedTuple, TypeVar

import dask
import dask.array as da
import narwhals as nw
import numpy as np
from dask import delayed
from sklearn import clone

from .._compat import is_lazy
from .._kernels import threads
from ..formulas.moments import evenly

__all__ = ["MOST_GATHERED", "GatheredRows", "Partitions"]

MOST_GATHERED = 10_000  # rows that come to the client
ARITY = 8  # of the tree: as many sums become one
T = TypeVar("T")


class GatheredRows(NamedTuple):
    """Rows in memory, X (n, d), with known scores y (n, d) and weights (n,) or None, as `fit` takes them."""

    X: Any
    y: Any
    sample_weight: Any

    def at(self, places):
        """Those at some places."""
        return GatheredRows(*(None if table is None else _at(table, places) for table in self))

    @classmethod
    def joined(cls, parts):
        """The rows of several parts, in order."""
        return cls(*(None if tables[0] is None else _stacked(tables) for tables in zip(*parts, strict=True)))


class Partitions:
    """The partitions of a collection of dask.

    Parameters
    ----------
    X : dask array or dataframe of shape (n, d)
    parts : list of tuples
        X, y and weights of each partition, each a Delayed or None.
    sizes : tuple
        Numbers of rows, NaN if they are not known.

    Examples
    --------
    >>> import dask.array as da, numpy as np
    >>> from skscore.estimators.dask_rows import Partitions
    >>> rows = Partitions.of(da.from_array(np.arange(6.0).reshape(6, 1), chunks=(2, 1)))
    >>> float(rows.sum(lambda X, y, sample_weight: X.sum()))
    15.0
    """

    def __init__(self, X, parts, sizes):
        self.X, self.parts, self.sizes = X, parts, sizes

    @classmethod
    def of(cls, X: Any, y: Any = None, sample_weight: Any = None) -> Partitions:
        """The partitions of X, with those of its known scores and weights; a ValueError if they do not go together."""
        X = nw.to_native(X, pass_through=True)
        if getattr(X, "ndim", None) != 2:
            raise ValueError(
                f"X is a {type(X).__name__} of dask with {getattr(X, 'ndim', 'no')} dimensions: give a dask array or "
                "dataframe of rows and columns."
            )
        beside = [_blocks_beside(X, table, name) for table, name in ((y, "y"), (sample_weight, "sample_weight"))]
        return cls(X, list(zip(_blocks(X), *beside, strict=True)), _sizes(X))

    @property
    def without_rows(self) -> Any:
        """A table with the columns of X, of which no row has to be read."""
        return self.X._meta if hasattr(self.X, "columns") else self.X

    def arrays(self) -> Partitions:
        """The same partitions as numpy arrays of float64."""
        convert = delayed(partial(np.asarray, dtype=np.float64), traverse=False)
        parts = [tuple(None if table is None else convert(table) for table in part) for part in self.parts]
        return Partitions(self.X, parts, self.sizes)

    # ---- sums ------------------------------------------------------------------------------------

    def sum(self, function: Callable[..., T]) -> T:
        """Sum of ``function(X, y, sample_weight)`` over the partitions that have rows, a value with ``+``."""
        return self._checked(self._reduced(self.parts, function, _sum))

    def statistics(self, estimator: Any, plan: Any = None) -> Any:
        """What an estimator's ``compute_statistics`` keeps of all rows, under a plan of some if none is given."""
        if plan is None:
            some = self.first() if estimator._adds_up(self.X.shape[1]) else self.spread()
            plan = estimator.plan(some.X, some.sample_weight, y=some.y)
        return self.sum(partial(_statistics, clone(estimator), plan))

    def gathered(self) -> GatheredRows | None:
        """All rows, if they are at most `MOST_GATHERED`; else None."""
        return self._head if len(self._head.X) <= MOST_GATHERED else None

    def first(self) -> GatheredRows:
        """The first `MOST_GATHERED` rows, or all."""
        return self._head.at(slice(MOST_GATHERED))

    def spread(self) -> GatheredRows:
        """`MOST_GATHERED` rows, evenly from the partitions; all, if they are no more."""
        few, number = self.gathered(), MOST_GATHERED
        return few or self._reduced(self.parts, partial(_spread, number), partial(_thinned, number)).rows

    @cached_property
    def _head(self):
        """The first rows, one more than are gathered; of as few partitions as have them."""
        n_read, number = 1, MOST_GATHERED + 1
        while True:
            rows = self._reduced(self.parts[:n_read], partial(_first, number), partial(_joined, number))
            if n_read >= len(self.parts) or (rows is not None and len(rows.X) == number):
                return self._checked(rows)
            n_read *= ARITY

    def _checked(self, value):
        if value is None:
            raise ValueError("X has no rows: each of its partitions is empty, or has no row of positive weight.")
        return value

    def _reduced(self, parts, function, merge):
        """What `merge` makes of the values of a function at each of these parts, by a tree on the workers."""
        shared = delayed(function, traverse=False)  # one value of the graph, whatever it holds
        of_part = delayed(_of_part, traverse=False)
        values = [of_part(shared, self._place(k), *part) for k, part in enumerate(parts)]
        merge = delayed(merge, traverse=False)
        while len(values) > 1:
            values = [merge(values[k : k + ARITY]) for k in range(0, len(values), ARITY)]
        return dask.compute(*values)[0]

    def _place(self, k):
        return k, len(self.parts), self.X.shape[1]

    # ---- evaluations -----------------------------------------------------------------------------

    def evaluate(self, function: Callable[[Any], np.ndarray], ndim: int = 1) -> da.Array:
        """Lazy array of ``function(X)``, a number for each row or, with ``ndim=2``, one for each entry."""
        columns = (self.X.shape[1],) * (ndim - 1)
        shared, of_part = delayed(function, traverse=False), delayed(_evaluated, traverse=False)
        values = [
            da.from_delayed(of_part(shared, self._place(k), X, columns), (size, *columns), dtype=np.float64)
            for k, ((X, _, _), size) in enumerate(zip(self.parts, self.sizes, strict=True))
        ]
        return da.concatenate(values, allow_unknown_chunksizes=True)


# ---- partitions of a collection ------------------------------------------------------------------


def _blocks(table):
    """The partitions of a collection as Delayed, each with all of its columns."""
    if isinstance(table, da.Array):
        return list((table.rechunk({1: -1}) if table.ndim == 2 else table).to_delayed().ravel())
    return list(table.to_delayed())


def _sizes(table):
    return table.chunks[0] if isinstance(table, da.Array) else (np.nan,) * table.npartitions


def _blocks_beside(X, table, name):
    """The partitions of what goes with the rows of X; None for each if there is nothing."""
    if table is None:
        return [None] * len(_sizes(X))
    table = nw.to_native(table, pass_through=True)
    if not is_lazy(table):
        raise ValueError(
            f"{name} is a {type(table).__name__}, and the rows of X lie in partitions of dask: give a dask array with "
            f"the same partitions, such as dask.array.from_array({name}, X.chunks[0])."
        )
    ours, theirs = np.array(_sizes(X)), np.array(_sizes(table))
    if len(ours) != len(theirs) or not (np.isnan(ours - theirs) | (ours == theirs)).all():
        raise ValueError(
            f"{name} has {len(theirs)} partitions of {_shown(theirs)} rows, X has {len(ours)} of {_shown(ours)}: they "
            f"have to be the same. Rechunk one of them, such as {name}.rechunk(X.chunks[0])."
        )
    return _blocks(table)


def _shown(sizes):
    numbers = ["unknown" if np.isnan(size) else f"{size:g}" for size in sizes[:3]]
    return ", ".join(numbers) + (", ..." if len(sizes) > 3 else "")


# ---- what workers do -----------------------------------------------------------------------------


def _of_part(function, place, X, y, weight):
    """The function of the rows of a partition, on one thread of BLAS; None if no row counts."""
    _check_width(place, X)
    weight = None if weight is None else np.asarray(weight)
    if not len(X) or (weight is not None and not weight.any()):
        return None
    return _told(place, function, X, y, weight)


def _evaluated(function, place, X, columns):
    _check_width(place, X)
    return np.asarray(_told(place, function, X), dtype=np.float64) if len(X) else np.empty((0, *columns))


def _told(place, function, *rows):
    """The function of rows; a ValueError says which partition they are."""
    try:
        with threads.at_most(1):
            return function(*rows)
    except ValueError as error:
        raise ValueError(f"partition {place[0]} of {place[1]}, counted from 0: {error}") from None


def _statistics(estimator, plan, X, y, sample_weight):
    return estimator.compute_statistics(X, sample_weight, y=y, plan=plan)


def _check_width(place, X):
    k, n, d = place
    if X.shape[1] != d:
        raise ValueError(f"partition {k} of {n}, counted from 0, has {X.shape[1]} columns, and X has {d}.")


def _present(values):
    return [value for value in values if value is not None]


def _sum(values):
    values = _present(values)
    return reduce(add, values) if values else None


def _first(number, *tables):
    return GatheredRows(*tables).at(slice(number))


def _joined(number, parts):
    parts = _present(parts)
    return GatheredRows.joined(parts).at(slice(number)) if parts else None


class _Spread(NamedTuple):
    """Rows, and how many of the table each stands for, shape (n,)."""

    rows: GatheredRows
    counts: np.ndarray


def _spread(number, *tables):
    n = len(tables[0])
    places = evenly(n, number)
    return _Spread(GatheredRows(*tables).at(places), np.full(len(places), n / len(places)))


def _thinned(number, parts):
    """So many of the rows of all parts, at even steps of the rows that they stand for."""
    parts = _present(parts)
    if not parts:
        return None
    rows, counts = GatheredRows.joined([part.rows for part in parts]), np.concatenate([part.counts for part in parts])
    if len(counts) <= number:
        return _Spread(rows, counts)
    last = np.cumsum(counts)
    places = np.searchsorted(last, (np.arange(number) + 0.5) * (last[-1] / number))
    return _Spread(rows.at(places), np.full(number, last[-1] / number))


def _at(table, places):
    return table.iloc[places] if hasattr(table, "iloc") else table[places]


def _stacked(tables):
    if nw.dependencies.is_into_dataframe(tables[0]):
        return nw.concat([nw.from_native(table, eager_only=True) for table in tables]).to_native()
    return np.concatenate([np.asarray(table) for table in tables])
