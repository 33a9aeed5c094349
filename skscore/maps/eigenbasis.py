r"""Coordinates of a table in which noise is isotropic and a reference Gaussian is diagonal.

Columns are standardised, and rotated into the eigenvectors U of their shrunk correlation matrix (Ledoit & Wolf, 2004):
:math:`z = U^\top S^{-1}(x - \mu)` with variances λ. Shrinkage is what makes the reference a fair Gaussian where rows
are few, and keeps it one where columns are collinear.

References
----------
Ledoit, O., & Wolf, M. (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
Multivariate Analysis, 88(2), 365-411.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from ..formulas.moments import Moments, moments

__all__ = ["COORDINATES", "Eigenbasis"]

COORDINATES = ("per_direction", "whiten", "standardize")
SMALLEST_VARIANCE = 1e-6  # of a direction in which standardised rows do not vary
SHRINKAGE_ROWS = 20_000  # the shrinkage of a longer table is all but zero


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """The affine map z = (x − μ) A and its inverse.

    Parameters
    ----------
    moments : Moments
        Of the rows; their mean is μ.
    matrix, inverse : ndarray of shape (d, d)
        A and its inverse.
    variance : ndarray of shape (d,)
        λ, the variances of the reference Gaussian in z.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.maps.eigenbasis import Eigenbasis
    >>> X = np.random.default_rng(0).standard_normal((500, 2)) @ [[3.0, 4.0], [0.0, 2.0]] + 1e8
    >>> basis = Eigenbasis.of_rows(X, None, "whiten")
    >>> bool(abs(basis.to_rows(basis.to_basis(X)) - X).max() < 1e-6)
    True
    """

    moments: Moments
    matrix: np.ndarray
    inverse: np.ndarray
    variance: np.ndarray

    @classmethod
    def of_rows(cls, X, weight, coordinates):
        """Basis of the rows X (n, d) with weights (n,) or None, of a kind in `COORDINATES`."""
        table = moments(X, weight)
        if coordinates == "standardize":
            return cls.of_moments(table)
        scale, d = table.scale, X.shape[1]
        variance, U = np.linalg.eigh(_shrunk_correlation(X, table))
        variance = np.maximum(variance, SMALLEST_VARIANCE)
        spread = np.sqrt(variance) if coordinates == "whiten" else np.ones(d)
        matrix = U / scale[:, None] / spread
        return cls(table, matrix, (U * spread).T * scale, variance / spread**2)

    @classmethod
    def of_moments(cls, table):
        """Basis of standardised columns, not rotated, of rows with these moments."""
        return cls(table, np.diag(1.0 / table.scale), np.diag(table.scale), np.ones(len(table.scale)))

    @property
    def scale_slopes(self):
        """Zeros (d, d): the scale of no column depends on another."""
        return np.zeros_like(self.matrix)

    def log_volume(self, X):
        """log |det ∂z/∂x|, the same at every row."""
        return np.linalg.slogdet(self.matrix)[1]

    def to_basis(self, X):
        """Coordinates z of rows x, shape (n, d)."""
        return ((X - self.moments.origin) - self.moments.offset) @ self.matrix

    def moments_in_basis(self, table):
        """Moments in coordinates z of rows x with moments `table`."""
        mean = ((table.origin - self.moments.origin) + (table.offset - self.moments.offset)) @ self.matrix
        return Moments(table.n, np.zeros_like(mean), mean, self.matrix.T @ table.covariance @ self.matrix)

    def to_rows(self, Z):
        """Rows x of coordinates z, shape (n, d)."""
        return self.moments.origin + (self.moments.offset + Z @ self.inverse)

    def pull_back(self, score, X):
        """Score at rows x of a law with this `score` in z, shape (n, d)."""
        return score @ self.matrix.T

    def motion(self, X, V):
        """ż and z̈ of rows that move along V; z̈ is None, as lines stay straight."""
        return V @ self.matrix, None


def _shrunk_correlation(X, table):
    rows = X[:: -(-len(X) // SHRINKAGE_ROWS)]
    standardised = ((rows - table.origin) - table.offset) / table.scale
    shrinkage = ledoit_wolf_shrinkage(standardised, assume_centered=True) if len(rows) > 1 else 1.0
    correlation = table.correlation
    target = np.trace(correlation) / len(correlation) * np.eye(len(correlation))
    return (1.0 - shrinkage) * correlation + shrinkage * target
