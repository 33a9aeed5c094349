r"""Base measures :math:`q_0` of an exponential family, :math:`p(x) \propto \exp(\theta^\top T(x))\, q_0(x)`."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["GaussianBase", "resolve_base"]


class GaussianBase(BaseEstimator):
    """The base measure N(loc, diag(scale²)).

    Parameters
    ----------
    loc : float or array-like of shape (d,), default=0.0
        Mean, in the units of X.
    scale : float or array-like of shape (d,), default=1.0
        Standard deviations, in the units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> GaussianBase(loc=1.0, scale=2.0).grad_log_density(np.array([[3.0]]))
    array([[-0.5]])
    """

    is_flat = False

    def __init__(self, loc=0.0, scale=1.0):
        self.loc = loc
        self.scale = scale

    def _standardized(self, X):
        scale = np.broadcast_to(np.asarray(self.scale, float), X.shape[1:])
        return (X - np.asarray(self.loc, float)) / scale, scale

    def log_density(self, X):
        """Normalised log q₀ of each row, shape (n,)."""
        Z, scale = self._standardized(X)
        return -0.5 * (Z * Z).sum(axis=1) - np.log(scale).sum() - 0.5 * X.shape[1] * np.log(2.0 * np.pi)

    def grad_log_density(self, X):
        """∇ log q₀ of each row, shape (n, d)."""
        Z, scale = self._standardized(X)
        return -Z / scale

    def curvature(self, X, V):
        """vᵀ ∇² log q₀(x) v of each row, shape (n,), for directions V of shape (d,) or (n, d)."""
        _, scale = self._standardized(X)
        return np.broadcast_to(-((V / scale) ** 2).sum(axis=-1), X.shape[:1])

    def divergence(self, X):
        """Δ log q₀ of each row, shape (n,)."""
        _, scale = self._standardized(X)
        return np.full(len(X), -(scale**-2.0).sum())


class _Lebesgue(GaussianBase):
    """The flat base measure, q₀ = 1: a Gaussian of infinite scale but for its normaliser."""

    is_flat = True

    def __init__(self):
        super().__init__(0.0, np.inf)

    def log_density(self, X):
        """log 1 of each row."""
        return np.zeros(len(X))


def resolve_base(base, moments):
    """Base measure for ``base="gaussian"`` (moments of the data), None (flat) or a base of the user's own."""
    if base is None:
        return _Lebesgue()
    if isinstance(base, str):
        return GaussianBase(moments.mean, moments.scale)
    return base
