r"""The law of a row of a table from the points of the cells of its discrete columns.

A row is a box of cells (:mod:`skscore.maps.cells`), and its probability the integral of a density p of spread rows over
this box. It is computed by importance sampling at points :math:`u_m` of the unit cube that are the same in every call,

.. math:: P(\text{box}) = \int_{\text{box}} p\,dy \approx \frac1M\sum_m \frac{p(y_m)}{q(y_m)},\qquad y_m = T(u_m).

In even cells, which are narrow, q is uniform. In the cells of atoms it is the Gaussian of the spread rows within the
box, drawn one column after the other from its truncated conditionals given the columns before (Genz, 1992),

.. math:: y_j = \mu_j + s_j\,\Phi^{-1}\bigl(\Phi(\alpha) + u_j[\Phi(\beta) - \Phi(\alpha)]\bigr),\qquad
          \alpha, \beta = (\text{ends} - \mu_j)/s_j .

If p is a Gaussian of independent columns, one point is exact. The correlations of q are shrunk, so that p/q has no
heavy tail if p is wider. The mean of log(p/q) is a lower bound (Jensen).

With :math:`r_m` the share of a point m in the sum, the derivatives of log P as the cells move with their values are
those of a mixture,

.. math::

   \nabla\log P = \sum_m r_m s_m,\qquad
   v^\top\nabla^2\log P\,v = \sum_m r_m\bigl[v^\top H_m v + (s_m^\top v)^2\bigr]
      - \bigl(\textstyle\sum_m r_m s_m^\top v\bigr)^2 .

References
----------
Genz, A. (1992). Numerical computation of multivariate normal probabilities. Journal of Computational and Graphical
Statistics, 1(2), 141-149.
Hickernell, F. J. (1998). A generalized discrepancy and quadrature error bound. Mathematics of Computation, 67, 299-322.
Owen, A. B. (1998). Scrambling Sobol' and Niederreiter-Xing points. Journal of Complexity, 14(4), 466-489.
Steele, G. L., Lea, D., & Flood, C. H. (2014). Fast splittable pseudorandom number generators. OOPSLA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtri_exp, softmax
from scipy.stats import qmc

from ..formulas.moments import Moments
from .cells import Atoms, Cells

__all__ = ["CellPoints", "cell_points", "in_groups", "log_mean", "unit_points"]

# Of the correlations of the Gaussian, which must not be narrower than the density; 0.1 and 0.5 do worse.
SHRINKAGE = 0.3
SCRAMBLINGS = 16
FARTHEST = 4.0  # standard deviations: rows beyond say no more of the columns that follow


def unit_points(index, n_points):
    """Points of the unit cube for the box of each row, of shape (n, n_points, d).

    They are Sobol' points with Owen's scrambling, in the middle of the nth parts of every axis, so that one point is
    the centre, and sums of smooth functions of one column each have all but their exact mean. Of some seeds of the
    scrambling that of least centred discrepancy is taken (Hickernell, 1998), the same in every call. Rows of one
    box share their points; those of another box have these parts in another order (a digital shift), so that errors of
    different boxes do not add up.

    Parameters
    ----------
    index : ndarray of shape (n, d)
        Which cell of each column.
    n_points : int
        A power of two.
    """
    n, d = index.shape
    if n_points == 1 or d == 0:
        return np.full((n, n_points, d), 0.5)
    return ((_parts(n_points, d) ^ (_hashes(index) % np.uint64(n_points))[:, None]) + 0.5) / n_points


@lru_cache
def _parts(n_points, d):
    """Which of the nth parts of every axis each point lies in, shape (n_points, d)."""
    tried = []
    for seed in range(SCRAMBLINGS):
        u = qmc.Sobol(d, seed=np.random.default_rng(seed)).random(n_points)
        part = u.argsort(axis=0).argsort(axis=0)
        tried.append((qmc.discrepancy((part + 0.5) / n_points), seed, part))
    return min(tried)[2].astype(np.uint64)


@np.errstate(over="ignore")
def _hashes(index):
    """Numbers that look like chance, one for each column of a box (SplitMix64; Steele, Lea & Flood, 2014)."""
    box, step = np.zeros(len(index), dtype=np.uint64), np.uint64(0x9E3779B97F4A7C15)
    for column in index.astype(np.int64).astype(np.uint64).T:
        box = _mixed((box + step) ^ column)
    return _mixed(box[:, None] + np.arange(1, index.shape[1] + 1, dtype=np.uint64) * step)


def _mixed(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def in_groups(points, n_groups):
    """An order of the m points of each row in which those of a group follow each other, (n, m, d) to (n, m).

    Groups are as large as each other: sets of points are halved again and again, across the axis along which they
    spread most.

    Parameters
    ----------
    points : ndarray of shape (n, m, d)
    n_groups : int
        A power of two that divides m.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.cell_points import in_groups
    >>> in_groups(np.array([[[0.0, 0.3], [5.0, 0.2], [1.0, 0.0], [4.0, 0.1]]]), 2)
    array([[0, 2, 3, 1]])
    """
    n, m, d = points.shape
    order, n_sets = np.tile(np.arange(m), (n, 1)), 1
    while n_sets < n_groups:
        sets = np.take_along_axis(points, order[:, :, None], axis=1).reshape(n * n_sets, m // n_sets, d)
        widest = sets.var(axis=1).argmax(axis=1)
        along = np.take_along_axis(sets, widest[:, None, None], axis=2)[:, :, 0]
        order = np.take_along_axis(order.reshape(along.shape), along.argsort(axis=1, kind="stable"), axis=1)
        order, n_sets = order.reshape(n, m), 2 * n_sets
    return order


def log_mean(terms):
    """Logarithm of the mean exponential along the last axis, itself if that has one entry."""
    return terms[..., 0] if terms.shape[-1] == 1 else logsumexp(terms, axis=-1) - np.log(terms.shape[-1])


@dataclass(frozen=True, eq=False)
class CellPoints:
    """Rows of a table as the points of their cells, where a density p is known.

    Parameters
    ----------
    Y : ndarray of shape (n m, d)
        m points of each row, one row after the other.
    Z : ndarray of shape (n m, d)
        The points in the coordinates of p.
    log_volume : ndarray of shape (n, m)
        What the log-density of a point counts for that of its row: −log q, and the log-determinant of the coordinates.
    slope : ndarray of shape (n, d)
        How fast the cells move with their values; 1 but for atoms.

    Examples
    --------
    The probability of the value 0 of a fair coin, under the density N(0, 1) of its normal scores:

    >>> import numpy as np
    >>> from skscore.maps.cell_points import cell_points
    >>> from skscore.maps.cells import dequantize
    >>> from skscore.maps.dequantize import find_cells
    >>> from skscore.formulas.moments import moments
    >>> coin = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> cells = find_cells(coin)
    >>> spread = dequantize(coin, cells, np.random.default_rng(0))
    >>> points = cell_points(coin[:1], cells, moments(spread), n_points=4)
    >>> np.exp(points.log_mean(-0.5 * (points.Z[:, 0] ** 2 + np.log(2 * np.pi)))).round(3)
    array([0.5])
    """

    Y: np.ndarray
    Z: np.ndarray
    log_volume: np.ndarray
    slope: np.ndarray

    @property
    def n_points(self):
        """m."""
        return self.log_volume.shape[1]

    def mapped(self, f):
        """The same points in coordinates z = f(y), f a ``Map``."""
        log_det = f.log_det(self.Y).reshape(self.log_volume.shape)
        return CellPoints(self.Y, f.forward(self.Y), self.log_volume + log_det, self.slope)

    def repeat(self, V):
        """Directions V (n, d) or (d,) of rows as those of their points, (n m, d), along which the cells move."""
        return np.repeat(self.slope * V, self.n_points, axis=0)

    # ---- log-densities ---------------------------------------------------------------------------

    def terms(self, log_p):
        """log p/q of each point, shape (n, m), from its log-density, (n m,)."""
        return log_p.reshape(self.log_volume.shape) + self.log_volume

    def log_mean(self, log_p):
        """Log-density of each row, shape (n,), from that of its points, (n m,)."""
        return log_mean(self.terms(log_p))

    def mean_log(self, log_p):
        """Lower bound of the log-density of each row, shape (n,)."""
        return self.terms(log_p).mean(axis=1)

    def with_error(self, log_p, error):
        """`log_mean`, and what the `error` (n m,) of the points leaves in it at most."""
        return self.log_mean(log_p), (self._shares(log_p) * error.reshape(self.log_volume.shape)).sum(axis=1)

    # ---- derivatives -----------------------------------------------------------------------------

    def _shares(self, log_p):
        """r of each point, shape (n, m)."""
        return softmax(np.maximum(self.terms(log_p), np.finfo(float).min), axis=1)

    def mean_score(self, log_p, S):
        """Score of each row, shape (n, d), from those of its points in y, (n m, d)."""
        return self.slope * self.mean(log_p, S)

    def mean_curvature(self, log_p, along, curvature):
        """Second derivative of each row, shape (n,), from that of its points, and their scores along it, (n m, k).

        With several directions k it is the sum over these, of which `curvature` (n m,) is the sum already.
        """
        within = self.mean(log_p, curvature + np.square(along).sum(axis=1))
        return within - np.square(self.mean(log_p, along)).sum(axis=1)

    def mean(self, log_p, values):
        """Mean of values (n m, …) of the points, weighted by their shares."""
        if self.n_points == 1:
            return values
        of_points = values.reshape(*self.log_volume.shape, *values.shape[1:])
        return np.einsum("nm,nm...->n...", self._shares(log_p), of_points)


def cell_points(X, cells: Sequence[Cells], gaussian: Moments, n_points) -> CellPoints:
    """Return `n_points` points of the cells of each row of X.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that have cells.
    cells : sequence of d EvenCells, OwnCells, Atoms or None
        Of each column.
    gaussian : Moments
        Of spread rows.
    n_points : int
        A power of two; without discrete columns the row itself is the only point.
    """
    order = sorted(range(len(cells)), key=lambda j: isinstance(cells[j], Atoms))
    discrete = [j for j in order if cells[j] is not None]
    held: Any = cells
    if not discrete:
        return CellPoints(X, X, np.zeros((len(X), 1)), np.ones(X.shape))
    index = np.column_stack([held[j].cell_of(X[:, j]) for j in discrete])
    U = dict(zip(discrete, np.moveaxis(unit_points(index, n_points), 2, 0), strict=True))
    factor = np.linalg.cholesky(_shrunk(gaussian.correlation)[np.ix_(order, order)])
    Y, log_volume = np.repeat(X[:, None], n_points, axis=1), np.zeros((len(X), n_points))
    slope, innovations = np.ones(X.shape), np.zeros(Y.shape)
    for i, j in enumerate(order):
        mean, sd = gaussian.mean[j], gaussian.scale[j]
        given = innovations[..., :i] @ factor[i, :i]
        cell = cells[j]
        if cell is not None:
            Y[..., j] = cell.spread(X[:, j, None], U[j])
        if isinstance(cell, Atoms):
            slope[:, j] = cell.slope(X[:, j])
            atom, lower, upper = cell.cells_of(X[:, j])
            ends, given_others = (lower[atom, None], upper[atom, None]), mean + sd * given[atom]
            Y[atom, :, j], log_volume_j = _truncated_normal(*ends, given_others, sd * factor[i, i], U[j][atom])
            log_volume[atom] += log_volume_j - np.log(cell.unit)
        innovations[..., i] = np.clip(((Y[..., j] - mean) / sd - given) / factor[i, i], -FARTHEST, FARTHEST)
    Y = Y.reshape(-1, X.shape[1])
    return CellPoints(Y, Y, log_volume, slope)


def _shrunk(correlation):
    return (1.0 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(correlation))


def _truncated_normal(lower, upper, mean, sd, u):
    """Quantiles u of N(mean, sd²) between the ends, and −log of its density there, which integrates to one.

    The tail that is nearer is reckoned with by its logarithm, so that cells far from the mean keep all their digits.
    """
    a, b = (lower - mean) / sd, (upper - mean) / sd
    mirrored = a > 0.0
    a, b, u = np.where(mirrored, -b, a), np.where(mirrored, -a, b), np.where(mirrored, 1.0 - u, u)
    log_b = log_ndtr(b)
    ratio = np.exp(log_ndtr(a) - log_b)
    z = np.clip(ndtri_exp(log_b + np.log(ratio + u * (1.0 - ratio))), a, b)
    minus_log_q = log_b + np.log1p(-ratio) + 0.5 * z**2 + np.log(np.sqrt(2.0 * np.pi) * sd)
    return mean + sd * np.where(mirrored, -z, z), minus_log_q
