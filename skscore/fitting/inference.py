r"""How certain an estimate is: the sandwich covariance of a root of a mean gradient.

With :math:`\psi_i = \Gamma_i\theta - g_i` the gradient of row i at the estimate, weights :math:`w_i`, and A the slope
in θ of the weighted mean of the gradients and the penalty's,

.. math:: \operatorname{Cov}(\hat\theta) = A^{-1} M A^{-\top}, \qquad
          M = \frac{n}{n - 1}\,\frac{\sum_i w_i^2\,(\psi_i - \bar\psi)(\psi_i - \bar\psi)^\top}{(\sum_i w_i)^2},
          \qquad \bar\psi = \frac{\sum_i w_i\psi_i}{\sum_i w_i}

(White, 1982, with score matching's estimating function in place of the likelihood's), n the number of rows of positive
weight. Where the weights are given :math:`A = \Gamma + \alpha R`; where they follow the estimate ``models/windham.py``
has A. But for n/(n − 1) this is Σ (w_i ∂θ/∂w_i)², the infinitesimal jackknife.

A weight counts its row as one observation that matters more, not as several: an integer weight and repeated rows have
the same estimate, and standard errors that differ. Under a ridge these are errors about the penalised target.

References
----------
White, H. (1982). Maximum likelihood estimation of misspecified models. Econometrica, 50(1), 1-25.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

__all__ = ["Gradients", "pair_tests", "sandwich", "wald"]


@dataclass(frozen=True)
class Gradients:
    """Sums over rows that the covariance of a mean gradient needs; ``+`` adds those of other rows.

    Parameters
    ----------
    n_rows : int
    weight, square : float
        Sums of the weights and of their squares.
    first, cross : ndarrays of shape (m,)
        Σ w ψ and Σ w² ψ.
    second : ndarray of shape (m, m)
        Σ w² ψψᵀ.
    """

    n_rows: int
    weight: float
    square: float
    first: np.ndarray
    cross: np.ndarray
    second: np.ndarray

    @classmethod
    def of_rows(cls, psi, weight):
        """Of gradients (n, m) and weights (n,)."""
        scaled = weight[:, None] * psi
        n_rows = int(np.count_nonzero(weight))
        return cls(
            n_rows, float(weight.sum()), float(weight @ weight), weight @ psi, weight @ scaled, scaled.T @ scaled
        )

    def __add__(self, other: Gradients) -> Gradients:
        """Sums over the rows of both."""
        return Gradients(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def covariance_of_mean(self):
        """M, shape (m, m)."""
        mean = self.first / self.weight
        mixed = np.outer(self.cross, mean)
        centred = self.second - mixed - mixed.T + self.square * np.outer(mean, mean)
        return centred * self.n_rows / (max(self.n_rows - 1, 1) * self.weight**2)


def sandwich(A, M):
    """A⁻¹ M A⁻ᵀ; LinAlgError where A, in units of its diagonal, is singular up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.inference import sandwich
    >>> sandwich(np.array([[2.0]]), np.array([[12.0]]))
    array([[3.]])
    """
    scale = np.sqrt(np.maximum(np.abs(np.diag(A)), np.finfo(np.float64).tiny))
    units = np.outer(scale, scale)
    scaled = A / units
    inverse = np.linalg.inv(scaled)
    condition = np.linalg.norm(scaled, 1) * np.linalg.norm(inverse, 1)
    if condition * len(A) * np.finfo(np.float64).eps > 1.0:
        raise np.linalg.LinAlgError("A is singular")
    return inverse @ (M / units) @ inverse.T / units


def wald(theta, covariance, groups):
    """Wald tests that groups of parameters are zero.

    Parameters
    ----------
    theta : ndarray of shape (m,)
    covariance : ndarray of shape (m, m)
    groups : list of int arrays
        Places of the parameters of each group.

    Returns
    -------
    statistic, p_value : ndarrays of shape (n_groups,)
        θ_gᵀ Cov_g⁻¹ θ_g and its tail under χ² with as many degrees of freedom as the group has parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.inference import wald
    >>> statistic, p_value = wald(np.array([1.96, 0.0]), np.eye(2), [[0], [1]])
    >>> np.round(p_value, 3)
    array([0.05, 1.  ])
    """
    statistic = np.array([theta[g] @ np.linalg.solve(covariance[np.ix_(g, g)], theta[g]) for g in groups])
    return statistic, chi2.sf(statistic, [len(g) for g in groups])


def pair_tests(interactions, theta, covariance):
    """Wald tests that an interaction is zero, for each pair of p columns.

    Parameters
    ----------
    interactions : ndarray of shape (p, p)
    theta : ndarray of shape (m,)
        Begins with the upper triangle of the interactions, row by row.
    covariance : ndarray of shape (m, m)

    Returns
    -------
    dict of ndarrays of shape (n_pairs,)
        Columns ``i`` and ``j``, ``interaction``, ``standard_error``, ``statistic`` and ``p_value``, 1 for a pair
        without an error.
    """
    i, j = np.triu_indices(len(interactions))
    pairs = np.flatnonzero(i != j)
    error = np.sqrt(np.diag(covariance))[pairs]
    tested = error > 0.0
    statistic, p_value = np.zeros(len(pairs)), np.ones(len(pairs))
    if tested.any():
        statistic[tested], p_value[tested] = wald(theta, covariance, [[index] for index in pairs[tested]])
    columns = {"i": i[pairs], "j": j[pairs], "interaction": theta[pairs], "standard_error": error}
    return {**columns, "statistic": statistic, "p_value": p_value}
