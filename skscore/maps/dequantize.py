r"""Dequantisation: columns in which values recur, and the cells over which these are spread.

A rounded, integer or 0/1 column has no density: a model of it gains without bound by piling its mass on the values that
occur. Uniform dequantisation (Uria, Murray & Larochelle, 2013) replaces each value v by a draw from its cell,

.. math::

   \tilde x = v + w\,u,\qquad u \sim U(-\tfrac12, \tfrac12),\qquad p(v) = \tfrac1w P(\text{cell of } v),

so that the density at the centre of a cell is finite and comparable between models. Three kinds of column have cells:

- **An evenly spaced column**, values on origin + step ℤ, found as the greatest common divisor of the gaps between
  values. The cell is one step wide.
- **A discrete column without an even spacing** (the logarithm of a count), or with one too fine to be its reason (doses
  of 1, 5, 25 and 400; thirds written with two digits): each value holds four rows or more on average, and its cell
  reaches half-way to its nearer neighbour.
- **A mixed column** (a mass at zero, a censored top): the few values that hold more than 5 % of the rows each. The
  cell of such a value reaches half-way to the nearest other row, as many as 5 % of its own overlooked: a width that
  tends to a limit as rows are added, where the gaps between rows would vanish. All other values stay as they are.

A column in which at most 5 % of the rows tie is continuous, and so is one in which ties are an accident of arithmetic.

References
----------
Uria, B., Murray, I., & Larochelle, H. (2013). RNADE: the real-valued neural autoregressive density-estimator. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

__all__ = ["Cells", "EvenCells", "OwnCells", "dequantize", "find_cells", "round_to_cells"]

FEW = 0.05  # the share of rows that may be overlooked: ties, rare roundings, neighbours of a heavy value
SMALL_SET = 20  # as many values or fewer may be categories, none of which is a slip of rounding
MULTIPLICITY = 4  # rows per value from which a column is discrete: more than a bootstrap makes of a continuous one
SPARSE = 10  # steps between neighbouring values, typically, from which the spacing is not why the column is discrete
FINEST = 1000  # the spacing over the noise, at least: a divisor nearer to the noise is chance
MAX_ROWS = 100_000  # the spacing shows in a sample of the rows
DENOMINATORS = (10, 100, 10**3, 10**4, 10**5, 10**6)  # the simplest rational number that fits is meant


class EvenCells(NamedTuple):
    """Cells around the values (first + k stride) / denominator, k = 0 … last, each as wide as their distance.

    A quotient of integers if origin and step are rational, so that the values of a decimal column come back as the very
    floats that were read.
    """

    first: float
    stride: float
    denominator: int
    last: int

    @property
    def width(self):
        """Distance of neighbouring values."""
        return self.stride / self.denominator

    def dequantize(self, x, rng):
        """Move every value uniformly by at most half a width."""
        return x + self.width * rng.uniform(-0.5, 0.5, size=len(x))

    def round(self, x):
        """Return the nearest of the values."""
        k = np.clip(np.rint((x - self.first / self.denominator) / self.width), 0, self.last)
        return (self.first + k * self.stride) / self.denominator


class OwnCells(NamedTuple):
    """Cells around sorted values, each of its own width; they do not overlap."""

    values: np.ndarray
    width: np.ndarray

    def _nearest(self, x):
        return np.searchsorted((self.values[1:] + self.values[:-1]) / 2, x)

    def dequantize(self, x, rng):
        """Move the values at the centre of a cell uniformly over it."""
        u = rng.uniform(-0.5, 0.5, size=len(x))
        k = self._nearest(x)
        central = np.abs(x - self.values[k]) <= 1e-3 * self.width[k]
        return x + np.where(central, u * self.width[k], 0.0)

    def round(self, x):
        """Return the centre of the cell of each value; what lies in none stays."""
        k = self._nearest(x)
        return np.where(np.abs(x - self.values[k]) <= self.width[k] / 2, self.values[k], x)


Cells = EvenCells | OwnCells | None  # of one column; None if it is continuous


def dequantize(X, cells: Sequence[Cells], rng):
    """Return the rows of `X` moved uniformly over their cells, shape (n, d).

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows of the table in which the cells were found.
    cells : sequence of d EvenCells, OwnCells or None
        Of each column.
    rng : numpy.random.Generator
        Of the moves.
    """
    return _columnwise(X, cells, lambda cell, x: cell.dequantize(x, rng))


def round_to_cells(X, cells: Sequence[Cells]):
    """Return the rows of `X`, shape (n, d), brought back to the values of the table, and to its range by even cells.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    cells : sequence of d EvenCells, OwnCells or None
        Of each column.
    """
    return _columnwise(X, cells, lambda cell, x: cell.round(x))


def _columnwise(X, cells, move):
    moved = X.copy()
    for j, cell in enumerate(cells):
        if cell is not None:
            moved[:, j] = move(cell, X[:, j])
    return moved


def find_cells(X) -> tuple[Cells, ...]:
    """Return the cells of each column, None for a continuous one.

    A pure function of the rows; of a table with more than 100,000 of them it looks at that many, drawn with a fixed
    seed. Time O(n log n) per column.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows, float64.

    Returns
    -------
    tuple of d EvenCells, OwnCells or None

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.dequantize import dequantize, find_cells, round_to_cells
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.integers(0, 2, 200), rng.normal(size=200).round(1), rng.normal(size=200)])
    >>> cells = find_cells(X)
    >>> [None if cell is None else cell.width for cell in cells]
    [1.0, 0.1, None]
    >>> bool((round_to_cells(dequantize(X, cells, rng), cells) == X).all())
    True
    """
    X = np.asarray(X, dtype=np.float64)
    rows = np.sort(np.random.default_rng(0).permutation(len(X))[:MAX_ROWS])
    return tuple(_cells(x[rows], x.min(), x.max()) for x in X.T)


def _cells(x, lowest, highest):
    values, counts = _distinct(x, _noise(x, np.float64))
    if counts[counts > 1].sum() <= FEW * len(x) or len(values) == 1:
        return None
    discrete = len(x) >= MULTIPLICITY * len(values)
    even = _even_cells(x, lowest, highest)
    if even and (not discrete or np.median(np.diff(values)) < SPARSE * even.width):
        return even
    return OwnCells(values, 2 * _half_gap(values)) if discrete else _cells_of_heavy_values(x, values, counts)


def _noise(x, stored):
    """Difference below which two values are one: the rounding of what they were stored in, and 1e-7 of their spread."""
    low, high = np.quantile(x, [0.25, 0.75])
    return float(np.finfo(stored).eps) * np.abs(x).max() + 1e-7 * (high - low)


def _distinct(x, noise):
    """Values that differ by more than the noise, and how many rows hold each."""
    x = np.sort(x)
    start = np.flatnonzero(np.diff(x, prepend=-np.inf) > noise)
    counts = np.diff(start, append=len(x))
    return x[start + counts // 2], counts


def _telling(counts):
    """Return which values have a say about the spacing.

    Of a table rounded to 0.1 a few rows are given to 0.05, or are thirds. The rarest values, up to 5 % of the rows
    beside the commonest value, are overlooked; but not in a small set, which may be categories.
    """
    if len(counts) <= SMALL_SET:
        return np.ones(len(counts), dtype=bool)
    order = np.argsort(counts, kind="stable")
    telling = np.empty(len(counts), dtype=bool)
    telling[order] = np.cumsum(counts[order]) > FEW * (counts.sum() - counts.max())
    return telling


def _even_cells(x, lowest, highest):
    """Return the even cells from `lowest` to `highest`, or None; first as x stands, then as if read from float32."""
    for stored in (np.float64, np.float32):
        noise = _noise(x, stored)
        values, counts = _distinct(x, noise)
        telling = values[_telling(counts)]
        if step := _common_step(np.diff(telling), noise):
            return _rational_cells(telling, step, lowest, highest, noise)
    return None


def _common_step(gaps, noise):
    """Greatest common divisor of gaps that carry noise, by Euclid's algorithm; 0 if there is none above the noise.

    Each remainder is at most half the step, so that the loop ends within log₂(step / noise) turns.
    """
    step = gaps.min(initial=np.inf)
    while FINEST * noise < step < np.inf:
        k = np.rint(gaps / step)
        multiple = np.abs(gaps - k * step) < 0.01 * step
        if multiple.any():
            step = gaps[multiple] @ k[multiple] / (k[multiple] @ k[multiple])  # least squares: k times less noise
        remainder = np.abs(gaps - np.rint(gaps / step) * step)
        off = remainder > 4 * noise
        if not off.any():
            return step
        step = remainder[off].min()
    return 0.0


def _rational_cells(values, step, lowest, highest, noise):
    """Return even cells through `values`, with a rational origin and step if the noise allows."""
    offset = values - values[0]
    origin = values[0] + np.median(offset - step * np.rint(offset / step))
    below, above = np.rint((lowest - origin) / step), np.rint((highest - origin) / step)
    first, last = origin + below * step, int(above - below)
    for largest in DENOMINATORS:
        a, b = (Fraction(number).limit_denominator(largest) for number in (first, step))
        if abs(a - first) + abs(b - step) * last <= 4 * noise:
            q = lcm(a.denominator, b.denominator)
            return EvenCells(float(a * q), float(b * q), q, last)
    return EvenCells(first, step, 1, last)


def _half_gap(values):
    """Half the distance from each of the sorted values to its nearer neighbour."""
    gaps = np.diff(values, prepend=-np.inf, append=np.inf)
    return np.minimum(gaps[:-1], gaps[1:]) / 2


def _cells_of_heavy_values(x, values, counts):
    heavy = counts > max(FEW * len(x), MULTIPLICITY)
    if not heavy.any():
        return None
    free = [_free_distance(x, v, c) for v, c in zip(values[heavy], counts[heavy], strict=True)]
    return OwnCells(values[heavy], 2 * np.minimum(free, _half_gap(values[heavy])))


def _free_distance(x, value, count):
    """Half the distance from a heavy value to the nearest other row, 5 % of its own number overlooked."""
    k = min(int((1 + FEW) * count), len(x) - 1)
    return np.partition(np.abs(x - value), k)[k] / 2
