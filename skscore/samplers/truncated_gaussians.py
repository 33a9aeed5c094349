r"""Gaussians truncated to a domain, by their conditionals: each of them is a univariate truncated normal.

The law is :math:`p(x) \propto \exp(-\tfrac12x^\top Kx + \eta^\top x)` on the domain. Given the others,

.. math:: x_j \sim N\Bigl(x_j + \frac{(\eta - Kx)_j}{K_{jj}},\; \frac1{K_{jj}}\Bigr)

where the terms in :math:`x_j` cancel, on the part of the line along coordinate j that lies in the domain:

========================  ================================================================================
domain                    where :math:`x_j` may be
========================  ================================================================================
box                       :math:`(l_j, r_j)`
union of intervals        the intervals of column j: one is drawn by its mass, and then a point in it
polytope                  between the nearest faces, :math:`(b - Ax)_k/|A_{kj}|` away
========================  ================================================================================

All that is asked of K is a positive diagonal and, where the domain is unbounded, a finite mass.

**Tails.** A univariate draw inverts the distribution function in logarithms, and in the left tail: with
:math:`\log\Phi(z) = \log[(1 - u)\Phi(\alpha) + u\,\Phi(\beta)]` and the limits mirrored where both are positive, no
digits are lost at any number of standard deviations from the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from ..domains import Box, Halfspaces, Intervals

__all__ = ["BoxedGaussian", "GaussianInIntervals", "GaussianInPolytope", "draw_truncated_normal", "gaussian_on"]


def draw_truncated_normal(mean, scale, lower, upper, rng):
    """Normal variates within limits, one for each entry of `mean`.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Of the normal law before it is truncated.
    scale : float
        Its standard deviation.
    lower, upper : float or ndarray of shape (n,)
        Limits, perhaps infinite.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    The mean over the limit of a normal truncated far in its tail is near 1/limit:

    >>> import numpy as np
    >>> from skscore.samplers.truncated_gaussians import draw_truncated_normal
    >>> rng = np.random.default_rng(0)
    >>> x = draw_truncated_normal(np.zeros(10000), 1.0, 40.0, np.inf, rng)
    >>> round(float(x.mean() - 40.0), 4)
    0.025
    """
    side, low, high = _into_left_tail((lower - mean) / scale, (upper - mean) / scale)
    u = np.maximum(rng.random(mean.shape), 2.0**-54)  # 0 could be a draw at minus infinity
    with np.errstate(divide="ignore"):  # log 0 = -inf is the logarithm of nothing
        log_cdf = np.logaddexp(np.log1p(-u) + log_ndtr(low), np.log(u) + log_ndtr(high))
    return np.clip(mean + scale * side * ndtri_exp(log_cdf), lower, upper)


def _into_left_tail(low, high):
    """Limits that are both positive, mirrored, and −1 where they are."""
    right = low > 0.0
    return np.where(right, -1.0, 1.0), np.where(right, -high, low), np.where(right, -low, high)


def _log_mass(low, high):
    """log[Φ(high) − Φ(low)]."""
    _, low, high = _into_left_tail(low, high)
    above, below = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):  # of a limit that is infinitely far, or of an empty interval
        return above + np.log(-np.expm1(np.minimum(below - above, 0.0)))


@dataclass(frozen=True)
class _Truncated:
    """The law exp(−½xᵀKx + ηᵀx); a subclass says where it is truncated.

    Parameters
    ----------
    K : ndarray of shape (p, p)
        Symmetric, of positive diagonal.
    eta : ndarray of shape (p,)
    """

    K: np.ndarray
    eta: np.ndarray

    def heated(self, temperature):
        """The law of density p^(1/temperature)."""
        return replace(self, K=self.K / temperature, eta=self.eta / temperature)

    def conditional(self, j, columns):
        """Means (n,) and standard deviation of coordinate j given the others, before it is truncated."""
        row = self.K[j]
        return columns[j] + (self.eta[j] - row @ columns) / row[j], row[j] ** -0.5


@dataclass(frozen=True)
class BoxedGaussian(_Truncated):
    """The law on the box lower < x < upper, arrays of shape (p,), perhaps infinite."""

    lower: np.ndarray
    upper: np.ndarray

    def sweep(self, columns, rng):
        """Draw each coordinate of many chains anew; `columns` (p, n), one chain in each column, is overwritten."""
        for j in range(len(columns)):
            mean, scale = self.conditional(j, columns)
            columns[j] = draw_truncated_normal(mean, scale, self.lower[j], self.upper[j], rng)


@dataclass(frozen=True)
class GaussianInIntervals(_Truncated):
    """The law on unions of intervals: of each of p columns an array of their ends, shape (k, 2)."""

    ends: list

    def sweep(self, columns, rng):
        """Draw each coordinate of many chains anew; `columns` (p, n), one chain in each column, is overwritten."""
        for j, (low, high) in enumerate(pair.T for pair in self.ends):
            mean, scale = self.conditional(j, columns)
            mass = _log_mass((low[:, None] - mean) / scale, (high[:, None] - mean) / scale)
            chosen = (mass + rng.gumbel(size=mass.shape)).argmax(axis=0)
            columns[j] = draw_truncated_normal(mean, scale, low[chosen], high[chosen], rng)


@dataclass(frozen=True)
class GaussianInPolytope(_Truncated):
    """The law on A x < b, arrays of shapes (m, p) and (m,)."""

    A: np.ndarray
    b: np.ndarray

    def sweep(self, columns, rng):
        """Draw each coordinate of many chains anew; `columns` (p, n), one chain in each column, is overwritten."""
        room = self.b[:, None] - self.A @ columns  # (m, n), up to each face
        for j, slope in enumerate(self.A.T):
            down, up = (_least_reach(room, side * slope) for side in (-1.0, 1.0))
            drawn = draw_truncated_normal(*self.conditional(j, columns), columns[j] - down, columns[j] + up, rng)
            room -= np.outer(slope, drawn - columns[j])
            columns[j] = drawn


def _least_reach(room, slope):
    """How far a coordinate may go before it meets a face that it comes nearer to, shape (n,)."""
    ahead = slope > 0.0
    return (np.maximum(room[ahead], 0.0) / slope[ahead, None]).min(axis=0, initial=np.inf)


@singledispatch
def gaussian_on(domain, K, eta, centre):
    """The law exp(−½yᵀKy + ηᵀy) of y = x − centre, for x in a domain.

    Parameters
    ----------
    domain : Reals
    K : ndarray of shape (p, p)
    eta, centre : ndarrays of shape (p,)

    Returns
    -------
    BoxedGaussian, GaussianInIntervals, GaussianInPolytope or None
        None for a domain that has no such conditionals.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Intervals
    >>> from skscore.samplers.truncated_gaussians import gaussian_on
    >>> law = gaussian_on(Intervals([(1.0, 2.0), (4.0, 5.0)]), np.eye(1), np.zeros(1), np.ones(1))
    >>> law.ends
    [array([[0., 1.],
           [3., 4.]])]
    """


@gaussian_on.register
def _(domain: Box, K, eta, centre):
    lower, upper = (np.broadcast_to(end, eta.shape).astype(float) for end in (domain.lower, domain.upper))
    return BoxedGaussian(K, eta, lower - centre, upper - centre)


@gaussian_on.register
def _(domain: Intervals, K, eta, centre):
    return GaussianInIntervals(K, eta, [ends - c for ends, c in zip(domain.columns(len(eta)), centre, strict=True)])


@gaussian_on.register
def _(domain: Halfspaces, K, eta, centre):
    A = np.asarray(domain.A, float)
    return GaussianInPolytope(K, eta, A, np.asarray(domain.b, float) - A @ centre)
