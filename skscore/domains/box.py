r"""Domains whose coordinates are bounded one by one: boxes, the orthant, unions of intervals.

The bijection from :math:`R^d` onto a box works coordinate by coordinate, between limits l and r:

==================  ===========================================  =======================================
limits              :math:`x = \varphi(u)`                       :math:`(\log|\varphi'|)'`
==================  ===========================================  =======================================
none                :math:`u`                                    0
lower               :math:`l + e^u`                              1
upper               :math:`r - e^{-u}`                           -1
both                :math:`l + (r - l)/(1 + e^{-u})`             :math:`1 - 2/(1 + e^{-u})`
==================  ===========================================  =======================================

A union of intervals becomes one interval when its gaps are closed: each interval moves down by the total length of the
gaps below it. That map has derivative 1 except at the seams, a null set, at which it jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from .reals import Reals, nearest_end, one_for_each_column

__all__ = ["Box", "Intervals", "Orthant"]


class Box(Reals):
    """The box {x : lower < x < upper}; limits may be infinite.

    Parameters
    ----------
    lower, upper : float or array-like of shape (d,), default=0 and 1
        Limits of every coordinate, in the units of X; ``-inf`` and ``inf`` mean that there is no limit.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Box
    >>> distance, gradient = Box(0.0, 4.0).boundary_distance(np.array([[1.0, 2.0]]))
    >>> distance, gradient
    (array([1.]), array([[1., 0.]]))
    """

    has_boundary = True

    def __init__(self, lower: ArrayLike = 0.0, upper: ArrayLike = 1.0) -> None:
        self.lower = lower
        self.upper = upper

    @classmethod
    def examples(cls) -> list[tuple[Any, int]]:
        """Every kind of limits."""
        mixed = cls([-np.inf, 0.0, -1.0, -np.inf], [np.inf, np.inf, 1.0, 5.0])
        return [(cls(-1.0, 2.0), 4), (mixed, 4)]

    def ends(self, d: int) -> tuple[ndarray, ndarray] | None:
        """Lower and upper limits of d columns."""
        lower, upper = (np.broadcast_to(np.asarray(limit, float), d) for limit in (self.lower, self.upper))
        return lower, upper

    def _limits(self, X: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
        """Return the lower and upper limits, and which of them are finite, each of shape (d,)."""
        low, high = (np.broadcast_to(np.asarray(limit, float), X.shape[1:]) for limit in (self.lower, self.upper))
        return low, high, np.isfinite(low), np.isfinite(high)

    def check(self, d: int) -> None:
        """Raise a ValueError unless lower < upper in each of d columns."""
        lower, upper = (one_for_each_column(self, name, d, infinite=True) for name in ("lower", "upper"))
        if not (lower < upper).all():
            raise ValueError(f"{self}: Box needs lower < upper in every column.")

    def rescaled(self, scale: ndarray) -> Box:
        """Return the box of x/scale, for scales of shape (d,)."""
        return Box(np.asarray(self.lower, float) / scale, np.asarray(self.upper, float) / scale)

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of X (n, d) lies strictly inside, shape (n,)."""
        low, high, _, _ = self._limits(X)
        return np.all((X > low) & (X < high), axis=1)

    def coordinate_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance of each coordinate to its nearer limit, and its derivative, both of shape (n, d)."""
        low, high, _, _ = self._limits(X)
        return nearest_end(X - low, high - X)

    def project(self, X: ndarray) -> ndarray:
        """Return the nearest point of the closed box to each row, shape (n, d)."""
        low, high, _, _ = self._limits(X)
        return np.clip(X, low, high)

    def within(self, X: ndarray) -> ndarray:
        """Move rows that lie on the limits, or beyond them, inside; shape (n, d)."""
        low, high, _, _ = self._limits(X)
        return np.clip(X, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))

    def to_reals(self, X: ndarray) -> ndarray:
        """Return φ⁻¹ of each row inside the box, shape (n, d)."""
        low, high, has_low, has_high = self._limits(X)
        U = X.copy()
        for j in np.flatnonzero(has_low | has_high):
            above = np.log(X[:, j] - low[j]) if has_low[j] else 0.0
            below = np.log(high[j] - X[:, j]) if has_high[j] else 0.0
            U[:, j] = above - below
        return U

    def from_reals(self, U: ndarray) -> ndarray:
        """Return φ of each row, shape (n, d)."""
        low, high, has_low, has_high = self._limits(U)
        X = U.copy()
        both, lower, upper = has_low & has_high, has_low & ~has_high, ~has_low & has_high
        X[:, both] = low[both] + (high - low)[both] * expit(U[:, both])
        X[:, lower] = low[lower] + np.exp(U[:, lower])
        X[:, upper] = high[upper] - np.exp(-U[:, upper])
        return X

    def log_det(self, U: ndarray) -> ndarray:
        """Return ``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        return self._log_derivative(U)[0].sum(axis=1)

    def pull_score(self, U: ndarray, score: ndarray) -> ndarray:
        """Return φ′ ∘ s + (log φ′)′, shape (n, d)."""
        log_derivative, its_derivative = self._log_derivative(U)
        return np.exp(log_derivative) * score + its_derivative

    def _log_derivative(self, U: ndarray) -> tuple[ndarray, ndarray]:
        """Return ``log |φ′|`` of each coordinate, and its derivative, both of shape (n, d)."""
        low, high, has_low, has_high = self._limits(U)
        both = has_low & has_high
        side = np.where(has_low ^ has_high, np.where(has_low, 1.0, -1.0), 0.0)  # +1: a lower limit alone
        value, derivative = side * U, np.broadcast_to(side, U.shape).copy()
        value[:, both] = np.log((high - low)[both]) + log_expit(U[:, both]) + log_expit(-U[:, both])
        derivative[:, both] = 1.0 - 2.0 * expit(U[:, both])
        return value, derivative


class Orthant(Box):
    """The positive orthant {x : x > 0}.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Orthant
    >>> Orthant().contains(np.array([[1.0, 2.0], [1.0, -2.0]]))
    array([ True, False])
    """

    def __init__(self) -> None:
        super().__init__(lower=0.0, upper=np.inf)

    @classmethod
    def examples(cls) -> list[tuple[Any, int]]:
        """The only one."""
        return [(cls(), 4)]


class Intervals(Reals):
    """Rows whose coordinates each lie in one of several intervals.

    Parameters
    ----------
    intervals : list of (lower, upper), or list of d such lists
        Disjoint open intervals, in the units of X: the same for all coordinates, or a list for each coordinate.
        ``-inf`` and ``inf`` mean that there is no limit.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Intervals
    >>> outer = Intervals([(-np.inf, -1.0), (1.0, np.inf)])
    >>> outer.contains(np.array([[-2.0, 3.0], [0.0, 3.0]]))
    array([ True, False])
    >>> outer.coordinate_distance(np.array([[-2.0, 4.0]]))
    (array([[1., 3.]]), array([[-1.,  1.]]))
    """

    has_boundary = True

    def __init__(self, intervals: Sequence[Any]) -> None:
        self.intervals = intervals

    @classmethod
    def examples(cls) -> list[tuple[Any, int]]:
        """Intervals that columns share, and those of each."""
        shared = [(1.0, np.inf), (-np.inf, -1.0), (-0.5, 0.5)]
        of_each = [[(-1.0, 2.0)], [(-np.inf, np.inf)], [(0.0, 1.0), (1.5, 3.0)], [(-np.inf, 0.0), (0.3, 0.4)]]
        return [(cls(shared), 4), (cls(of_each), 4)]

    def ends(self, d: int) -> tuple[ndarray, ndarray] | None:
        """Ends of the outermost intervals."""
        return self.hull(d).ends(d)

    def columns(self, d: int) -> list[ndarray]:
        """Return the sorted intervals of each of d columns, arrays of shape (k, 2)."""
        shared = np.ndim(self.intervals[0][0]) == 0
        columns = [np.asarray(own, float) for own in ([self.intervals] * d if shared else self.intervals)]
        return [ends[ends[:, 0].argsort()] for ends in columns]

    def hull(self, d: int) -> Box:
        """Return the smallest box of d columns that contains the intervals."""
        pieces = self.columns(d)
        return Box([ends[0, 0] for ends in pieces], [ends[-1, 1] for ends in pieces])

    def check(self, d: int) -> None:
        """Raise a ValueError unless each of d columns has disjoint intervals."""
        try:
            columns = self.columns(d)
        except (TypeError, ValueError, IndexError):
            raise ValueError(f"{self}: give a list of (lower, upper), or one such list for each column.") from None
        if len(columns) != d:
            raise ValueError(f"{self}: intervals of {len(columns)} columns; give those of all {d}, or one shared list.")
        for j, ends in enumerate(columns):
            if ends.shape[1:] != (2,) or not ((ends[:, 0] < ends[:, 1]).all() and (ends[:-1, 1] <= ends[1:, 0]).all()):
                raise ValueError(
                    f"{self}: column {j} needs pairs (lower, upper) with lower < upper that do not overlap; join those "
                    "that do."
                )

    def rescaled(self, scale: ndarray) -> Intervals:
        """Return the intervals of x/scale, for scales of shape (d,)."""
        columns = self.columns(len(scale))
        return Intervals([[tuple(pair / s) for pair in ends] for ends, s in zip(columns, scale, strict=True)])

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of X (n, d) lies strictly inside, shape (n,)."""
        inside = [
            ((x[:, None] > ends[:, 0]) & (x[:, None] < ends[:, 1])).any(axis=1)
            for x, ends in zip(X.T, self.columns(X.shape[1]), strict=True)
        ]
        return np.logical_and.reduce(inside)

    def coordinate_distance(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return the distance of each coordinate to the nearest end, negative between intervals, and its derivative."""
        distance, slope = np.empty_like(X), np.empty_like(X)
        for j, ends in enumerate(self.columns(X.shape[1])):
            low, high = self._nearest_interval(X[:, j], ends).T
            distance[:, j], slope[:, j] = nearest_end(X[:, j] - low, high - X[:, j])
        return distance, slope

    def project(self, X: ndarray) -> ndarray:
        """Return the nearest point of the closure to each row, shape (n, d)."""
        columns = zip(X.T, self.columns(X.shape[1]), strict=True)
        return np.column_stack([np.clip(x, *self._nearest_interval(x, ends).T) for x, ends in columns])

    def within(self, X: ndarray) -> ndarray:
        """Move rows that lie on the ends, or in the gaps, inside the nearest interval; shape (n, d)."""
        columns = [self._nearest_interval(x, ends).T for x, ends in zip(X.T, self.columns(X.shape[1]), strict=True)]
        low, high = (np.column_stack(side) for side in zip(*columns, strict=True))
        return np.clip(X, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))

    def to_reals(self, X: ndarray) -> ndarray:
        """Return φ⁻¹ of each row inside, shape (n, d)."""
        pieces = self.columns(X.shape[1])
        closed = [x - _left_out(ends)[_interval_index(x, ends[:, 0])] for x, ends in zip(X.T, pieces, strict=True)]
        return _without_gaps(pieces).to_reals(np.column_stack(closed))

    def from_reals(self, U: ndarray) -> ndarray:
        """Return φ of each row, shape (n, d)."""
        pieces = self.columns(U.shape[1])
        closed = _without_gaps(pieces).from_reals(U)
        opened = [
            y + _left_out(ends)[_interval_index(y, ends[:, 0] - _left_out(ends))]
            for y, ends in zip(closed.T, pieces, strict=True)
        ]
        return np.column_stack(opened)

    def log_det(self, U: ndarray) -> ndarray:
        """Return ``log |det ∂x/∂u|`` at each row of U, shape (n,)."""
        return _without_gaps(self.columns(U.shape[1])).log_det(U)

    def pull_score(self, U: ndarray, score: ndarray) -> ndarray:
        """Return φ′ ∘ s + (log φ′)′, shape (n, d)."""
        return _without_gaps(self.columns(U.shape[1])).pull_score(U, score)

    @staticmethod
    def _nearest_interval(x: ndarray, ends: ndarray) -> ndarray:
        """Return the ends of the interval that contains each x (n,), or else of the nearest one, shape (n, 2)."""
        depth = np.minimum(x[:, None] - ends[:, 0], ends[:, 1] - x[:, None])
        return ends[depth.argmax(axis=1)]


def _left_out(ends: ndarray) -> ndarray:
    """Return the total length of the gaps below each of k intervals (k, 2), shape (k,)."""
    return np.append(0.0, np.cumsum(ends[1:, 0] - ends[:-1, 1]))


def _interval_index(x: ndarray, starts: ndarray) -> ndarray:
    """Return the index of the interval that contains each x (n,), given where the intervals start."""
    return np.maximum(np.searchsorted(starts, x, side="right") - 1, 0)


def _without_gaps(pieces: list[ndarray]) -> Box:
    """Return the box that is left when the gaps between the intervals of each column are closed."""
    return Box([ends[0, 0] for ends in pieces], [ends[-1, 1] - _left_out(ends)[-1] for ends in pieces])
