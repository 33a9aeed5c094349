r"""The cells of a numeric column as float64, and back: integers, decimals, dates and durations.

A stored value v that is no float (an integer, a time in steps of its dtype) becomes the number

.. math:: x = (v - o) / u,

with u = 1 for integers; of times u is the longest of a day, hour, minute, second, milli-, micro- and nanosecond of
which all are multiples: days for dates at midnight (UTC). The origin o is 0, the year 1970 for dates, and the least
value only where float64 would not hold v / u exactly, which it does up to 2⁵³. So every integer and every time comes
back as it was, unless a column spans more than 2⁵³ units.

Values that lie on an even spacing have the cells of this lattice: the greatest common divisor of the gaps of integers
and times, that of decimals by :func:`skscore.maps.dequantize.even_cells` over all values; fewer than 12 values do not
show their divisor, and have the step of their last decimal. A number on its way back is rounded to the lattice, and
kept within what its dtype can hold.

Other values of a column in which four rows or more share one on average (the logarithm of a round amount) have own
cells (:class:`skscore.maps.cells.OwnCells`) around those that two rows or more hold. A value of a single row stands for
the cell in which it lies: as many more are still to come (Good, 1953).

References
----------
Good, I. J. (1953). The population frequencies of species and the estimation of population parameters. Biometrika,
40(3-4), 237-264.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from ..maps.cells import EvenCells, OwnCells
from ..maps.dequantize import FEW, HEAVY, MULTIPLICITY, SMALL_SET, even_cells, is_complete, neighbours

__all__ = ["NumberLine", "are_whole", "heavy_values"]

TELLING = 12  # values, from which on their common divisor is seldom (1 in 2000) a multiple of the true step
EXACT = 2**53  # integers up to here are float64
DAY = {"D": 1, "h": 24, "m": 1440, "s": 86400, "ms": 86400 * 10**3, "us": 86400 * 10**6, "ns": 86400 * 10**9}
CALENDAR = (-719162, 2932896)  # days from 1970 to the first day of the year 1, and to the last of 9999
LONGEST = 2**63 - 1  # steps of a time; the integer below stands for a missing one


class NumberLine(NamedTuple):
    """How the values of a column become numbers, and numbers values.

    Attributes
    ----------
    stored : str
        Dtype of the values, as numpy calls it.
    unit : str
        Of the numbers of a column of times, as numpy calls it; empty if the column holds numbers.
    steps : int
        u, in steps of the stored dtype.
    origin : int
        o, in steps of the stored dtype.
    cells : EvenCells, OwnCells or None
        Of the numbers: an even lattice, or those that recur on none; None if they are continuous.
    precision : str
        Dtype of floats to which the values were once rounded: that of the column, or float32.
    bounds : tuple of two float
        Least and largest number seen.
    """

    stored: str
    unit: str
    steps: int
    origin: int
    cells: EvenCells | OwnCells | None
    precision: str
    bounds: tuple[float, float]

    @classmethod
    def through(cls, values: ndarray) -> NumberLine:
        """Line through `values` of a column, two or more that differ."""
        unit, steps = _time_unit(values) if values.dtype.kind in "mM" else ("", 1)
        stored = str(values.dtype)
        line = cls(stored, unit, steps, _origin(_counted(values), steps), None, stored, (0.0, 0.0))
        x, rows = np.unique(line.numbers(values), return_counts=True)
        line = line._replace(bounds=(float(x[0]), float(x[-1])))
        if are_whole(x):
            return line._replace(cells=_integer_cells(x))
        line = line._on_decimals(x)
        recurs = rows.sum() >= MULTIPLICITY * len(x)
        return line._replace(cells=OwnCells.between(x[rows > 1])) if line.cells is None and recurs else line

    def _on_decimals(self, x):
        """The line with the lattice that holds all the numbers x, in double or single precision; as it is if none."""
        cells = even_cells(x, np.ones(len(x)))
        if cells is not None and len(x) < TELLING:
            decimals = cells.stride == np.rint(cells.stride) and np.abs(x).max() * cells.denominator <= EXACT
            cells = cells._replace(stride=1.0) if decimals else None
        if cells is None:
            return self
        noise = 4 * np.finfo(np.float64).eps * np.abs(x).max()  # of arithmetic: 0.1 + 0.2
        for precision in (self.stored, "float32"):
            rounded = cells.round(x).astype(precision)
            if (np.abs(rounded - x) <= (noise if precision == "float64" else 0.0)).all():
                return self._replace(cells=cells, precision=precision)
        return self

    def numbers(self, values: ndarray) -> ndarray:
        """The numbers of `values`, of this or another dtype of numbers or times, shape (n,)."""
        counted = _counted(values.astype(self.stored) if self.unit else values)
        if counted.dtype.kind == "f":
            return counted.astype(np.float64) - self.origin
        steps = counted.astype(object) - self.origin if self.origin else counted
        units = steps // self.steps
        return units.astype(np.float64) + ((steps - units * self.steps) / self.steps).astype(np.float64)

    def values(self, numbers: ndarray) -> ndarray:
        """The values nearest to `numbers`, on the lattice and in the range of the stored dtype, shape (n,)."""
        x = self.cells.round(numbers) if isinstance(self.cells, EvenCells) else numbers
        dtype = np.dtype(self.stored)
        if dtype.kind == "f":
            limits = np.finfo(self.precision)
            return np.clip(x, limits.min, limits.max).astype(self.precision).astype(dtype)
        low, high = (bound - self.origin for bound in _range(dtype))
        units = np.clip(np.rint(x), *_within(-(-low // self.steps), high // self.steps))
        if self.origin:
            return np.array([int(k) * self.steps + self.origin for k in units], dtype=_counter(dtype)).astype(dtype)
        return (units.astype(_counter(dtype)) * self.steps).astype(dtype)


def are_whole(x: ndarray) -> bool:
    """Whether all of these numbers are integers, in float64 those that it tells apart."""
    return x.dtype.kind in "iu" or bool((x == np.rint(x)).all() and float(np.abs(x).max(initial=0.0)) <= EXACT)


def heavy_values(x: ndarray, weight: ndarray | None = None) -> tuple[ndarray, bool]:
    """Return the values that hold a large share of a column of many; or none, and that it has few, which recur.

    Few are at most 20, if fresh rows hold no others (:func:`skscore.maps.dequantize.is_complete`).

    A heavy value (no rain, a censored top, a round amount) holds more than 5 % of the rows, and three times as many as
    the two values below and the two above it together, so that no value of a smooth count is one.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Numbers, none of them missing.
    weight : ndarray of shape (n,) or None
        Of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.tabular.number_line import heavy_values
    >>> rain = np.maximum(np.random.default_rng(0).normal(size=500), 0.0)
    >>> heavy_values(rain)
    (array([0.]), False)
    >>> heavy_values(np.sign(rain))
    (array([], dtype=float64), True)
    """
    values, place = np.unique(x, return_inverse=True)
    rows = np.bincount(place, weight)
    if len(values) <= SMALL_SET and rows.sum() >= MULTIPLICITY * len(values) and is_complete(rows):
        return values[:0], True
    return values[(rows > FEW * rows.sum()) & (rows > HEAVY * neighbours(rows))], False


def _time_unit(values):
    """The longest unit of which all these times are multiples, and how many steps of their dtype it has."""
    steps, per_day = _counted(values), DAY[np.datetime_data(values.dtype)[0]]
    ratios = ((unit, per_day // other) for unit, other in DAY.items() if per_day >= other)
    return next((unit, ratio) for unit, ratio in ratios if not (steps % ratio).any())


def _counted(values):
    """Values as numbers: times as integers, in steps of their dtype."""
    return values.astype(np.int64) if values.dtype.kind in "mM" else values


def _origin(counted, steps):
    if counted.dtype.kind == "f":
        return 0
    low, high = int(counted.min()), int(counted.max())
    return low if max(-low, high) > EXACT * steps else 0


def _integer_cells(x):
    """Cells of whole numbers: as wide as the greatest common divisor of their distances."""
    step = np.gcd.reduce(np.diff(x).astype(np.int64)) if len(x) >= TELLING else 1
    return EvenCells(float(x[0]), float(step), 1)


def _range(dtype):
    """Least and largest count that a dtype of integers or times holds, and a calendar shows."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if dtype.kind == "m":
        return -LONGEST, LONGEST
    per_day = DAY[np.datetime_data(dtype)[0]]
    return max(CALENDAR[0] * per_day, -LONGEST), min((CALENDAR[1] + 1) * per_day - 1, LONGEST)


def _within(low, high):
    """The outermost float64 numbers between two integers."""
    a, b = float(low), float(high)
    return a if int(a) >= low else np.nextafter(a, np.inf), b if int(b) <= high else np.nextafter(b, -np.inf)


def _counter(dtype):
    """Dtype in which values of a dtype are counted."""
    return dtype if dtype.kind in "iu" else np.dtype(np.int64)
