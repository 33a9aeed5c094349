r"""The affine map :math:`z = (x - o)A + b`, and the ones that suit the moments of a table.

The origin o is subtracted first: a mean near 1e8 has no digits left for the columns. The way back,
:math:`x = (z - b)A^{-1} + o`, is an affine map again, and adds o last. In :func:`isotropic` the standardised columns
are rotated into the eigenvectors U of their shrunk correlation matrix (Ledoit & Wolf, 2004),
:math:`z = U^\top S^{-1}(x - \mu)`, with variances λ. Shrinkage makes N(0, diag λ) a fair Gaussian of few rows, and
of collinear columns.

References
----------
Ledoit, O., & Wolf, M. (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
Multivariate Analysis, 88(2), 365-411.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray
from sklearn.covariance import ledoit_wolf_shrinkage

from .._compat import to_numpy
from ..formulas.moments import Moments
from .algebra import Map

__all__ = ["PRECONDITIONINGS", "Affine", "flat_directions", "isotropic", "n_dependent"]

PRECONDITIONINGS = ("per_direction", "whiten", "standardize")
SMALLEST_VARIANCE = 1e-6  # of a direction in which standardised rows do not vary
ROUNDING = 1e-10  # variance of a direction, relative to the largest, that is hardly told from rounding
SHRINKAGE_ROWS = 20_000  # the shrinkage of a longer table is all but zero


@dataclass(frozen=True, eq=False)
class Affine(Map):
    """The map z = (x − o) A + b.

    Parameters
    ----------
    origin : ndarray of shape (d,)
        o.
    matrix : ndarray of shape (d, d)
        A. A projection, of shape (d, r), has `forward` and `pushforward` alone.
    shift : ndarray of shape (d,)
        b.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.maps.affine import Affine
    >>> X = np.array([[0.0, 0.0], [2.0, 3.0], [4.0, 0.0]])
    >>> Affine.whitening(moments(X)).forward(X).std(axis=0).round(12)
    array([1., 1.])
    """

    origin: ndarray
    matrix: ndarray
    shift: ndarray
    is_affine = True

    @classmethod
    def columnwise(cls, d: int, factor=1.0, origin=0.0, shift=0.0) -> Affine:
        """Return (x_j − o_j) a_j + b_j in each of `d` columns, every argument a number or d of them."""
        return cls(np.full(d, origin), np.diag(np.full(d, factor)), np.full(d, shift))

    @classmethod
    def centred(cls, moments: Moments, matrix: ndarray) -> Affine:
        """Return (x − μ) A, with the mean μ of these moments."""
        return cls(moments.origin, matrix, -moments.offset @ matrix)

    @classmethod
    def centring(cls, moments: Moments) -> Affine:
        """Return the map to columns of mean 0 in their own units."""
        return cls.centred(moments, np.eye(len(moments.origin)))

    @classmethod
    def standardizing(cls, moments: Moments) -> Affine:
        """Return the map to columns of mean 0 and variance 1."""
        return cls.centred(moments, np.diag(1.0 / moments.scale))

    @classmethod
    def whitening(cls, moments: Moments) -> Affine:
        """Return the map to mean 0 and covariance I, each z_j near its column; directions without variance stay short.

        The root of the correlation matrix is the symmetric one: no sign or order of eigenvectors is left to rounding.
        """
        variance, U = np.linalg.eigh(moments.correlation)
        symmetric = (U / np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))) @ U.T
        return cls.centred(moments, symmetric / moments.scale[:, None])

    @classmethod
    def eigenbasis(cls, moments: Moments, U: ndarray) -> Affine:
        """Return the map to coordinates of standardised columns along the directions in the columns of U."""
        return cls.centred(moments, U / moments.scale[:, None])

    # ---- algebra ---------------------------------------------------------------------------------

    def after(self, first: Affine) -> Affine:
        """Return the map that carries out `first`, and then this one."""
        return Affine(first.origin, first.matrix @ self.matrix, self.forward(first.shift))

    @cached_property
    def inverted(self) -> Affine:
        """The map back, x = (z − b) A⁻¹ + o."""
        length = np.linalg.norm(self.matrix, axis=1)  # rows of A are in the inverse units of the columns of x
        return Affine(self.shift, np.linalg.inv(self.matrix / length[:, None]) / length, self.origin)

    @property
    def log_abs_det(self) -> float:
        """log |det A|, the same for every row."""
        return float(np.linalg.slogdet(to_numpy(self.matrix)).logabsdet)

    def push_moments(self, moments: Moments) -> Moments:
        """Return the moments of z, given those of x."""
        mean = moments.mean_from(self.origin) @ self.matrix + self.shift
        return Moments(moments.n, np.zeros_like(mean), mean, self.matrix.T @ moments.covariance @ self.matrix)

    # ---- as a map --------------------------------------------------------------------------------

    def mixed(self, X):
        """Yield X unless A is diagonal."""
        if np.count_nonzero(self.matrix - np.diag(np.diag(self.matrix))):
            yield X

    def forward(self, X):
        """Return (x − o) A + b."""
        Z = (X - self.origin) @ self.matrix
        Z += self.shift
        return Z

    def inverse(self, Z):
        """Return (z − b) A⁻¹ + o."""
        return self.inverted.forward(Z)

    def log_det(self, X):
        """Return log |det A| for every row."""
        return np.full(len(X), self.log_abs_det)

    def pushforward(self, X, V):
        """Return v A."""
        return V @ self.matrix

    def pull_score(self, X, S):
        """Return s Aᵀ."""
        return S @ self.matrix.T

    def push_score(self, X, S):
        """Return s A⁻ᵀ, the score in z of a density with the score s in x."""
        return S @ self.inverted.matrix.T

    def second_order(self, X, V, S):
        """Return zeros: A is constant."""
        return np.zeros(np.broadcast_shapes(X.shape, V.shape)[:-1])


def isotropic(X, moments: Moments, preconditioning: str) -> tuple[Affine, ndarray]:
    """Return the affine map in which noise is isotropic, and the variances of the reference Gaussian in it.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows, on which the shrinkage depends.
    moments : Moments
        Of these rows with their weights.
    preconditioning : {"per_direction", "whiten", "standardize"}
        Along eigenvectors of the shrunk correlations; these scaled to unit variance; or the standardised columns.

    Returns
    -------
    Affine
        From x to z.
    ndarray of shape (d,)
        λ.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.moments import moments
    >>> from skscore.maps.affine import isotropic
    >>> X = np.random.default_rng(0).standard_normal((500, 2)) @ [[3.0, 4.0], [0.0, 2.0]] + 1e8
    >>> affine, variance = isotropic(X, moments(X), "per_direction")
    >>> variance.round(1), bool(abs(affine.inverse(affine.forward(X)) - X).max() < 1e-6)
    (array([0.1, 1.9]), True)
    """
    if preconditioning == "standardize":
        return Affine.standardizing(moments), np.ones(X.shape[1])
    variance, U = np.linalg.eigh(_shrunk_correlation(X, moments))
    variance = np.maximum(variance, SMALLEST_VARIANCE)
    if preconditioning == "whiten":
        return Affine.eigenbasis(moments, U / np.sqrt(variance)), np.ones(X.shape[1])
    return Affine.eigenbasis(moments, U), variance


def _shrunk_correlation(X, moments):
    rows = X[:: -(-len(X) // SHRINKAGE_ROWS)]
    standardised = Affine.standardizing(moments).forward(rows)
    shrinkage = ledoit_wolf_shrinkage(standardised, assume_centered=True) if len(rows) > 1 else 1.0
    correlation = moments.correlation
    target = np.trace(correlation) / len(correlation) * np.eye(len(correlation))
    return (1.0 - shrinkage) * correlation + shrinkage * target


def n_dependent(moments: Moments) -> int:
    """Return how many columns are constant or determined by the others, as standardised columns are of lower rank."""
    variance = np.linalg.eigvalsh(moments.correlation)
    return int(np.count_nonzero(variance < ROUNDING * max(1.0, variance[-1])))


def flat_directions(moments: Moments) -> tuple[str, ...]:
    """Return what to warn of when whitening leaves directions short, as their variance is only rounding."""
    variance = np.linalg.eigvalsh(moments.correlation)
    n_flat = np.count_nonzero(variance < SMALLEST_VARIANCE)
    if not n_flat:
        return ()
    remark = (
        f"{n_flat} of {len(variance)} directions have no variance (constant columns: "
        f"{np.flatnonzero(moments.constant).tolist()}; columns that are collinear, or as many as rows, have the same "
        f"effect): a relative variance of {SMALLEST_VARIANCE:g} stands in, and log-likelihoods compare only with fits "
        "under the same floor. Drop such columns."
    )
    return (remark,)
