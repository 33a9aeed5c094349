r"""Moments of a table that merge exactly: weight, mean and **centred** second moments.

Raw sums lose every digit of the covariance once the data lie :math:`10^8` standard deviations from the origin. Each
block of rows is therefore centred on its own mean, and two blocks merge by Chan, Golub & LeVeque (1983), eq. 2.1:

.. math::

   \mu = \frac{n_1\mu_1 + n_2\mu_2}{n},\qquad
   S = \frac{n_1 S_1 + n_2 S_2}{n} + \frac{n_1 n_2}{n^2}\,\delta\delta^\top,\qquad \delta = \mu_2 - \mu_1 .

Rows of another array library than numpy are summed up on their device. There a product of matrices has the precision of
the rows, since many accelerators are slow in double precision; means, centred rows and sums over blocks are always
double. Centred rows of single precision leave a relative error near 1e-6 in S, wherever they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._compat import get_namespace, is_numpy, is_on_cpu, to_numpy
from .quadratic import QuadraticForm

__all__ = ["Moments", "Summary", "blocks_of_products", "evenly", "is_rounding", "moments", "precision", "row_blocks"]

BLOCK_BYTES = 1 << 20  # a centred block of rows stays in a core's second-level cache
ACCELERATOR_BLOCK_BYTES = 1 << 27  # enough rows to occupy an accelerator
FEWEST_BLOCK_ROWS = 768  # below which products of wide tables take less time than adding them up


def is_rounding(variance: Any, mean: Any) -> Any:
    """Return whether each variance is no larger than the rounding error of its column's mean, shape (d,)."""
    xp, _ = get_namespace(variance)
    return variance <= (8.0 * float(xp.finfo(variance.dtype).eps) * xp.abs(mean)) ** 2


@dataclass(frozen=True)
class Moments:
    """Total weight, mean and covariance (divided by n) of the columns of a table.

    The mean is stored as ``origin + offset``: a single number near 1e8 has too few digits to tell two blocks apart.
    The arrays are numpy's or those of another array-API namespace.

    Parameters
    ----------
    n : float
        Total weight of the rows.
    origin : array of shape (d,)
        A value near the mean.
    offset : array of shape (d,)
        Mean minus origin.
    covariance : array of shape (d, d)
        Centred second moments, in squared units of the columns.
    """

    n: float
    origin: Any
    offset: Any
    covariance: Any

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the rows of both."""
        n = self.n + other.n
        a, b = self.n / n, other.n / n
        delta = (other.origin - self.origin) + (other.offset - self.offset)
        between = (a * b) * (delta[:, None] * delta[None, :])
        covariance = a * self.covariance + b * other.covariance + between
        return Moments(n, self.origin, self.offset + b * delta, covariance)

    @property
    def mean(self) -> Any:
        """Means of the columns, shape (d,)."""
        return self.origin + self.offset

    def mean_from(self, centre: Any) -> Any:
        """Mean minus `centre`, shape (d,), to the last digit of a centre near it."""
        return (self.origin - centre) + self.offset

    @property
    def variance(self) -> Any:
        """Variances of the columns, shape (d,)."""
        xp, _ = get_namespace(self.covariance)
        variance = xp.linalg.diagonal(self.covariance)
        return xp.where(variance > 0.0, variance, 0.0 * variance)  # rounding can leave a constant column below zero

    @property
    def constant(self) -> Any:
        """Whether each column holds one value, shape (d,)."""
        return is_rounding(self.variance, self.mean)

    @property
    def scale(self) -> Any:
        """Standard deviations of the columns; 1 for a constant column; shape (d,)."""
        xp, _ = get_namespace(self.covariance)
        return xp.where(self.constant, 0.0 * self.mean + 1.0, self.variance) ** 0.5

    @property
    def correlation(self) -> Any:
        """Correlations of the columns, shape (d, d); those of a constant column are 0 up to rounding."""
        scale = self.scale
        return self.covariance / (scale[:, None] * scale[None, :])

    def counted(self, times: float) -> Moments:
        """Return the moments with each row counted so many times."""
        return Moments(times * self.n, self.origin, self.offset, self.covariance)

    def leading(self, d: int) -> Moments:
        """Return the moments of the first `d` columns."""
        return Moments(self.n, self.origin[:d], self.offset[:d], self.covariance[:d, :d])

    def in_numpy(self) -> Moments:
        """Return the same moments in arrays of numpy."""
        return Moments(self.n, *map(to_numpy, (self.origin, self.offset, self.covariance)))


@dataclass(frozen=True)
class Summary:
    """What a fit keeps of its rows: the moments of the columns and the quadratic form of the objective.

    Parameters
    ----------
    moments : Moments
        Of the columns of X, followed by the columns of y if known scores were given.
    form : QuadraticForm or None
        None if the moments determine the fit (the Gaussian).
    """

    moments: Moments
    form: QuadraticForm | None = None

    def __add__(self, other: Summary) -> Summary:
        """Return the summary of the rows of both."""
        form = None if self.form is None or other.form is None else self.form + other.form
        return Summary(self.moments + other.moments, form)

    def counted(self, times: float) -> Summary:
        """Return the summary with each row counted so many times."""
        return Summary(self.moments.counted(times), None if self.form is None else self.form.counted(times))


def row_blocks(n_rows: int, row_bytes: int, block_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
    """Yield slices that cut `n_rows` rows into blocks of about `block_bytes`.

    Examples
    --------
    >>> from skscore.formulas.moments import row_blocks
    >>> list(row_blocks(5, row_bytes=8, block_bytes=16))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, block_bytes // max(1, row_bytes))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def block_bytes(X: Any) -> int:
    """Return the bytes of one block of rows where X lies: what a cache holds, or more on an accelerator."""
    return BLOCK_BYTES if is_on_cpu(X) else ACCELERATOR_BLOCK_BYTES


def blocks_of_products(X: Any, width: int) -> Iterator[slice]:
    """Yield slices that cut the rows of X into blocks of which tables of so many columns are multiplied."""
    return row_blocks(X.shape[0], 1, max(FEWEST_BLOCK_ROWS, block_bytes(X) // (8 * width)))


def precision(X: Any) -> Any:
    """Return the dtype of products of matrices for the rows of X: double for numpy, that of X for other libraries."""
    xp, _ = get_namespace(X)
    return xp.float64 if is_numpy(X) else X.dtype


def evenly(n: int, most: int) -> np.ndarray:
    """Indices of at most `most` of n rows, evenly spaced.

    Examples
    --------
    >>> from skscore.formulas.moments import evenly
    >>> evenly(9, 3), evenly(2, 3)
    (array([0, 4, 8]), array([0, 1]))
    """
    return np.linspace(0, n - 1, min(n, most)).astype(int)


def _block_moments(xp: Any, rows: Any, weight: Any, dtype: Any) -> Moments:
    X = xp.astype(rows, xp.float64, copy=False)
    n = float(X.shape[0]) if weight is None else float(xp.sum(weight))
    share = (xp.ones_like(X[:, 0]) if weight is None else weight) / n
    origin = share @ X
    if rows.dtype == xp.float64:
        centred = X - origin
    else:  # a copy, which needs no other one
        X -= origin
        centred = X
    offset = share @ centred  # what rounding took from the mean
    if weight is not None:
        centred *= share[:, None] ** 0.5  # the same array twice in the product, so that BLAS does half the work
    factor, count = xp.astype(centred, dtype, copy=False), float(X.shape[0]) if weight is None else 1.0
    covariance = xp.astype(factor.T @ factor, xp.float64, copy=False) / count
    return Moments(n, origin, offset, covariance - offset[:, None] * offset[None, :])


def moments(X: Any, weight: Any = None, of: Callable[[slice], Any] | None = None) -> Moments:
    """Compute the moments of the columns of `X` in one pass over blocks of rows.

    Parameters
    ----------
    X : array of shape (n, d)
        Numpy array or, under scikit-learn's array-API dispatch, a floating-point array of another namespace.
    weight : array of shape (n,), optional
        Non-negative row weights.
    of : callable, optional
        From a slice of the rows to the table, of any number of columns, whose moments are wanted in place of those of
        ``X[slice]``: it is never there as a whole.

    Returns
    -------
    Moments

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> X = np.array([[0.0], [2.0], [4.0]])
    >>> m = moments(X[:2]) + moments(X[2:])
    >>> m.n, m.mean, m.covariance
    (3.0, array([2.]), array([[2.66666667]]))
    """
    xp, _ = get_namespace(X)
    total = Moments(0.0, 0.0, 0.0, 0.0)
    for rows in row_blocks(X.shape[0], 8 * X.shape[1], block_bytes(X)):
        if weight is not None and not xp.any(weight[rows] > 0.0):
            continue  # a block of weight zero has no mean
        table = X[rows, :] if of is None else of(rows)
        block = _block_moments(xp, table, None if weight is None else weight[rows], precision(X))
        total = block if total.n == 0.0 else total + block
    return total
