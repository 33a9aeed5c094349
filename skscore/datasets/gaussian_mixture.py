"""Mixtures of Gaussians with full covariances.

With whiteners A_k (A_kᵀ A_k = Σ_k⁻¹) and z_k = A_k (x − μ_k),

    log p(x) = log Σ_k w_k (2π)^(−d/2) |det A_k| exp(−‖z_k‖²/2),      s(x) = −Σ_k P(k | x) A_kᵀ z_k.

References
----------
C. M. Bishop (2006), Pattern Recognition and Machine Learning, section 9.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import logsumexp, softmax

from .distribution import Distribution


@dataclass(frozen=True, eq=False)
class GaussianMixtureDistribution(Distribution):
    """Mixture of any number of Gaussians in any dimension.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Probabilities of the components; they sum to one.
    means : array-like of shape (n_components, n_features)
        Their means μ_k.
    covariances : array-like of shape (n_components, n_features, n_features)
        Their covariances Σ_k, symmetric and positive definite.

    Examples
    --------
    A ring of eight:

    >>> import numpy as np
    >>> from skscore.datasets import GaussianMixtureDistribution
    >>> angle = np.arange(8) * np.pi / 4
    >>> means = 4 * np.column_stack([np.cos(angle), np.sin(angle)])
    >>> ring = GaussianMixtureDistribution(np.full(8, 1 / 8), means, np.tile(0.25 * np.eye(2), (8, 1, 1)))
    >>> ring.score_samples(means).round(6)
    array([-2.531024, -2.531024, -2.531024, -2.531024, -2.531024, -2.531024,
           -2.531024, -2.531024])
    """

    weights: ArrayLike
    means: ArrayLike
    covariances: ArrayLike

    @property
    def n_features(self) -> int:  # type: ignore[override]
        """Dimension d of the space."""
        return np.shape(self.means)[1]

    @cached_property
    def _choleskys(self) -> ndarray:
        return np.linalg.cholesky(np.asarray(self.covariances, dtype=np.float64))

    @cached_property
    def _whiteners(self) -> ndarray:
        return np.linalg.inv(self._choleskys)

    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        means, A = np.asarray(self.means), self._whiteners
        log_det = np.log(np.diagonal(A, axis1=1, axis2=2)).sum(axis=1)
        log_weights = np.log(self.weights) + log_det - 0.5 * self.n_features * np.log(2 * np.pi)
        Z = (X - means[:, None]) @ A.mT
        log_joint = log_weights[:, None] - 0.5 * (Z**2).sum(axis=2)
        score = -(softmax(log_joint, axis=0)[..., None] * (Z @ A)).sum(axis=0)
        return logsumexp(log_joint, axis=0), score

    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        k = rng.choice(len(self._choleskys), size=n_samples, p=np.asarray(self.weights))
        noise = rng.standard_normal((n_samples, self.n_features))
        return np.asarray(self.means)[k] + np.einsum("nij,nj->ni", self._choleskys[k], noise)


@dataclass(frozen=True, eq=False)
class FourGaussians(GaussianMixtureDistribution):
    """Four separated Gaussians in the plane with unequal weights, scales and directions.

    The modes are so far apart that there is almost no mass between them: the Hyvärinen score does not depend on their
    weights.

    Parameters
    ----------
    weights, means, covariances : array-like
        As in `GaussianMixtureDistribution`.

    Examples
    --------
    >>> from skscore.datasets import FourGaussians
    >>> FourGaussians().score_samples([[-3.0, -3.0], [3.0, 3.0]]).round(4)
    array([-1.6505, -2.7542])
    """

    weights: ArrayLike = (0.4, 0.3, 0.2, 0.1)
    means: ArrayLike = ((-3.0, -3.0), (-3.0, 3.0), (3.0, -3.0), (3.0, 3.0))
    covariances: ArrayLike = (
        ((0.50, 0.20), (0.20, 0.30)),
        ((0.30, -0.15), (-0.15, 0.60)),
        ((0.80, 0.00), (0.00, 0.15)),
        ((0.25, 0.00), (0.00, 0.25)),
    )
