r"""Base measures :math:`q_0` of an exponential family, :math:`p(x) \propto \exp(\theta^\top T(x))\, q_0(x)`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln
from sklearn.base import BaseEstimator

from .._compat import beside, get_namespace, is_numpy
from .._kernels.rows import scaled_difference
from ..maps.affine import Affine

__all__ = ["GaussianBase", "MappedBase", "StudentT", "resolve_base"]


class GaussianBase(BaseEstimator):
    """The base measure N(loc, diag(scale²)); with infinite scales the flat one, q₀ = 1.

    Parameters
    ----------
    loc : float or array-like of shape (d,), default=0.0
        Mean, in the units of X.
    scale : float or array-like of shape (d,), default=1.0
        Standard deviations, in the units of X; ∞ for the flat measure.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> GaussianBase(loc=1.0, scale=2.0).score(np.array([[3.0]]))
    array([[-0.5]])
    """

    def __init__(self, loc: ArrayLike = 0.0, scale: ArrayLike = 1.0) -> None:
        self.loc = loc
        self.scale = scale

    @property
    def is_flat(self):
        """Whether the measure is 1 everywhere."""
        return bool(np.isinf(self.scale).all())

    def _scales(self, X):
        return beside(X, np.broadcast_to(np.asarray(self.scale, float), X.shape[1:]))

    def _standardized(self, X):
        scale = self._scales(X)
        return (X - beside(X, np.asarray(self.loc, float))) / scale, scale

    def log_density(self, X):
        """log q₀ of each row, shape (n,): normalised, or 0 if it is flat."""
        xp, _ = get_namespace(X)
        if self.is_flat:
            return xp.zeros_like(X[:, 0])
        Z, scale = self._standardized(X)
        return -0.5 * xp.sum(Z * Z, axis=1) - xp.sum(xp.log(scale)) - 0.5 * X.shape[1] * float(np.log(2.0 * np.pi))

    def score(self, X):
        """∇ log q₀ of each row, shape (n, d)."""
        Z, scale = self._standardized(X)
        return -Z / scale

    def curvature(self, X, V):
        """vᵀ ∇² log q₀(x) v of each row, shape (n,), for directions V of shape (d,) or (n, d)."""
        xp, _ = get_namespace(X)
        return xp.broadcast_to(-xp.sum((V / self._scales(X)) ** 2, axis=-1), X.shape[:1])

    def divergence(self, X):
        """Δ log q₀ of each row, shape (n,)."""
        xp, _ = get_namespace(X)
        return xp.zeros_like(X[:, 0]) - xp.sum(self._scales(X) ** -2.0)


@dataclass(frozen=True, eq=False)
class StudentT:
    """Multivariate Student t around the origin with a diagonal scale matrix.

    Parameters
    ----------
    df : float
        Degrees of freedom ν > 0.
    variance : ndarray of shape (d,)
        Diagonal λ of the scale matrix: the variances of the Gaussian that ν → ∞ gives.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.base import StudentT
    >>> cauchy = StudentT(1.0, np.ones(1))
    >>> np.exp(cauchy.log_density(np.array([[0.0], [1.0]]))) * np.pi
    array([1. , 0.5])
    """

    df: float
    variance: np.ndarray

    def _distance(self, X):
        xp, _ = get_namespace(X)
        return xp.sum(X**2 / self.variance, axis=1)

    def log_density(self, X):
        """Log-density in nats, shape (n,)."""
        xp, _ = get_namespace(X)
        nu, d = self.df, X.shape[1]
        log_z = float(gammaln(nu / 2) - gammaln((nu + d) / 2) + 0.5 * d * np.log(nu * np.pi))
        return -0.5 * (nu + d) * xp.log1p(self._distance(X) / nu) - log_z - 0.5 * xp.sum(xp.log(self.variance))

    def _pull(self, X):
        """c = (ν + d) / (ν + q): the weight of a row in the likelihood of the scale."""
        return (self.df + X.shape[1]) / (self.df + self._distance(X))

    def score(self, X):
        """Score −c x/λ, shape (n, d)."""
        return -self._pull(X)[:, None] * X / self.variance

    def curvature(self, X, V):
        """Second derivative vᵀ ∇² log t v along `V` of shape (d,) or (n, d), shape (n,)."""
        xp, _ = get_namespace(X)
        along = xp.sum(self.score(X) * V, axis=1) ** 2
        flat = xp.sum(xp.broadcast_to(V, X.shape) ** 2 / self.variance, axis=1)
        return -self._pull(X) * flat + 2 / (self.df + X.shape[1]) * along

    def sample(self, n, rng):
        """Draw `n` rows, shape (n, d)."""
        z = rng.standard_normal((n, len(self.variance))) * np.sqrt(self.variance)
        return z / np.sqrt(rng.chisquare(self.df, size=(n, 1)) / self.df)


@dataclass(frozen=True, eq=False)
class MappedBase:
    """The base measure of rows x whose coordinates y have the base measure `law`.

    Parameters
    ----------
    law : GaussianBase or another with its methods
        With a GaussianBase the measure is a Gaussian of x, too, and its score is one product.
    coordinates : Affine
        From x to y.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.maps.affine import Affine
    >>> from skscore.models.base import MappedBase
    >>> MappedBase(GaussianBase(), Affine.columnwise(1, 0.5)).score(np.array([[2.0]]))  # of N(0, 4)
    array([[-0.5]])
    """

    law: Any
    coordinates: Affine
    is_flat = False

    def log_density(self, X):
        """Log-density of each row, shape (n,)."""
        return self.law.log_density(self.coordinates.forward(X)) + self.coordinates.log_abs_det

    @cached_property
    def _gaussian(self):
        """Centre (d,) and precision matrix (d, d) of a Gaussian of x, its diagonal (d,) if it has no other entries.

        In numpy; None if there is none.
        """
        if not (isinstance(self.law, GaussianBase) and is_numpy(self.coordinates.matrix)):
            return None
        d = len(self.coordinates.matrix)
        loc, scaled = np.broadcast_to(self.law.loc, d), self.coordinates.matrix / np.asarray(self.law.scale, float)
        precision = scaled @ scaled.T
        own = np.diag(precision).copy()
        return self.coordinates.inverse(loc), own if (precision == np.diag(own)).all() else precision

    def score(self, X):
        """∇ log q₀ of each row, shape (n, d)."""
        if self._gaussian is not None:
            centre, precision = self._gaussian
            return scaled_difference(X, centre, -precision) if precision.ndim == 1 else (centre - X) @ precision
        return self.coordinates.pull_score(X, self.law.score(self.coordinates.forward(X)))

    def curvature(self, X, V):
        """vᵀ ∇² log q₀(x) v of each row, shape (n,), for directions V of shape (d,) or (n, d)."""
        return self.law.curvature(self.coordinates.forward(X), self.coordinates.pushforward(X, V))

    def divergence(self, X):
        """Δ log q₀ of each row, shape (n,)."""
        if self._gaussian is not None:
            precision = self._gaussian[1]
            return np.full(len(X), -(precision.sum() if precision.ndim == 1 else np.trace(precision)))
        Y = self.coordinates.forward(X)
        return sum(self.law.curvature(Y, self.coordinates.matrix[j, :]) for j in range(X.shape[1]))

    def blurred(self, noise):
        """Base measure of rows with Gaussian noise of covariance `noise` (d, d), if `law` is a GaussianBase."""
        A, loc, scale = self.coordinates.matrix, np.asarray(self.law.loc), np.asarray(self.law.scale)
        covariance = scale**2 * np.eye(len(A)) + A.T @ noise @ A
        whitening = Affine(loc * np.ones(len(A)), np.linalg.inv(np.linalg.cholesky(covariance)).T, np.zeros(len(A)))
        return MappedBase(GaussianBase(), whitening.after(self.coordinates))


def resolve_base(base, moments):
    """Base measure for ``base="gaussian"`` (moments of the data), None (flat) or a base of the user's own."""
    if base is None:
        return GaussianBase(scale=np.inf)
    if isinstance(base, str):
        return GaussianBase(moments.mean, moments.scale)
    return base
