r"""Cells: intervals that stand for the values of a discrete column.

A value v is spread over its cell by :math:`y = T_v(u)`, u uniform on (0, 1), so that y has a density. **Even cells**
(Uria, Murray & Larochelle, 2013) spread a value of an evenly spaced column over one step w,
:math:`T_v(u) = v + w(u - \tfrac12)`, **own cells** that of an uneven column of many values from half-way to the value
below to half-way to the one above. **Atoms** are spread by the distributional transform (Rüschendorf, 2009): with F the
distribution function of the column,

.. math:: T_v(u) = c_v + s\,\Phi^{-1}\bigl(F(v-) + u\,(F(v) - F(v-))\bigr).

If every value of the column is an atom, s = 1 and c = 0: the column becomes N(0, 1), the cells tile the line, so that
every y belongs to a value, and the cells of frequent values are wide. If values lie between the atoms, these are moved
aside as they are, and the shifts c join the pieces; s makes the density of an atom, at the ends of its cell, that of
the values beside it, so that a density that is a little too smooth there takes as much from the one as from the other.
The cell of the least and of the largest value of a column reaches to infinity.

Log-densities are taken with respect to counting measure on atoms, and Lebesgue measure on all else: an even or own cell
counts as its probability divided by its width, and so does an atom of an evenly spaced column, divided by w.

References
----------
Rüschendorf, L. (2009). On the distributional transform, Sklar's theorem, and the empirical copula process. Journal of
Statistical Planning and Inference, 139(11), 3921-3927.
Uria, B., Murray, I., & Larochelle, H. (2013). RNADE: the real-valued neural autoregressive density-estimator. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm

__all__ = ["Atoms", "Cells", "EvenCells", "OwnCells", "dequantize", "round_to_cells"]

BESIDE = 0.1  # of the rows on one side of an atom, that show their density there


class EvenCells(NamedTuple):
    """Cells around the values (first + k stride) / denominator, k an integer, each as wide as their distance.

    A quotient of integers if origin and step are rational, so that the values of a decimal column come back as the very
    floats that were read.
    """

    first: float
    stride: float
    denominator: int

    @property
    def width(self):
        """Distance w of neighbouring values."""
        return self.stride / self.denominator

    def spread(self, x, u):
        """Points u of the cells."""
        return x + self.width * (u - 0.5)

    def cell_of(self, x):
        """Which cell each number lies in."""
        return np.rint((x - self.first / self.denominator) / self.width)

    def ends(self, cell):
        """Ends of some cells, shape (k, 2)."""
        middle = (self.first + cell * self.stride) / self.denominator
        return np.stack([middle - self.width / 2, middle + self.width / 2], axis=1)

    def round(self, y):
        """The nearest of the values."""
        return (self.first + self.cell_of(y) * self.stride) / self.denominator


class OwnCells(NamedTuple):
    """Cells around sorted values, each as far as half-way to its neighbours; beyond them numbers stay as they are.

    Attributes
    ----------
    values : ndarray of shape (K,)
    edges : ndarray of shape (K + 1,)
    """

    values: np.ndarray
    edges: np.ndarray

    @classmethod
    def between(cls, values):
        """Cells of all the `values` of a column."""
        middle = (values[1:] + values[:-1]) / 2
        return cls(values, np.concatenate([2 * values[:1] - middle[:1], middle, 2 * values[-1:] - middle[-1:]]))

    def _cell(self, x):
        """The cell that each number lies in, and whether there is one."""
        k = np.searchsorted(self.edges, x, side="right") - 1
        inside = (k >= 0) & (k < len(self.values))
        return np.where(inside, k, 0), inside

    def cell_of(self, x):
        """Which cell each number lies in; the first stands for none."""
        return self._cell(x)[0]

    def ends(self, cell):
        """Ends of some cells, shape (k, 2)."""
        return np.stack([self.edges[cell], self.edges[cell + 1]], axis=1)

    def spread(self, x, u):
        """Points u of the cells."""
        k, inside = self._cell(x)
        return np.where(inside, self.edges[k] + u * (self.edges[k + 1] - self.edges[k]), x)

    def round(self, y):
        """The value of the cell of each number."""
        k, inside = self._cell(y)
        return np.where(inside, self.values[k], y)


class Atoms(NamedTuple):
    """Cells of the values that hold much of a column, or of all its values.

    Attributes
    ----------
    values : ndarray of shape (K,)
        v, increasing.
    below, share : ndarray of shape (K,)
        F(v−), and F(v) − F(v−).
    shift : ndarray of shape (K,)
        c.
    scale : ndarray of shape (K,)
        s.
    tolerance : ndarray of shape (K,)
        How far from an atom a number still is it.
    lattice : EvenCells or None
        Of the values between the atoms, None if these are continuous.
    alone : bool
        Whether the column has no other values.
    """

    values: np.ndarray
    below: np.ndarray
    share: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    tolerance: np.ndarray
    lattice: EvenCells | None
    alone: bool

    @classmethod
    def of_a_column(cls, values, tolerance, x, weight, lattice=None, alone=True):
        """Atoms at the `values`, with their shares in the column x (n,) of weights (n,)."""
        weight = np.ones(len(x)) if weight is None else weight
        k, near = _nearest(values, tolerance, x)
        share = np.bincount(k[near], weight[near], len(values)) / weight.sum()
        place = np.searchsorted(values, x[~near])
        between = np.bincount(place, weight[~near], len(values) + 1) / weight.sum()
        below = np.cumsum(between[:-1]) + np.append(0.0, np.cumsum(share)[:-1])
        apart = np.diff(values) - (0.0 if lattice is None else lattice.width)
        scale = np.ones(len(values)) if alone else _scales(values, below, share, x, weight, near)
        free = cls(values, below, share, np.zeros(len(values)), scale, tolerance, lattice, alone)
        lower, upper = free.edges.T
        shift = np.cumsum(np.append(0.0, upper[:-1] - lower[1:] + (0.0 if alone else apart)))
        return free._replace(shift=shift)

    @property
    def edges(self):
        """Ends of the cells, shape (K, 2)."""
        F = np.clip(np.stack([self.below, self.below + self.share], axis=1), 0.0, 1.0)
        F[np.abs(F - 1.0) < 1e-12] = 1.0
        return self.shift[:, None] + self.scale[:, None] * ndtri(F)

    def cell_of(self, x):
        """Which atom each value is, or nearest to."""
        return _nearest(self.values, self.tolerance, x)[0]

    def holds(self, x):
        """Which values have a cell: the atoms, and what lies between or beside them."""
        near = _nearest(self.values, self.tolerance, x)[1]
        return near if self.alone else near | np.isfinite(self._moved(x))

    def spread(self, x, u):
        """Points u of the cells; values between the atoms are moved aside."""
        k, near = _nearest(self.values, self.tolerance, x)
        y = self._moved(x) if self.lattice is None else self.lattice.spread(self._moved(x), u)
        F = self.below[k] + u * self.share[k]
        return np.where(near, self.shift[k] + self.scale[k] * ndtri(F), y)

    def _moved(self, x):
        """Values between the atoms, after the atoms have been given their room."""
        return x + self._ends()[np.searchsorted(self.values, x)]

    def _ends(self):
        """How far the values before the first atom, after it, after the second, … are moved, shape (K + 1,)."""
        (lower, upper), half = self.edges.T, 0.0 if self.lattice is None else self.lattice.width / 2
        return np.append(lower[0] - self.values[0] + half, upper - self.values - half)

    def round(self, y):
        """The atom whose cell each y lies in, or the value that was moved there."""
        place = np.searchsorted(self.edges.ravel(), y, side="right")
        k, inside = np.minimum(place // 2, len(self.values) - 1), place % 2 == 1
        with np.errstate(invalid="ignore"):  # beyond a cell that reaches to infinity nothing lies
            x = y - self._ends()[place // 2]
        x = x if self.lattice is None else self.lattice.round(x)
        return np.where(inside, self.values[k], x)

    def cells_of(self, x):
        """Whether each value is an atom, and the ends of the cells of those that are, shape (n,) each."""
        k, near = _nearest(self.values, self.tolerance, x)
        return near, *self.edges[k].T

    @property
    def unit(self):
        """What the probability of an atom is divided by: w in an evenly spaced column, else 1."""
        return 1.0 if self.lattice is None else self.lattice.width

    def slope(self, x):
        """How fast a cell moves with its value: if all are atoms, as fast as the medians of the cells do."""
        if not self.alone:
            return np.ones(len(x))
        medians = ndtri(self.below + self.share / 2)
        return np.gradient(medians, self.values)[_nearest(self.values, self.tolerance, x)[0]]


def _nearest(values, tolerance, x):
    """The value nearest to each x, and whether it is that value."""
    k = np.searchsorted((values[1:] + values[:-1]) / 2, x)
    return k, np.abs(x - values[k]) <= tolerance[k]


def _scales(values, below, share, x, weight, near):
    """Scale of each atom: that of the values beside it, but at most that of all values that are no atoms."""
    order = np.argsort(x[~near], kind="stable")
    rest, mass, overall = x[~near][order], weight[~near][order] / weight.sum(), _scale(x, weight, near)
    scales = []
    for v, lower, upper, place in zip(values, below, below + share, np.searchsorted(rest, values), strict=True):
        sides = (v - rest[:place][::-1], mass[:place][::-1], lower), (rest[place:] - v, mass[place:], upper)
        beside = [norm.pdf(ndtri(F)) / _density_beside(*side) for *side, F in sides if len(side[0])]
        scales.append(min(overall, float(np.exp(np.mean(np.log(beside))))))
    return np.array(scales)


def _density_beside(distance, mass):
    """Density of a tenth of the rows on one side of an atom, those that are nearest."""
    reached = np.cumsum(mass)
    last = np.searchsorted(reached, BESIDE * reached[-1])
    return reached[last] / distance[last]


def _scale(x, weight, near):
    """Scale of the values that are no atoms: their spread over that of their normal scores in the column."""
    order = np.argsort(x, kind="stable")
    score = np.empty(len(x))
    score[order] = ndtri((np.cumsum(weight[order]) - weight[order] / 2) / weight.sum())
    spreads = [np.subtract(*np.quantile(values[~near], [0.9, 0.1])) for values in (x, score)]
    return float(spreads[0] / spreads[1]) if min(spreads) > 0.0 else max(float(np.std(x)), np.finfo(float).tiny)


Cells = EvenCells | OwnCells | Atoms | None  # of one column; None if it is continuous


# ---- rows and points -----------------------------------------------------------------------------


def dequantize(X, cells: Sequence[Cells], rng):
    """Return the rows of `X` spread over their cells, shape (n, d).

    Rows of one value are spread over its cell evenly and in random order: the share of them in any part of it is right
    to within one row.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows of the table in which the cells were found.
    cells : sequence of d EvenCells, OwnCells, Atoms or None
        Of each column.
    rng : numpy.random.Generator
        Of the places.
    """
    return _columnwise(X, cells, lambda cell, x: cell.spread(x, _places(x, rng)))


def _places(x, rng):
    """Places u in (0, 1) of values that recur: those of each value are stratified, shape (n,)."""
    order = np.lexsort((rng.random(len(x)), x))
    start = np.flatnonzero(np.diff(x[order], prepend=np.nan) != 0.0)
    count = np.diff(start, append=len(x))
    rank = np.arange(len(x)) - np.repeat(start, count)
    u = np.empty(len(x))
    u[order] = (rank + rng.uniform(size=len(x))) / np.repeat(count, count)
    return u


def round_to_cells(Y, cells: Sequence[Cells]):
    """Return the rows of `Y`, shape (n, d), brought back to the values of the table.

    Parameters
    ----------
    Y : ndarray of shape (n, d)
        Rows that were spread, or draws of their density.
    cells : sequence of d EvenCells, OwnCells, Atoms or None
        Of each column.
    """
    return _columnwise(Y, cells, lambda cell, y: cell.round(y))


def _columnwise(X, cells, move):
    moved = X.copy()
    for j, cell in enumerate(cells):
        if cell is not None:
            moved[:, j] = move(cell, X[:, j])
    return moved
