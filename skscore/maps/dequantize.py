r"""Which columns of a table are discrete, in whole or in part, and the cells that stand for their values.

A rounded, integer or 0/1 column has no density: a model of it gains without bound by piling its mass on the values that
occur. Five kinds of column have cells (:mod:`skscore.maps.cells`):

- **A column of few values**, with four rows per value or more on average: at most 20, or any number of them that have
  no even spacing (the logarithm of a count), of which hardly any occurs only once, as others may yet come; of up to 20
  codes without a spacing any may. All are atoms.
- **A discrete column of more values without a spacing**, of which many occur once, has a cell for each value, from
  half-way to the one below to half-way to the one above.
- **An evenly spaced column** of more values, on origin + step ℤ, found as the greatest common divisor of the gaps
  between values, has even cells.
- **An evenly spaced column with a heavy value** (rain by the day, a censored count), that holds more than 5 % of the
  rows, and three times as many as the four values next to it together. Such values are atoms among even cells.
- **A mixed column** (a mass at zero, a censored top): the values that hold more than 5 % of the rows each are atoms,
  and all other values are continuous.

A row that is repeated is no tie: ties are those of distinct rows. Repetitions show that a column is discrete only if it
has few values, or they fill an even spacing; and a single row that is repeated as often as 20 others is heavy. Weights
that are whole numbers count as so many repetitions, others as none. A column in which at most 5 % of the rows tie is
continuous, and so is one in which ties are an accident of arithmetic. An even spacing too fine to be the reason of the
ties (doses of 1, 5, 25 and 400; thirds written with two digits) is none.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from .cells import Atoms, Cells, EvenCells, OwnCells

__all__ = ["FEW", "HEAVY", "MULTIPLICITY", "SMALL_SET", "even_cells", "find_cells", "is_complete", "neighbours"]

FEW = 0.05  # the share of rows that may be overlooked: ties, rare roundings; what is above it is heavy
RARE = 0.01  # the share of rows whose value is theirs alone, at most, in a complete set: about that of values unseen
HEAVY = 3  # times the rows of its four neighbours: a value that is no part of a smooth curve
SMALL_SET = 20  # as many values or fewer may be categories, none of which is a slip of rounding
MULTIPLICITY = 4  # rows per value from which a column is discrete: more than a bootstrap makes of a continuous one
HEAVY_ROW = 20  # times as often as a typical row: a row whose values are heavy, though no other row has them
SPARSE = 10  # steps between neighbouring values, typically, from which the spacing is not why the column is discrete
FINEST = 1000  # the spacing over the noise, at least: a divisor nearer to the noise is chance
MAX_ROWS = 100_000  # the spacing shows in a sample of the rows
DENOMINATORS = (10, 100, 10**3, 10**4, 10**5, 10**6)  # the simplest rational number that fits is meant


def find_cells(X, weight=None) -> tuple[Cells, ...]:
    """Return the cells of each column, None for a continuous one.

    A pure function of the rows; in a table with more than 100,000 of them it looks for a spacing in as many, drawn with
    a fixed seed. Time O(n log n) per column.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows, float64.
    weight : ndarray of shape (n,) or None
        Of the rows; whole numbers are exactly as many repetitions.

    Returns
    -------
    tuple of d EvenCells, OwnCells, Atoms or None

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.cells import dequantize, round_to_cells
    >>> from skscore.maps.dequantize import find_cells
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.integers(0, 2, 200), rng.normal(size=200).round(1), rng.normal(size=200)])
    >>> coin, tenths, normal = find_cells(X)
    >>> coin.values, tenths.width, normal
    (array([0., 1.]), 0.1, None)
    >>> bool((round_to_cells(dequantize(X, [coin, tenths, normal], rng), [coin, tenths, normal]) == X).all())
    True
    """
    weight = np.ones(len(X)) if weight is None else weight
    X, times, weight = _distinct_rows(np.asarray(X, dtype=np.float64), weight)
    rows = np.sort(np.random.default_rng(0).permutation(len(X))[:MAX_ROWS])
    return tuple(_cells(x, times, weight, rows) for x in X.T)


def _distinct_rows(X, weight):
    """Return the rows that differ, in an order of their own, how often each is repeated, and their weights."""
    times = weight if (weight == np.rint(weight)).all() else np.ones(len(X))
    order = np.argsort((X * np.random.default_rng(0).standard_normal(X.shape[1])).sum(axis=1))  # equal rows meet
    X = X[order]
    start = np.flatnonzero(np.append(True, (X[1:] != X[:-1]).any(axis=1)))
    return X[start], *(np.add.reduceat(of_rows[order], start) for of_rows in (times, weight))


def is_complete(counts):
    """Whether fresh rows hold no other values than those seen, each in so many of the rows, shape (n_values,).

    The share of the rows that are alone with their value is about the probability of a value not seen yet (Good, 1953).

    References
    ----------
    Good, I. J. (1953). The population frequencies of species and the estimation of population parameters. Biometrika,
    40(3-4), 237-264.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.dequantize import is_complete
    >>> is_complete(np.array([40, 30, 29, 1])), is_complete(np.array([90, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]))
    (True, False)
    """
    return bool((counts <= 1.0).sum() <= max(1, RARE * counts.sum()))


def _cells(x, times, weight, rows):
    """Cells of a column x of distinct rows; its spacing is looked for in those at the places `rows`."""
    noise = _noise(x, np.float64)
    values, n_rows, repeated = _distinct(x, times, noise)
    even = even_cells(x[rows], times[rows], _telling)
    sparse = bool(even) and np.median(np.diff(values)) >= SPARSE * even.width
    few = len(values) <= SMALL_SET
    counts = repeated if few or (even and not sparse) else n_rows
    n, typical = counts.sum(), np.median(repeated / n_rows)
    heavy = (counts > max(FEW * n, MULTIPLICITY)) | (repeated > max(FEW * times.sum(), HEAVY_ROW * typical))
    if len(values) == 1 or (counts[counts > 1.0].sum() <= FEW * n and not heavy.any()):
        return None
    discrete, complete = n >= MULTIPLICITY * len(values), is_complete(counts)
    if discrete and sparse:
        even = None
    if discrete and ((few and complete) or (not even and (few or complete))):
        half_gap = _half_gap(values)
        tolerance = np.minimum(0.5 * half_gap, np.maximum(noise, 1e-3 * half_gap))
        return Atoms.of_a_column(values, tolerance, x, weight)
    if discrete and not even:
        return OwnCells.between(values)
    if even:
        heavy &= repeated > HEAVY * neighbours(repeated)
    if not heavy.any():
        return even
    tolerance = np.full(heavy.sum(), 0.49 * even.width if even else noise)
    return Atoms.of_a_column(values[heavy], tolerance, x, weight, even, alone=False)


def neighbours(counts):
    """Rows that hold the two values below and the two above each one."""
    padded = np.pad(counts, 2)
    return padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]


def _noise(x, stored):
    """Difference below which two values are one: the rounding of what they were stored in, and 1e-7 of their spread."""
    low, high = np.quantile(x, [0.25, 0.75])
    return float(np.finfo(stored).eps) * np.abs(x).max() + 1e-7 * (high - low)


def _distinct(x, times, noise):
    """Values that differ by more than the noise, how many distinct rows hold each, and how often these are repeated."""
    order = np.argsort(x)
    x, times = x[order], times[order]
    start = np.flatnonzero(np.diff(x, prepend=-np.inf) > noise)
    counts = np.diff(start, append=len(x))
    return x[start + counts // 2], counts, np.add.reduceat(times, start)


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


def even_cells(x, times, telling=None):
    """Return the even cells of a column, or None; first as x stands, then as if read from float32.

    Parameters
    ----------
    x, times : ndarray of shape (n,)
        The column, and how often each row is repeated.
    telling : callable or None
        Which values have a say, by how often each occurs; None for all of them.
    """
    for stored in (np.float64, np.float32):
        noise = _noise(x, stored)
        values, _, repeated = _distinct(x, times, noise)
        values = values if telling is None else values[telling(repeated)]
        if step := _common_step(np.diff(values), noise):
            return _rational_cells(values, step, noise)
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


def _rational_cells(values, step, noise):
    """Return even cells through `values`, with a rational origin and step if the noise allows."""
    offset = values - values[0]
    k = np.rint(offset / step)
    origin = values[0] + np.median(offset - step * k)
    for largest in DENOMINATORS:
        a, b = (Fraction(number).limit_denominator(largest) for number in (origin, step))
        q = lcm(a.denominator, b.denominator)
        if abs(a - origin) + abs(b - step) * k[-1] <= 4 * noise * min(1.0, 1000 / q):  # large ones fit anything
            return EvenCells(float(a * q), float(b * q), q)
    return EvenCells(origin, step, 1)


def _half_gap(values):
    """Half the distance from each of the sorted values to its nearer neighbour."""
    gaps = np.diff(values, prepend=-np.inf, append=np.inf)
    return np.minimum(gaps[:-1], gaps[1:]) / 2
