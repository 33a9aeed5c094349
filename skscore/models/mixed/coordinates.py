r"""A density of rows in other coordinates of their numbers.

Each numeric column has a coordinate :math:`u_j = f_j(t_j((l_j(x_j) - m_j)/s_j))`, in which a density p_U is fitted:

.. math:: \log p(c_T, x_B \mid c_S, x_A) = \log p_U(c_T, u_B \mid c_S, u_A)
          + \sum_{j \in B}\bigl[\log l_j' + \log t_j' + \log f_j' - \log s_j\bigr].

A value of a column that has cells stands for its cell: of one step around it in an evenly spaced column. Its density is
its probability over the width of the cell, the mean over the cell; what is known of such a column is its value. The
mean is that of many points x, the same in every call, which are dealt into groups g of one size, small in coordinates
in which numbers given levels are white. The density is evaluated at the mean :math:`\bar x_g` of each group; around it,
it follows a Gaussian :math:`\varphi` of u given levels,

.. math:: \frac1n \sum_x p(x) \approx \frac1n \sum_g p(\bar x_g) \sum_{x \in g} \frac{\varphi(x)}{\varphi(\bar x_g)} .

Points that are even along all columns do worse: where columns all but determine each other, p changes fast along the
one direction in which a cell is wide in white coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from ...formulas.moments import row_blocks
from ...maps.algebra import Elementwise
from ...maps.cell_points import in_groups, log_mean, unit_points
from ...maps.cells import EvenCells, OwnCells
from ...maps.limits import Limits
from ...maps.stretch import Stretch
from .rows import CellMask, RowDensity, Rows

__all__ = ["Coordinates", "MovedRows"]

BLOCK = 1 << 18  # rows, or points of their cells, at a time
TERMS = 1 << 16  # numbers that are moved at a time
GROUP = 16  # points of a cell behind each of those at which a density is evaluated


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The map x ↦ u of numeric columns; NaN stays NaN.

    Parameters
    ----------
    location, scale : ndarray of shape (p,)
        m and s.
    shape : Elementwise or None
        f; None is the identity.
    limits : Limits or None
        l, which takes columns between limits onto all of R; None is the identity.
    stretch : Stretch or None
        t, which makes room where values heap up; None is the identity.
    """

    location: np.ndarray
    scale: np.ndarray
    shape: Elementwise | None = None
    limits: Limits | None = None
    stretch: Stretch | None = None

    def _standardised(self, X):
        return ((X if self.limits is None else self.limits.forward(X)) - self.location) / self.scale

    @property
    def _after(self):
        """The maps of standardised numbers."""
        return [f for f in (self.stretch, self.shape) if f is not None]

    def forward(self, X):
        """u of numbers (n, p)."""
        U = np.empty(X.shape)
        for rows in _blocks(X):
            U[rows] = reduce(lambda Z, f: f.forward(Z), self._after, self._standardised(X[rows]))
        return U

    def inverse(self, U):
        """x of coordinates (n, p)."""
        L = self.location + self.scale * reduce(lambda Z, f: f.inverse(Z), reversed(self._after), U)
        return L if self.limits is None else self.limits.inverse(L)

    def log_slopes(self, X):
        """Sum of log du/dx over the numbers that are in each row of X (n, p), shape (n,)."""
        total = np.empty(len(X))
        for rows in _blocks(X):
            total[rows] = np.where(np.isnan(X[rows]), 0.0, self.log_slope(X[rows])).sum(axis=1)
        return total

    def log_slope(self, X):
        """log du/dx of numbers (n, p), shape (n, p)."""
        return self.moved(X)[1]

    def moved(self, X):
        """Coordinates u of numbers (n, p), and log du/dx there: each map is passed once for both."""
        slope = np.broadcast_to(-np.log(self.scale), X.shape)
        if self.limits is not None:
            slope = slope + self.limits.log_slope(X)
        Z = self._standardised(X)
        for f in self._after:
            Z, steepness = f.moved(Z)
            slope = slope + steepness
        return Z, slope


def _blocks(X):
    """Blocks of rows of numbers."""
    return row_blocks(len(X), 1 + X.shape[1], TERMS)


class _Points(NamedTuple):
    """Points of the cells of rows, and the groups behind them.

    Attributes
    ----------
    centres : Rows
        The points x̄, their numbers in coordinates u, those of a row one after the other.
    slope : ndarray of shape (n m, p)
        Logarithms of du/dx there.
    around, slopes : ndarray of shape (n m, k, p)
        Coordinates and logarithms of slopes of the k points of each group.
    """

    centres: Rows
    slope: np.ndarray
    around: np.ndarray
    slopes: np.ndarray


@dataclass(frozen=True, eq=False)
class MovedRows:
    """The density of rows whose numbers have a density in other coordinates: a ``RowDensity``.

    Parameters
    ----------
    inner : RowDensity
        p_U.
    coordinates : Coordinates
    cells : sequence of p EvenCells, OwnCells or None
        Of each numeric column, None if it is continuous.
    n_points : int
        Of the cells of a row, a power of two.
    gaussian : ConditionalGaussian or None
        φ, of u; None is flat.
    """

    inner: RowDensity
    coordinates: Coordinates
    cells: Sequence[EvenCells | OwnCells | None]
    n_points: int = 1
    gaussian: Any = None

    @property
    def layout(self):
        """The columns."""
        return self.inner.layout

    def log_prob(self, rows, target, given):
        """log p(c_T, x_T | c_S, x_S), shape (n,)."""
        log_p, spread = np.empty(rows.n), target.numbers[:, [j for j, _ in self._with_cells]].any(axis=1)
        for places, *sizes in ((np.flatnonzero(~spread), 1, 1), (np.flatnonzero(spread), self.n_points, GROUP)):
            for some in (places[block] for block in row_blocks(len(places), sizes[0] * sizes[1], BLOCK)):
                few, asked, known = rows.at(some), target.at(some), given.at(some)
                points = self._points(few, asked, known, *sizes)
                log_p[some] = self._means(points, [asked], known)[0]
        return log_p

    def log_marginals(self, rows, targets):
        """log p(c_T, x_T) of each of some masks T of the same rows, shape (len(targets), n).

        The points of a row serve every mask.
        """
        log_p = np.empty((len(targets), rows.n))
        for some in row_blocks(rows.n, self.n_points * GROUP, BLOCK):
            few = rows.at(some)
            points = self._points(few, few.known, few.known.none, self.n_points, GROUP)
            for together in row_blocks(len(targets), few.n * self.n_points, BLOCK):
                asked = [target.at(some) for target in targets[together]]
                log_p[together, some] = self._means(points, asked, few.known.none)
        return log_p

    def _means(self, points, targets, given):
        """Log-density of the rows of some points, for each mask, shape (len(targets), n)."""
        n_points = points.centres.n // len(given.codes)
        asked, known = [target.repeat(n_points) for target in targets], given.repeat(n_points)
        log_volume = np.concatenate([self._log_volume(points, target, known) for target in asked])
        every, known = (CellMask(*map(np.concatenate, zip(*m, strict=True))) for m in (asked, [known] * len(asked)))
        log_p = self.inner.log_prob(points.centres.at(np.tile(np.arange(len(points.slope)), len(asked))), every, known)
        return log_mean((log_p + log_volume).reshape(len(asked), -1, n_points))

    @property
    def _with_cells(self) -> list[tuple[int, EvenCells | OwnCells]]:
        """The columns that have cells."""
        return [(j, cell) for j, cell in enumerate(self.cells) if cell is not None]

    def _points(self, rows, target, given, n_points, size):
        """The points of the cells that are asked for, in groups of a size; other numbers are as they are."""
        shape = (rows.n, n_points * size, rows.numbers.shape[1])
        even = self._even_points(rows.numbers, target.numbers, shape[1])
        around, slopes = self.coordinates.moved(even.reshape(shape[0] * shape[1], shape[2]))
        around, slopes = around.reshape(shape), slopes.reshape(shape)
        if n_points > 1:
            white = self._white(rows, around, target, given)
            order = in_groups(np.where(target.numbers[:, None], white, 0.0), n_points)[:, :, None]
            even, around, slopes = (np.take_along_axis(values, order, axis=1) for values in (even, around, slopes))
        even, around, slopes = (values.reshape(rows.n * n_points, size, shape[2]) for values in (even, around, slopes))
        if size == 1:
            return _Points(rows.repeat(n_points)._replace(numbers=around[:, 0]), slopes[:, 0], around, slopes)
        asked = np.repeat(target.numbers, n_points, axis=0)
        U, slope = self.coordinates.moved(np.where(asked, even.mean(axis=1), even[:, 0]))
        return _Points(rows.repeat(n_points)._replace(numbers=U), slope, around, slopes)

    def _white(self, rows, U, target, given):
        """White coordinates of numbers U (n, m, p) of each row, zero where nothing is asked or given."""
        if self.gaussian is None:
            return np.where(target.numbers[:, None], U, 0.0)
        n, m, p = U.shape
        codes, asked, known = (np.repeat(values, m, axis=0) for values in (rows.codes, target.numbers, given.numbers))
        return self.gaussian.whiten(U.reshape(n * m, p), codes, asked, known)[0].reshape(U.shape)

    def _log_volume(self, points, target, given):
        """What the log-density in u of each point counts for that of its group, shape (n m,)."""
        centres, asked = points.centres, target.numbers
        slope = np.where(asked, points.slope, 0.0).sum(axis=1)
        if self.gaussian is None or points.around.shape[1] == 1:
            return slope
        here = self._white(centres, centres.numbers[:, None], target, given)
        there = self._white(centres, points.around, target, given)
        bend = 0.5 * np.where(asked[:, None], here**2 - there**2, 0.0).sum(axis=2)
        bent = log_mean(bend + np.where(asked[:, None], points.slopes, 0.0).sum(axis=2))
        return np.where((target.codes | given.codes).all(axis=1), bent, slope)

    def _even_points(self, X, target, n_points):
        """So many points of the cells that are asked for, even along each column, shape (n, n_points, p)."""
        index = np.zeros((len(X), len(self._with_cells)))
        for k, (j, cell) in enumerate(self._with_cells):
            index[:, k] = np.nan_to_num(cell.cell_of(X[:, j]))
        places = unit_points(index, n_points)
        points = np.repeat(X[:, None], n_points, axis=1)
        for k, (j, cell) in enumerate(self._with_cells):
            spread = cell.spread(points[:, :, j], places[:, :, k])
            points[:, :, j] = np.where(target[:, None, j], spread, points[:, :, j])
        return points

    def sample(self, rows, given, rng):
        """The `Rows` with every cell that is not given drawn, numbers on the values of their columns."""
        moved = rows._replace(numbers=self.coordinates.forward(rows.numbers))
        codes, U = self.inner.sample(moved, given, rng)
        drawn = self.coordinates.inverse(U)
        for j, cell in self._with_cells:
            drawn[:, j] = cell.round(drawn[:, j])
        return Rows(codes, np.where(given.numbers, rows.numbers, drawn))
