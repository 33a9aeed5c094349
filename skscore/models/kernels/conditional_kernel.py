r"""Conditional kernel exponential family: :math:`\log p(v \mid u) = f(u, v) + \log q_0(v) - \log Z(u)`.

The function f is a sum of products of Gaussian kernels of inputs and targets (Arbel & Gretton, 2018),

.. math::

   f(u, v) = \sum_a \theta_a\, T_a(v \mid u), \qquad T_a(v \mid u) = k_X(u, w_a)\, k_Y(v, z_a)
           = \exp\Bigl(-\frac{\|u - w_a\|^2}{2\sigma_X^2} - \frac{\|v - z_a\|^2}{2\sigma_Y^2}\Bigr),

which is one Gaussian kernel of the joint row (u, v), differentiated in v alone. So the closed form of
:mod:`~skscore.models.kernels.lite` serves as it stands, :math:`\Gamma = \tfrac12 E[M + M^\top - D \circ Q]` with K of
joint rows, S and D of targets: score matching never asks for Z(u), which differs from row to row.

References
----------
Arbel, M., & Gretton, A. (2018). Kernel conditional exponential family. AISTATS, PMLR 84, 1337-1346.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from ..base import GaussianBase
from .lite import STACKED_COLUMNS, LiteFamily
from .rkhs import orthonormal_basis

__all__ = ["ConditionalLiteFamily"]


class _TargetBase:
    """N(0, I) of the targets in joint rows."""

    def __init__(self, n_inputs):
        self.n_inputs, self.law = n_inputs, GaussianBase()

    def log_density(self, X):
        return self.law.log_density(X[:, self.n_inputs :])

    def score(self, X):
        return self.law.score(X[:, self.n_inputs :])

    def curvature(self, X, V):
        return self.law.curvature(X[:, self.n_inputs :], V)

    def divergence(self, X):
        return self.law.divergence(X[:, self.n_inputs :])


class ConditionalLiteFamily(LiteFamily):
    """Products of kernels at joint landmarks; rows are (u, v), and every derivative is one in v.

    Parameters
    ----------
    landmarks : ndarray of shape (m, d + t)
        (w_a, z_a).
    n_inputs : int
        d.
    input_bandwidth, bandwidth : float
        σ_X and σ_Y.
    basis : ndarray of shape (m, r), optional
        The functions whose coordinates are the parameters; an orthonormal basis by default.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.conditional_kernel import ConditionalLiteFamily
    >>> family = ConditionalLiteFamily(np.zeros((1, 2)), 1, 1.0, 1.0)
    >>> family.statistics(np.array([[0.0, 0.0], [1.0, 1.0]])).round(4)
    array([[1.    ],
           [0.3679]])
    """

    def __init__(self, landmarks, n_inputs, input_bandwidth, bandwidth, basis=None):
        self.n_inputs, self.input_bandwidth, self.bandwidth = n_inputs, input_bandwidth, bandwidth
        n_targets = landmarks.shape[1] - n_inputs
        scales = np.r_[np.full(n_inputs, input_bandwidth), np.full(n_targets, bandwidth)]
        super().__init__(landmarks, np.diag(1.0 / scales), np.eye(len(landmarks)), _TargetBase(n_inputs))
        self.trace, self.is_isotropic = n_targets / bandwidth**2, False  # slopes are those of targets
        self.basis = orthonormal_basis(self.statistics(landmarks)) if basis is None else basis
        self.n_parameters = self.basis.shape[1]

    def _coordinates(self, X) -> tuple[np.ndarray, np.ndarray]:
        centred = X - self.centre
        return centred @ self.factor, centred[:, self.n_inputs :] / self.bandwidth**2

    @property
    def _is_stacked(self):
        return self.q.shape[1] <= STACKED_COLUMNS

    def jacobian(self, X):
        """∂T/∂v of each row, shape (n, r, t): one product of matrices for each target."""
        p, q = self._coordinates(X)
        K = self._kernel(p)
        along = [
            ((of_landmarks - own[:, None]) * K) @ self.basis for own, of_landmarks in zip(q.T, self.q.T, strict=True)
        ]
        return np.stack(along, axis=-1)

    def _kernel_curvature(self, X, V):
        p, q = self._coordinates(X)
        V = np.broadcast_to(V, q.shape)
        along = np.einsum("nj,nj->n", q, V)[:, None] - V @ self.q.T
        return (along**2 - (V * V).sum(axis=1)[:, None] / self.bandwidth**2) * self._kernel(p)

    def curvature(self, phi, X, V):
        """vᵀ ∇² log p(x) v of each row, shape (n,), for directions V of targets of shape (t,) or (n, t)."""
        theta = self.basis @ phi

        def along(B, W):
            return self._kernel_curvature(B, W) @ theta + self.base.curvature(B, W)

        return self._blockwise(along, X, np.broadcast_to(V, (len(X), self.q.shape[1])))

    @property
    def targets(self):
        """z_a, shape (m, t)."""
        return self.landmarks[:, self.n_inputs :]

    def input_kernel(self, U):
        """k_X(u, w_a), shape (n, m)."""
        return _gaussian(U, self.landmarks[:, : self.n_inputs], self.input_bandwidth)

    def target_kernel(self, V):
        """k_Y(v, z_a), shape (g, m)."""
        return _gaussian(V, self.targets, self.bandwidth)


def _gaussian(rows, landmarks, bandwidth):
    return np.exp(cdist(rows, landmarks, "sqeuclidean") / (-2.0 * bandwidth**2))
