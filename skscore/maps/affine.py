r"""Affine coordinates of a table.

:math:`y = (x - o)A + b` has one map for rows and one for slopes: :math:`\nabla_x f = \nabla_y f\, A^\top` and
:math:`\nabla_y f = \nabla_x f\, A^{-\top}`. The origin o is subtracted first, since a mean near 1e8 has no digits left
for the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["AffineMap", "flat_directions"]

SMALLEST_VARIANCE = 1e-6  # of a direction in which standardised rows do not vary


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map y = (x − o) A + b.

    Parameters
    ----------
    origin : ndarray of shape (d,)
        o.
    matrix : ndarray of shape (d, d)
        A.
    shift : ndarray of shape (d,)
        b.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.maps.affine import AffineMap
    >>> X = np.array([[0.0, 0.0], [2.0, 3.0], [4.0, 0.0]])
    >>> AffineMap.whitening(moments(X))(X).std(axis=0).round(12)
    array([1., 1.])
    """

    origin: np.ndarray
    matrix: np.ndarray
    shift: np.ndarray

    @classmethod
    def centring(cls, table):
        """Columns of mean 0 in their own units."""
        return cls._centred(table, np.eye(len(table.origin)))

    @classmethod
    def standardizing(cls, table):
        """Columns of mean 0 and variance 1."""
        return cls._centred(table, np.diag(1.0 / table.scale))

    @classmethod
    def whitening(cls, table):
        """Coordinates of mean 0 and covariance I, each near its column; directions without variance are left short.

        The root of the correlation matrix is the symmetric one: no sign or order of eigenvectors is left to rounding.
        """
        variance, U = np.linalg.eigh(table.correlation)
        symmetric = (U / np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))) @ U.T
        return cls._centred(table, symmetric / table.scale[:, None])

    @classmethod
    def _centred(cls, table, matrix):
        return cls(table.origin, matrix, -table.offset @ matrix)

    def after(self, first):
        """The map that carries out `first`, and then this one."""
        return AffineMap(
            first.origin, first.matrix @ self.matrix, (first.shift - self.origin) @ self.matrix + self.shift
        )

    def __call__(self, X):
        """Coordinates y of rows x, shape (n, d)."""
        return (X - self.origin) @ self.matrix + self.shift

    @cached_property
    def inverse(self):
        """The map back, x = (y − b) A⁻¹ + o."""
        return AffineMap(self.shift, np.linalg.inv(self.matrix), self.origin)

    @property
    def log_volume(self):
        """log |det A|."""
        return np.linalg.slogdet(self.matrix)[1]


def flat_directions(table):
    """What to know of directions that whitening leaves short, since their variance is only rounding: remarks."""
    variance = np.linalg.eigvalsh(table.correlation)
    n_flat = np.count_nonzero(variance < SMALLEST_VARIANCE)
    if n_flat == 0:
        return ()
    remark = (
        f"{n_flat} of {len(variance)} directions have no variance (constant columns: "
        f"{np.flatnonzero(table.constant).tolist()}; columns that are collinear, or as many as rows, have the same "
        f"effect): a relative variance of {SMALLEST_VARIANCE:g} stands in, and log-likelihoods compare only with fits "
        "under the same floor. Drop such columns."
    )
    return (remark,)
