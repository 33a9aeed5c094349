r"""A density of rows in other coordinates of their numbers.

Each numeric column has a coordinate :math:`u_j = f_j(t_j((l_j(x_j) - m_j)/s_j))`, in which a density p_U is fitted:

.. math:: \log p(c_T, x_B \mid c_S, x_A) = \log p_U(c_T, u_B \mid c_S, u_A)
          + \sum_{j \in B}\bigl[\log l_j' + \log t_j' + \log f_j' - \log s_j\bigr].

A value of a column that has cells stands for its cell: of one step around it in an evenly spaced column. Its density is
its probability over the width of the cell, the mean over the cell, here over points that are the same in every call;
what is known of such a column is its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from ...formulas.moments import row_blocks
from ...maps.algebra import Elementwise
from ...maps.cell_points import log_mean, unit_points
from ...maps.cells import EvenCells, OwnCells
from ...maps.limits import Limits
from ...maps.stretch import Stretch
from .rows import CellMask, RowDensity, Rows

__all__ = ["Coordinates", "MovedRows"]

BLOCK = 1 << 15  # rows, or points of their cells, at a time
TERMS = 1 << 16  # numbers that are moved at a time


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
        slope = np.broadcast_to(-np.log(self.scale), X.shape)
        if self.limits is not None:
            slope = slope + self.limits.log_slope(X)
        Z = self._standardised(X)
        for f in self._after:
            slope, Z = slope + f.log_slope(Z), f.forward(Z)
        return slope


def _blocks(X):
    """Blocks of rows of numbers."""
    return row_blocks(len(X), 1 + X.shape[1], TERMS)


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
    """

    inner: RowDensity
    coordinates: Coordinates
    cells: Sequence[EvenCells | OwnCells | None]
    n_points: int = 1

    @property
    def layout(self):
        """The columns."""
        return self.inner.layout

    def log_prob(self, rows, target, given):
        """log p(c_T, x_T | c_S, x_S), shape (n,)."""
        log_p, spread = np.empty(rows.n), target.numbers[:, [j for j, _ in self._with_cells]].any(axis=1)
        for places, n_points in ((np.flatnonzero(~spread), 1), (np.flatnonzero(spread), self.n_points)):
            with_points = replace(self, n_points=n_points)
            for some in (places[block] for block in row_blocks(len(places), n_points, BLOCK)):
                log_p[some] = with_points._mean_of_points(rows.at(some), target.at(some), given.at(some))
        return log_p

    def log_marginals(self, rows, targets):
        """log p(c_T, x_T) of each of some masks T of the same rows, shape (len(targets), n).

        The points of a row and their coordinates serve every mask.
        """
        log_p, numbers = np.empty((len(targets), rows.n)), rows.known.numbers
        for some in row_blocks(rows.n, self.n_points, BLOCK):
            few = rows.at(some)
            points = self._points(few.numbers, numbers[some])
            many, log_slope = few.repeat(self.n_points), self.coordinates.log_slope(points)
            many = many._replace(numbers=self.coordinates.forward(points))
            for together in row_blocks(len(targets), many.n, BLOCK):
                asked = [target.at(some).repeat(self.n_points) for target in targets[together]]
                log_p[together, some] = self._means(many, log_slope, asked)
        return log_p

    def _means(self, many, log_slope, asked):
        """Means over the points of each row, for each mask, by the slopes of all numbers."""
        slopes = [np.where(target.numbers, log_slope, 0.0).sum(axis=1) for target in asked]
        every = CellMask(*map(np.concatenate, zip(*asked, strict=True)))
        log_p = self.inner.log_prob(many.at(np.tile(np.arange(many.n), len(asked))), every, every.none)
        return log_mean((log_p + np.concatenate(slopes)).reshape(-1, self.n_points)).reshape(len(asked), -1)

    @property
    def _with_cells(self) -> list[tuple[int, EvenCells | OwnCells]]:
        """The columns that have cells."""
        return [(j, cell) for j, cell in enumerate(self.cells) if cell is not None]

    def _mean_of_points(self, rows, target, given):
        many, asked, known = (pair.repeat(self.n_points) for pair in (rows, target, given))
        points = self._points(rows.numbers, target.numbers)
        log_slope = np.where(asked.numbers, self.coordinates.log_slope(points), 0.0).sum(axis=1)
        log_p = self.inner.log_prob(many._replace(numbers=self.coordinates.forward(points)), asked, known)
        return log_mean((log_p + log_slope).reshape(rows.n, self.n_points))

    def _points(self, X, target):
        """The points of the cells that are asked for, shape (n m, p); other numbers as they are."""
        index = np.zeros((len(X), len(self._with_cells)))
        for k, (j, cell) in enumerate(self._with_cells):
            index[:, k] = np.nan_to_num(cell.cell_of(X[:, j]))
        places = unit_points(index, self.n_points)
        points = np.repeat(X[:, None], self.n_points, axis=1)
        for k, (j, cell) in enumerate(self._with_cells):
            spread = cell.spread(points[:, :, j], places[:, :, k])
            points[:, :, j] = np.where(target[:, None, j], spread, points[:, :, j])
        return points.reshape(len(X) * self.n_points, X.shape[1])

    def sample(self, rows, given, rng):
        """The `Rows` with every cell that is not given drawn, numbers on the values of their columns."""
        moved = rows._replace(numbers=self.coordinates.forward(rows.numbers))
        codes, U = self.inner.sample(moved, given, rng)
        drawn = self.coordinates.inverse(U)
        for j, cell in self._with_cells:
            drawn[:, j] = cell.round(drawn[:, j])
        return Rows(codes, np.where(given.numbers, rows.numbers, drawn))
