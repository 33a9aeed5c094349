"""All rows of a table, of which this process may have a part: in memory, in a memory map, or in a group of processes.

Rows beyond `MOST_ROWS` are not copied. That many, evenly spaced, are *here*, in the memory of every process: they
choose all that needs rows to choose (cells, scales of rows, what is mixed into a density). The moments are those of all
rows: blocks of them merge (Chan, Golub & LeVeque, 1983), and so do processes. A training takes each of its batches from
where the rows lie. The rows of a group are the parts of its processes, one after the other.

References
----------
Chan, T. F., Golub, G. H., & LeVeque, R. J. (1983). Algorithms for computing the sample variance: analysis and
recommendations. The American Statistician, 37(3), 242-247.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import joblib
import numpy as np

from ..formulas.moments import Moments, evenly, moments, row_blocks
from ..neural.process_group import ProcessGroup

__all__ = ["AllRows", "all_rows"]

MOST_ROWS, MOST_NUMBERS = 100_000, 100_000_000  # that are here, and the numbers in them
COMPARED_ROWS = 1000  # of each process, to see that no two have the same


@dataclass(frozen=True, eq=False)
class AllRows:
    """All rows of a table, and the rows and weights that are here.

    Parameters
    ----------
    part : ndarray of shape (n_part, d)
        The rows of this process, float32 or float64.
    first : int
        Place of the first of them among all rows.
    n : int
        Number of all rows.
    all_weights : ndarray of shape (n,) or None
    group : ProcessGroup
    places : ndarray of int, shape (n_here,)
        Of the rows that are here, increasing.
    X : ndarray of shape (n_here, d)
        These rows, float64.
    """

    part: np.ndarray
    first: int
    n: int
    all_weights: np.ndarray | None
    group: ProcessGroup
    places: np.ndarray
    X: np.ndarray

    @property
    def weight(self):
        """Weights of the rows that are here, shape (n_here,), or None."""
        return None if self.all_weights is None else self.all_weights[self.places]

    @property
    def are_here(self):
        """Whether no row is missing here."""
        return len(self.places) == self.n

    @property
    def beyond(self):
        """What tells them from those that are here: nothing if all are, in a process alone."""
        return () if self.are_here and self.group.size == 1 else (self.moments(lambda X: X), self.group.size)

    def take(self, index):
        """Rows at the places `index` (k,) of all, float64 of shape (k, d); every process of the group asks for them."""
        return _taken(self.part, self.first, self.group, index)

    def blocks(self):
        """Yield the rows of this process in blocks: the place of the first row, the rows and their weights."""
        for rows in row_blocks(len(self.part), 8 * self.part.shape[1]):
            X = self.part[rows].astype(np.float64)
            own = slice(self.first + rows.start, self.first + rows.stop)
            yield own.start, X, None if self.all_weights is None else self.all_weights[own]

    def moments(self, spread: Callable) -> Moments:
        """Moments of all rows after ``spread(X)``, which moves each row of a block."""
        blocks = (moments(spread(X), w) for _, X, w in self.blocks() if w is None or (w > 0.0).any())
        return reduce(add, self.group.gathered(reduce(add, blocks)))

    def with_values_of(self, holds: Callable) -> AllRows:
        """The same, joined by the first row of each value that ``holds(X)``, (n, d), does not know."""
        found = [] if self.are_here else self.group.gathered(self._first_unknown(holds))
        if not any(map(len, found)):
            return self
        places = np.union1d(self.places, np.concatenate(found))
        return replace(self, places=places, X=self.take(places))

    def _first_unknown(self, holds):
        """Places of rows of this process, the first of each unknown value of a column."""
        found: dict = {}
        for start, X, _ in self.blocks():
            for i, j in np.argwhere(~holds(X)).tolist():
                found.setdefault((j, X[i, j]), start + i)
        return np.array(sorted(found.values()), dtype=np.int64)


def all_rows(X, weight, group: ProcessGroup) -> AllRows:
    """All rows of a group, of which this process has the rows X (n_part, d) of weights (n_part,) or None.

    A ValueError if parts do not fit each other, or two processes have the same.
    """
    told = joblib.hash(X[evenly(len(X), COMPARED_ROWS)]) if group.size > 1 else None
    shapes, weights, hashes = zip(*group.gathered((X.shape, weight, told)), strict=True)
    _check_parts(shapes, weights, hashes)
    n, first = (sum(length for length, _ in some) for some in (shapes, shapes[: group.rank]))
    places = evenly(n, min(MOST_ROWS, max(1, MOST_NUMBERS // X.shape[1])))
    all_weights = None if weight is None else np.concatenate(weights)
    is_whole = len(X) == len(places) == n
    here = X.astype(np.float64, copy=False) if is_whole else _taken(X, first, group, places)
    return AllRows(X, first, n, all_weights, group, places, here)


def _check_parts(shapes, weights, hashes):
    if len({d for _, d in shapes}) > 1:
        raise ValueError(f"X has the shapes {shapes} in the processes of the group: give all of them the same columns.")
    if len({weight is None for weight in weights}) > 1:
        raise ValueError("sample_weight was given in some processes of the group and not in others: give it in all.")
    if len(set(hashes)) < len(hashes):
        raise ValueError(
            "X holds the same rows in two processes of the group: rows held out in one would be learned in the other. "
            "Give each a part of the table of its own."
        )


def _taken(part, first, group, index):
    """Rows at some places of all, which the processes that have them add to zeros."""
    if group.size == 1:
        return part[index].astype(np.float64)
    rows, own = np.zeros((len(index), part.shape[1])), (index >= first) & (index < first + len(part))
    rows[own] = part[index[own] - first]
    return group.sum_up(rows)
