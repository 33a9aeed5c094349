r"""Gaussians truncated to a domain, drawn by their conditionals, which are univariate truncated normals.

The density is :math:`p(x) \propto \exp(-\tfrac12x^\top Kx + \eta^\top x)` on the domain. Given the others,

.. math:: x_j \sim N\Bigl(x_j + \frac{(\eta - Kx)_j}{K_{jj}},\; \frac1{K_{jj}}\Bigr)

truncated to the part of the line along coordinate j that lies in the domain (the terms in :math:`x_j` cancel):

========================  ================================================================================
domain                    values of :math:`x_j`
========================  ================================================================================
box                       :math:`(l_j, r_j)`
union of intervals        the intervals of column j: one is drawn by its mass, and then a point in it
polytope                  between the nearest faces, at distances :math:`(b - Ax)_k/|A_{kj}|`
========================  ================================================================================

K needs a positive diagonal and, if the domain is unbounded, a finite mass.

**Tails.** A univariate draw inverts the distribution function in logarithms, and in the left tail:
:math:`\log\Phi(z) = \log[(1 - u)\Phi(\alpha) + u\,\Phi(\beta)]`, with both limits mirrored if both are positive. No
digits are lost at any number of standard deviations from the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Self

import numpy as np
from numpy import ndarray
from scipy.special import log_ndtr, ndtri_exp

from ..domains import Box, Halfspaces, Intervals, Reals

__all__ = ["GaussianInIntervals", "GaussianInPolytope", "draw_truncated_normal", "gaussian_on"]


def draw_truncated_normal(
    mean: ndarray, scale: float, lower: float | ndarray, upper: float | ndarray, rng: np.random.Generator
) -> ndarray:
    """Draw normal variates within limits, one for each entry of `mean`.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Mean of the normal distribution before truncation.
    scale : float
        Its standard deviation.
    lower, upper : float or ndarray of shape (n,)
        Limits; they may be infinite.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    A normal variate truncated far in its tail exceeds the limit by 1/limit on average:

    >>> import numpy as np
    >>> from skscore.samplers.truncated_gaussians import draw_truncated_normal
    >>> rng = np.random.default_rng(0)
    >>> x = draw_truncated_normal(np.zeros(10000), 1.0, 40.0, np.inf, rng)
    >>> round(float(x.mean() - 40.0), 4)
    0.025
    """
    side, low, high = _into_left_tail((lower - mean) / scale, (upper - mean) / scale)
    u = np.maximum(rng.random(mean.shape), 2.0**-54)  # 0 could be a draw at minus infinity
    with np.errstate(divide="ignore"):  # log 0 = -inf is the logarithm of an empty tail
        log_cdf = np.logaddexp(np.log1p(-u) + log_ndtr(low), np.log(u) + log_ndtr(high))
    return np.clip(mean + scale * side * ndtri_exp(log_cdf), lower, upper)


def _into_left_tail(low: Any, high: Any) -> tuple[ndarray, ndarray, ndarray]:
    """Mirror limits that are both positive; return the sign (−1 if mirrored) and the limits."""
    right = low > 0.0
    return np.where(right, -1.0, 1.0), np.where(right, -high, low), np.where(right, -low, high)


def _log_mass(low: ndarray, high: ndarray) -> ndarray:
    """Return log[Φ(high) − Φ(low)]."""
    _, low, high = _into_left_tail(low, high)
    above, below = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):  # for an infinite limit or an empty interval
        return above + np.log(-np.expm1(np.minimum(below - above, 0.0)))


@dataclass(frozen=True)
class _Truncated:
    """The density exp(−½xᵀKx + ηᵀx); a subclass truncates it.

    Parameters
    ----------
    K : ndarray of shape (p, p)
        Symmetric, with a positive diagonal.
    eta : ndarray of shape (p,)
    """

    K: ndarray
    eta: ndarray

    def heated(self, temperature: float) -> Self:
        """Return the density p^(1/temperature)."""
        return replace(self, K=self.K / temperature, eta=self.eta / temperature)

    def conditional(self, j: int, columns: ndarray) -> tuple[ndarray, float]:
        """Return the means (n,) and standard deviation of coordinate j given the others, before truncation."""
        row = self.K[j]
        return columns[j] + (self.eta[j] - row @ columns) / row[j], row[j] ** -0.5


@dataclass(frozen=True)
class GaussianInIntervals(_Truncated):
    """The density on a box, or on unions of intervals: the ends of the intervals of each column, arrays (k, 2)."""

    ends: list[ndarray]

    def sweep(self, columns: ndarray, rng: np.random.Generator) -> None:
        """Draw each coordinate of many chains anew; `columns` (p, n), one chain in each column, is overwritten."""
        for j, ends in enumerate(self.ends):
            mean, scale = self.conditional(j, columns)
            low, high = _draw_interval(ends, mean, scale, rng)
            columns[j] = draw_truncated_normal(mean, scale, low, high, rng)


def _draw_interval(ends: ndarray, mean: ndarray, scale: float, rng: np.random.Generator) -> Any:
    """Return the ends of an interval for each mean (n,), drawn with probability proportional to its mass."""
    if len(ends) == 1:
        return ends[0]
    low, high = ends.T
    mass = _log_mass((low[:, None] - mean) / scale, (high[:, None] - mean) / scale)
    chosen = (mass + rng.gumbel(size=mass.shape)).argmax(axis=0)
    return low[chosen], high[chosen]


@dataclass(frozen=True)
class GaussianInPolytope(_Truncated):
    """The density on A x < b, arrays of shapes (m, p) and (m,)."""

    A: ndarray
    b: ndarray

    def sweep(self, columns: ndarray, rng: np.random.Generator) -> None:
        """Draw each coordinate of many chains anew; `columns` (p, n), one chain in each column, is overwritten."""
        slack = self.b[:, None] - self.A @ columns  # (m, n), of each face
        for j, a in enumerate(self.A.T):
            down, up = (_least_reach(slack, side * a) for side in (-1.0, 1.0))
            mean, scale = self.conditional(j, columns)
            drawn = draw_truncated_normal(mean, scale, columns[j] - down, columns[j] + up, rng)
            slack -= np.outer(a, drawn - columns[j])
            columns[j] = drawn


def _least_reach(slack: ndarray, a: ndarray) -> ndarray:
    """Return the distance of a coordinate to the first face ahead, shape (n,)."""
    ahead = a > 0.0
    return (np.maximum(slack[ahead], 0.0) / a[ahead, None]).min(axis=0, initial=np.inf)


@singledispatch
def gaussian_on(
    domain: Reals, K: ndarray, eta: ndarray, centre: ndarray
) -> GaussianInIntervals | GaussianInPolytope | None:
    """Return the density exp(−½yᵀKy + ηᵀy) of y = x − centre, for x in a domain.

    Parameters
    ----------
    domain : Reals
    K : ndarray of shape (p, p)
    eta, centre : ndarrays of shape (p,)

    Returns
    -------
    GaussianInIntervals, GaussianInPolytope or None
        None if the conditionals on this domain are not known.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Intervals
    >>> from skscore.samplers.truncated_gaussians import gaussian_on
    >>> gaussian = gaussian_on(Intervals([(1.0, 2.0), (4.0, 5.0)]), np.eye(1), np.zeros(1), np.ones(1))
    >>> gaussian.ends
    [array([[0., 1.],
           [3., 4.]])]
    """
    return None


@gaussian_on.register
def _(domain: Box, K: ndarray, eta: ndarray, centre: ndarray) -> GaussianInIntervals:
    lower, upper = (np.broadcast_to(end, eta.shape).astype(float) - centre for end in (domain.lower, domain.upper))
    return GaussianInIntervals(K, eta, list(np.column_stack([lower, upper])[:, None]))


@gaussian_on.register
def _(domain: Intervals, K: ndarray, eta: ndarray, centre: ndarray) -> GaussianInIntervals:
    return GaussianInIntervals(K, eta, [ends - c for ends, c in zip(domain.columns(len(eta)), centre, strict=True)])


@gaussian_on.register
def _(domain: Halfspaces, K: ndarray, eta: ndarray, centre: ndarray) -> GaussianInPolytope:
    A = np.asarray(domain.A, float)
    return GaussianInPolytope(K, eta, A, np.asarray(domain.b, float) - A @ centre)
