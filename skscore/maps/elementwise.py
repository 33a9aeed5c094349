"""The elementwise maps behind scikit-learn's transformers: z_j = f_j(x_j), with l_j = log |f_j'| and two derivatives.

    BoxCox           z = (x^lam - 1)/lam, x > 0              l = (lam - 1) log x
    YeoJohnson       z = +-boxcox(1 + |x|; lam or 2 - lam)   l = +-(lam - 1) log(1 + |x|)
    PiecewiseLinear  z through the points (knots, values)    l = log of the segment's slope
    NormalQuantile   z = Phi^-1(x), 0 <= x <= 1              l = -log phi(z)
    MonotoneFunction z = f(x) with known derivatives         l = log |f'|

References
----------
Box, G. E. P., & Cox, D. R. (1964). An analysis of transformations. Journal of the Royal Statistical Society B, 26(2),
211-252, equation (1).
Yeo, I.-K., & Johnson, R. A. (2000). A new family of power transformations to improve normality or symmetry. Biometrika,
87(4), 954-959, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy import special

from .algebra import Elementwise

ROUNDING = 1e-9  # of a range, by which maps before it may miss its ends


@dataclass(frozen=True)
class BoxCox(Elementwise):
    """z = (x^lam - 1)/lam, log x if lam = 0; support x > 0, image lam z + 1 > 0.

    Parameters
    ----------
    power : ndarray of shape (d,)
        lam.
    """

    power: ndarray

    @property
    def surjective(self):
        """Whether every power is 0, the logarithm."""
        return bool(np.all(self.power == 0.0))

    def contains(self, X):
        """Return whether x > 0."""
        return (X > 0.0).all(axis=1)

    def reaches(self, Z):
        """Return whether lam z + 1 > 0."""
        return (self.power * Z + 1.0 > 0.0).all(axis=1)

    def forward(self, X):
        """Return the Box-Cox transform."""
        return special.boxcox(X, self.power)

    def inverse(self, Z):
        """Return (lam z + 1)^(1/lam), exp(z) if lam = 0."""
        return special.inv_boxcox(Z, self.power)

    def log_slope(self, X):
        """Return (lam - 1) log x."""
        return (self.power - 1.0) * np.log(X)

    def log_slope_gradient(self, X):
        """Return (lam - 1) / x."""
        return (self.power - 1.0) / X

    def log_slope_curvature(self, X):
        """Return -(lam - 1) / x^2."""
        return (1.0 - self.power) / X**2


@dataclass(frozen=True)
class YeoJohnson(Elementwise):
    """z = boxcox(1 + x; lam) for x >= 0, -boxcox(1 - x; 2 - lam) for x < 0; onto R if 0 <= lam <= 2.

    Parameters
    ----------
    power : ndarray of shape (d,)
        lam.
    """

    power: ndarray

    @property
    def surjective(self):
        """Whether every power lies in [0, 2]."""
        return bool(np.all((self.power >= 0.0) & (self.power <= 2.0)))

    def _branch(self, X):
        """Return the Box-Cox power on the side of each value; x and z share their sign."""
        return np.where(X < 0.0, 2.0 - self.power, self.power)

    def reaches(self, Z):
        """Return whether |z| is a value of the Box-Cox transform of its side."""
        return (self._branch(Z) * np.abs(Z) + 1.0 > 0.0).all(axis=1)

    def forward(self, X):
        """Return the Yeo-Johnson transform."""
        return np.sign(X) * special.boxcox1p(np.abs(X), self._branch(X))

    def inverse(self, Z):
        """Return the inverse Box-Cox transform of each side."""
        return np.sign(Z) * special.inv_boxcox1p(np.abs(Z), self._branch(Z))

    def log_slope(self, X):
        """Return sign(x) (lam - 1) log(1 + |x|)."""
        return np.sign(X) * (self.power - 1.0) * np.log1p(np.abs(X))

    def log_slope_gradient(self, X):
        """Return (lam - 1) / (1 + |x|)."""
        return (self.power - 1.0) / (1.0 + np.abs(X))

    def log_slope_curvature(self, X):
        """Return -sign(x) (lam - 1) / (1 + |x|)^2."""
        return np.sign(X) * (1.0 - self.power) / (1.0 + np.abs(X)) ** 2


@dataclass(frozen=True)
class PiecewiseLinear(Elementwise):
    """z interpolates the points (knots, values) linearly; its support is the range of the knots, to rounding.

    At an inner knot the slope is the mean of both sides, at the first and the last knot that of the only segment: a
    convention for a set of measure zero on which, however, the training rows of a `QuantileTransformer` lie.

    Parameters
    ----------
    knots : ndarray of shape (m, d)
        Strictly increasing down each column, m >= 2.
    values : ndarray of shape (m,)
        Strictly increasing.
    """

    knots: ndarray
    values: ndarray
    surjective = False

    def contains(self, X):
        """Return whether x lies within the knots, as far as the maps before this one may round it."""
        beyond = np.abs(X - np.clip(X, self.knots[0], self.knots[-1]))
        return (beyond <= ROUNDING * (self.knots[-1] - self.knots[0])).all(axis=1)

    def reaches(self, Z):
        """Return whether z lies within the values."""
        return (np.clip(Z, self.values[0], self.values[-1]) == Z).all(axis=1)

    def forward(self, X):
        """Return the interpolation, held constant outside the knots."""
        return np.stack([np.interp(x, knots, self.values) for x, knots in self._columns(X)], axis=1)

    def inverse(self, Z):
        """Return the interpolation of the knots at z."""
        return np.stack([np.interp(z, self.values, knots) for z, knots in self._columns(Z)], axis=1)

    def log_slope(self, X):
        """Return the logarithm of the segment's slope, at a knot of the mean slope of its two segments."""
        return np.log(np.stack([self._mean_slope(x, knots) for x, knots in self._columns(X)], axis=1))

    def log_slope_gradient(self, X):
        """Return zeros: the slope is constant on each segment."""
        return np.zeros(X.shape)

    def log_slope_curvature(self, X):
        """Return zeros."""
        return np.zeros(X.shape)

    def _columns(self, X):
        return zip(X.T, self.knots.T, strict=True)

    def _mean_slope(self, x, knots):
        slopes = np.diff(self.values) / np.diff(knots)
        before, after = (np.clip(np.searchsorted(knots, x, side) - 1, 0, len(slopes) - 1) for side in ("left", "right"))
        return 0.5 * (slopes[before] + slopes[after])


@dataclass(frozen=True)
class NormalQuantile(Elementwise):
    """z = Phi^-1(x) for 0 <= x <= 1, with z and l held constant within `edge` of 0 and of 1.

    At x = 0 and x = 1 the quantile is infinite. Held constant on these two slivers, x has a finite, constant
    density there, of gradient zero; the image is the interval |z| <= Phi^-1(1 - edge).

    Parameters
    ----------
    edge : float
        Width of the slivers.
    """

    edge: float
    surjective = False

    def contains(self, X):
        """Return whether 0 <= x <= 1."""
        return ((X >= 0.0) & (X <= 1.0)).all(axis=1)

    def reaches(self, Z):
        """Return whether |z| <= Phi^-1(1 - edge)."""
        return (np.abs(Z) <= -special.ndtri(self.edge)).all(axis=1)

    def forward(self, X):
        """Return Phi^-1 of x clipped to [edge, 1 - edge]."""
        return special.ndtri(np.clip(X, self.edge, 1.0 - self.edge))

    def inverse(self, Z):
        """Return Phi(z)."""
        return special.ndtr(Z)

    def log_slope(self, X):
        """Return -log phi(z) = (z^2 + log 2 pi) / 2."""
        return 0.5 * (self.forward(X) ** 2 + np.log(2.0 * np.pi))

    def slope(self, X):
        """Return 1 / phi(z), zero on the slivers."""
        return self._off_slivers(X) * np.exp(self.log_slope(X))

    def log_slope_gradient(self, X):
        """Return dz/dx d(z^2/2)/dz = z / phi(z), zero on the slivers."""
        return self.forward(X) * self.slope(X)

    def log_slope_curvature(self, X):
        """Return (1 + z^2) / phi(z)^2, zero on the slivers."""
        return (1.0 + self.forward(X) ** 2) * self.slope(X) ** 2

    def _off_slivers(self, X):
        return np.abs(X - 0.5) < 0.5 - self.edge


@dataclass(frozen=True)
class MonotoneFunction(Elementwise):
    """The map z = f(x) of a `BijectiveTransformer`, strictly monotone.

    Parameters
    ----------
    func, inverse_func : callable
        f and f^-1.
    derivatives : sequence of callables
        f', f'', f''' as far as known.
    """

    func: Callable[[ndarray], ndarray]
    inverse_func: Callable[[ndarray], ndarray]
    derivatives: Sequence[Callable[[ndarray], ndarray]]
    surjective = False

    def contains(self, X):
        """Return whether f and f' are finite and f' != 0."""
        with np.errstate(all="ignore"):
            slope = self.slope(X)
            return (np.isfinite(self.func(X)) & np.isfinite(slope) & (slope != 0.0)).all(axis=1)

    def reaches(self, Z):
        """Return whether f(f^-1(z)) is z again."""
        with np.errstate(all="ignore"):
            return np.isclose(self.func(self.inverse_func(Z)), Z, rtol=1e-6, atol=1e-6).all(axis=1)

    def forward(self, X):
        """Return f(x), infinite or NaN where f is not defined."""
        with np.errstate(all="ignore"):
            return self.func(X)

    def inverse(self, Z):
        """Return f^-1(z)."""
        return self.inverse_func(Z)

    def slope(self, X):
        """Return f'."""
        return self._derivative(X, 1)

    def log_slope(self, X):
        """Return log |f'|."""
        return np.log(np.abs(self.slope(X)))

    def log_slope_gradient(self, X):
        """Return f'' / f'."""
        return self._derivative(X, 2) / self.slope(X)

    def log_slope_curvature(self, X):
        """Return f''' / f' - (f'' / f')^2."""
        return self._derivative(X, 3) / self.slope(X) - self.log_slope_gradient(X) ** 2

    def _derivative(self, X, order):
        if len(self.derivatives) < order:
            raise ValueError(
                f"derivatives holds {len(self.derivatives)} callables, but this method needs {order}: give"
                f" BijectiveTransformer f', f'', f''' up to order {order}."
            )
        return self.derivatives[order - 1](X)
