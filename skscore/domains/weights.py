r"""Weights by name, and weights of which each column takes its own: bounded by a cap, or with a mean of 1.

.. math:: h_c(t) = h(\min(t, c)), \qquad \bar h_j(t) = h(t)\big/\tfrac1n\textstyle\sum_i h(t_{ij}).

The cap c is a distance in the units of X, or for each column a quantile of its distances; from the cap on the slope
is 0. As every weight is increasing, a cap v on its value is the distance cap :math:`h^{-1}(v)`.
"""

from __future__ import annotations

import numpy as np

from .concave_weights import MCP, SCAD
from .elementary_weights import (
    Arcsinh,
    BoundaryWeight,
    Cosh,
    Expm1,
    Identity,
    LogPower,
    Power,
    Sinh,
    Softplus,
    Tanh,
    TruncatedSine,
    TruncatedTangent,
)
from .reals import one_for_each_column

__all__ = ["WEIGHTS", "Capped", "MinPower", "Normalised", "resolve"]


class Capped(BoundaryWeight):
    """h(min(t, cap)): any weight made bounded, by a distance from which on all rows count alike.

    Parameters
    ----------
    weight : BoundaryWeight
        h, any weight, or an object with the methods of one.
    cap : float or array-like of shape (d,), optional
        Distance in the units of X, for all columns or for each its own.
    quantile : float, optional
        In place of `cap`: the quantile of the finite distances of a column's training rows at which it is capped.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Capped, Identity
    >>> Capped(Identity(), cap=3.0).value_and_slope(np.array([1.0, 3.0, np.inf]))
    (array([1., 3., 3.]), array([1., 0., 0.]))
    >>> Capped(Identity(), quantile=0.5).fitted(np.array([[1.0], [2.0], [7.0]])).cap
    array([2.])
    """

    def __init__(self, weight, cap=None, quantile=None):
        self.weight = weight
        self.cap = cap
        self.quantile = quantile

    def check(self, d):
        """Raise a ValueError unless one of cap and quantile is given, in range and for d columns."""
        self.weight.check(d)
        if (self.cap is None) == (self.quantile is None):
            raise ValueError(f"{self}: give cap or quantile, and not both.")
        if self.cap is None and not 0.0 < self.quantile <= 1.0:
            raise ValueError(f"Capped: quantile={self.quantile!r}; give a number in (0, 1].")
        if self.cap is not None and not (one_for_each_column(self, "cap", d) > 0.0).all():
            raise ValueError(f"Capped: cap={self.cap!r}; give positive distances.")

    def fitted(self, distance, sample_weight=None) -> Capped:
        """The weight capped at the quantile of each column of `distance` (n, d); at ∞ where no distance is finite."""
        inner = self.weight.fitted(distance, sample_weight)
        if self.quantile is None:
            return Capped(inner, self.cap)
        return Capped(inner, np.array([_finite_quantile(t, self.quantile, sample_weight) for t in distance.T]))

    def value_and_slope(self, distance):
        """h and h′ at each distance (n, d)."""
        value, slope = self.weight.value_and_slope(np.minimum(distance, self.cap))
        return value, np.where(distance < self.cap, slope, 0.0)


def _finite_quantile(t, quantile, sample_weight):
    """Quantile of the finite entries of t; a sample weight of k counts as k rows."""
    finite = np.isfinite(t)
    weight = None if sample_weight is None else sample_weight[finite]
    return np.quantile(t[finite], quantile, weights=weight, method="inverted_cdf") if finite.any() else np.inf


class Normalised(BoundaryWeight):
    """h(t) over its mean: any weight made to count every column alike, however near to the boundary its rows are.

    Parameters
    ----------
    weight : BoundaryWeight
        h, any weight, or an object with the methods of one.
    mean : float or array-like of shape (d,), default=1.0
        What h is divided by, for all columns or for each its own; a fit takes the means over its rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Identity, Normalised
    >>> weight = Normalised(Identity()).fitted(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> weight.mean
    array([ 2., 20.])
    >>> weight.value_and_slope(np.array([[1.0, 10.0]]))
    (array([[0.5, 0.5]]), array([[0.5 , 0.05]]))
    """

    def __init__(self, weight, mean=1.0):
        self.weight = weight
        self.mean = mean

    def check(self, d):
        """Raise a ValueError unless the mean is positive and for d columns."""
        self.weight.check(d)
        if not (one_for_each_column(self, "mean", d) > 0.0).all():
            raise ValueError(f"Normalised: mean={self.mean!r}; give positive numbers.")

    def fitted(self, distance, sample_weight=None) -> Normalised:
        """The weight over its mean in each column of `distance` (n, d); as it is in columns where that is 0."""
        inner = self.weight.fitted(distance, sample_weight)
        mean = np.average(inner.value_and_slope(distance)[0], axis=0, weights=sample_weight)
        return Normalised(inner, np.where(mean > 0.0, mean, 1.0))

    def value_and_slope(self, distance):
        """h and h′ at each distance (n, d)."""
        value, slope = self.weight.value_and_slope(distance)
        with np.errstate(invalid="ignore"):  # ∞/∞ of a weight without a bound, which a fit refuses
            return value / self.mean, slope / self.mean


class MinPower(BoundaryWeight):
    """h(t) = min(t, cap)^power.

    Parameters
    ----------
    power : float, default=1.0
        k, positive.
    cap : float, default=1.0
        Distance in the units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import MinPower
    >>> MinPower(power=2.0, cap=3.0).value_and_slope(np.array([1.0, np.inf]))
    (array([1., 9.]), array([2., 0.]))
    """

    def __init__(self, power=1.0, cap=1.0):
        self.power = power
        self.cap = cap

    def value_and_slope(self, distance):
        """h and h′ at each distance, both in the shape of `distance`."""
        return Capped(Power(self.power), self.cap).value_and_slope(distance)


WEIGHTS = {
    "identity": Identity,
    "power": Power,
    "min_power": MinPower,
    "log_power": LogPower,
    "mcp": MCP,
    "scad": SCAD,
    "arcsinh": Arcsinh,
    "sinh": Sinh,
    "cosh": Cosh,
    "expm1": Expm1,
    "softplus": Softplus,
    "tanh": Tanh,
    "truncated_sine": TruncatedSine,
    "truncated_tangent": TruncatedTangent,
}


def resolve(weight):
    """Weight object for its name, with default parameters, or for an object, itself."""
    return WEIGHTS[weight]() if isinstance(weight, str) else weight
