r"""Weights whose constants differ between columns: bounded by a cap, or divided by their means.

.. math:: h_c(t) = h(\min(t, c)), \qquad \bar h_j(t) = h(t)\big/\tfrac1n\textstyle\sum_i h(t_{ij}).

The cap c is a distance in the units of X, or for each column a quantile of its distances; beyond the cap the derivative
is 0. As every weight is increasing, a cap v on its value is the distance cap :math:`h^{-1}(v)`.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from ..formulas.moments import row_blocks
from .reals import one_for_each_column
from .weights import BoundaryWeight

__all__ = ["Capped", "Normalised"]


class Capped(BoundaryWeight):
    """The bounded weight h(min(t, cap)): all rows farther from the boundary than the cap have the same weight.

    Parameters
    ----------
    weight : BoundaryWeight
        h: any weight, or an object with the same methods.
    cap : float or array-like of shape (d,), optional
        Distance in the units of X: one for all columns, or one for each column.
    quantile : float, optional
        Instead of `cap`: the cap of a column is this quantile of the finite distances of its training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Capped, Power
    >>> Capped(Power(), cap=3.0).value_and_slope(np.array([1.0, 3.0, np.inf]))
    (array([1., 3., 3.]), array([1., 0., 0.]))
    >>> Capped(Power(), quantile=0.5).fitted(np.array([[1.0], [2.0], [7.0]])).cap
    array([2.])
    """

    def __init__(self, weight: BoundaryWeight, cap: ArrayLike | None = None, quantile: float | None = None) -> None:
        self.weight = weight
        self.cap = cap
        self.quantile = quantile

    def check(self, d: int) -> None:
        """Raise a ValueError unless exactly one of cap and quantile is given, in range and for d columns."""
        self.weight.check(d)
        if (self.cap is None) == (self.quantile is None):
            raise ValueError(f"{self}: give cap or quantile, and not both.")
        if self.quantile is not None and not 0.0 < self.quantile <= 1.0:
            raise ValueError(f"Capped: quantile={self.quantile!r}; give a number in (0, 1].")
        if self.cap is not None and not (one_for_each_column(self, "cap", d) > 0.0).all():
            raise ValueError(f"Capped: cap={self.cap!r}; give positive distances.")

    def fitted(self, distance: ndarray, sample_weight: ndarray | None = None) -> Capped:
        """Return the weight with caps for the columns of `distance` (n, d); ∞ if a column has no finite distance."""
        inner = self.weight.fitted(distance, sample_weight)
        if self.quantile is None:
            return Capped(inner, self.cap)
        return Capped(inner, np.array([_finite_quantile(t, self.quantile, sample_weight) for t in distance.T]))

    def value_and_slope(self, distance: ndarray) -> tuple[ndarray, ndarray]:
        """Return h and h′ at each distance (n, d)."""
        if self.cap is None:
            raise ValueError(f"{self}: the cap is a quantile of training distances; call fitted(distance) first.")
        cap = np.asarray(self.cap, dtype=float)
        value, slope = self.weight.value_and_slope(np.minimum(distance, cap))
        return value, np.where(distance < cap, slope, 0.0)


def _finite_quantile(t: ndarray, quantile: float, sample_weight: ndarray | None) -> float:
    """Return the quantile of the finite entries of t; a sample weight of k counts as k rows."""
    finite = np.isfinite(t)
    weight = None if sample_weight is None else sample_weight[finite]
    return np.quantile(t[finite], quantile, weights=weight, method="inverted_cdf") if finite.any() else np.inf


class Normalised(BoundaryWeight):
    """The weight h(t) divided by its mean: every column counts alike, however near its rows are to the boundary.

    Parameters
    ----------
    weight : BoundaryWeight
        h: any weight, or an object with the same methods.
    mean : float or array-like of shape (d,), default=1.0
        Divisor of h: one for all columns, or one for each column; `fitted` takes the means over the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Normalised, Power
    >>> weight = Normalised(Power()).fitted(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> weight.mean
    array([ 2., 20.])
    >>> weight.value_and_slope(np.array([[1.0, 10.0]]))
    (array([[0.5, 0.5]]), array([[0.5 , 0.05]]))
    """

    def __init__(self, weight: BoundaryWeight, mean: ArrayLike = 1.0) -> None:
        self.weight = weight
        self.mean = mean

    def check(self, d: int) -> None:
        """Raise a ValueError unless the mean is positive and for d columns."""
        self.weight.check(d)
        if not (one_for_each_column(self, "mean", d) > 0.0).all():
            raise ValueError(f"Normalised: mean={self.mean!r}; give positive numbers.")

    def fitted(self, distance: ndarray, sample_weight: ndarray | None = None) -> Normalised:
        """Return the weight with the means of the columns of `distance` (n, d); a mean of 0 is replaced by 1."""
        inner = self.weight.fitted(distance, sample_weight)
        total, n = np.zeros(distance.shape[1]), 0.0
        for rows in row_blocks(len(distance), 8 * distance.shape[1]):
            value, _ = inner.value_and_slope(distance[rows])
            weight = np.ones(len(value)) if sample_weight is None else sample_weight[rows]
            total, n = total + weight @ value, n + weight.sum()
        mean = total / n
        return Normalised(inner, np.where(mean > 0.0, mean, 1.0))

    def value_and_slope(self, distance: ndarray) -> tuple[ndarray, ndarray]:
        """Return h and h′ at each distance (n, d)."""
        value, slope = self.weight.value_and_slope(distance)
        with np.errstate(invalid="ignore"):  # ∞/∞ of an unbounded weight, which a fit refuses
            return value / np.asarray(self.mean), slope / np.asarray(self.mean)
