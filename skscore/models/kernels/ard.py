r"""A bandwidth for each column, and the ridge, by the gradient of the objective on held-out rows.

Automatic relevance determination: of kernels :math:`k(x, z) = \exp(-\tfrac12\sum_j \tau_j (x_j - z_j)^2)` a column that
says little about the others gets a small precision :math:`\tau_j = 1/\sigma_j^2`. With θ fitted to rows T and scored
on rows V,

.. math::

   J_V(\theta) = \tfrac12\theta^\top\Gamma_V\theta - g_V^\top\theta + c_V, \qquad
   (\Gamma_T + \lambda R)\,\theta = g_T, \qquad (\Gamma_T + \lambda R)\,\omega = \Gamma_V\theta - g_V,

the adjoint ω gives, for a change of the kernels denoted by a prime,

.. math::

   \frac{dJ_V}{d\lambda} = -\omega^\top R\,\theta, \qquad
   J_V' = \tfrac12\theta^\top\Gamma_V'\theta - g_V'^\top\theta
          - \omega^\top(\Gamma_T'\theta - g_T' + \lambda R'\theta).

No derivative of a matrix is formed. Both Γ and g stand between functions :math:`f_a = \sum_l a_l k(\cdot, z_l)`,

.. math::

   \Phi(b, a) = b^\top\Gamma a - g^\top b = E[\nabla f_b\cdot(\nabla f_a + \nabla\log q_0) + \Delta f_b],
   \qquad J_V' = \Phi_V'(\theta, \tfrac12\theta) - \Phi_T'(\omega, \theta) - \lambda\,\omega^\top R'\theta,

and Φ' is a mean over rows of moments of kernels, Σ_l b_l k_l, Σ_l b_l k_l u_l and Σ_l b_l k_l u_l² with
u = x − z: O(nmd) for all columns together. Wenliang, Sutherland, Strathmann & Gretton (2019) choose kernels by the
same held-out objective, with automatic differentiation instead of the adjoint.

References
----------
Wenliang, L. K., Sutherland, D. J., Strathmann, H., & Gretton, A. (2019). Learning deep kernels for exponential family
densities. ICML, PMLR 97, 6737-6746.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from ...fitting.ridge_path import held_out_values, without
from ...fitting.solvers import solve_ridge
from ...formulas.moments import row_blocks
from ..objectives import Implicit
from .lite import LiteFamily
from .rkhs import orthonormal_basis

__all__ = ["ColumnKernels", "held_out_objective", "optimise_precisions"]

REACH = 20.0  # by which a bandwidth may change either way from the common one; the ridge by its square
N_RIDGES = 13
MAX_STEPS = 50


class ColumnKernels(LiteFamily):
    """Kernels with a precision for each column, and the derivatives of their means with respect to it.

    Parameters
    ----------
    landmarks : ndarray of shape (m, d)
        z_l.
    precision : ndarray of shape (d,)
        τ, in inverse squared units of the columns.
    base : GaussianBase or another with its methods
        q₀.
    regularizer : {"rkhs", "identity"}, default="rkhs"
        R = K, the kernels at the landmarks, or R = I.
    """

    def __init__(self, landmarks, precision, base, regularizer="rkhs"):
        super().__init__(landmarks, np.diag(np.sqrt(precision)), np.eye(len(landmarks)), base)
        self.precision, self.regularizer = precision, regularizer
        z = landmarks - self.centre
        self.powers = np.column_stack([np.ones(len(z)), z, z**2])
        if regularizer == "rkhs":
            self.basis = orthonormal_basis(self._kernel(self.p))
            self.n_parameters = self.basis.shape[1]

    def _moments(self, K, x, coefficients=None):
        """Sums over landmarks of a_l k_l, a_l k_l u_l and a_l k_l u_l², of shapes (n, 1), (n, d) and (n, d)."""
        powers = self.powers if coefficients is None else coefficients[:, None] * self.powers
        mass, first, second = np.split(K @ powers, [1, 1 + x.shape[1]], axis=1)
        return mass, x * mass - first, x * (x * mass - 2.0 * first) + second

    def mean_slopes(self, X, weight, pairs):
        """∂Φ(b, a)/∂τ for each pair of coefficients of kernels, times the total weight.

        Parameters
        ----------
        X : ndarray of shape (n, d)
        weight : ndarray of shape (n,)
        pairs : list of (b, a), each of shape (m,)

        Returns
        -------
        ndarray of shape (n_pairs, d)
        """
        total = np.zeros((len(pairs), X.shape[1]))
        for rows in row_blocks(len(X), 1, self.block_rows):
            p, q = self._coordinates(X[rows])
            block = X[rows] - self.centre, q, *self._kernel_and_square(p, q), self.base.score(X[rows])
            total += [weight[rows] @ self._row_slopes(*block, b, a) for b, a in pairs]
        return total

    def _row_slopes(self, x, q, K, KS, pull, b, a):
        """∂/∂τ of ∇f_b·(∇f_a + ∇log q₀) + Δf_b in each row; of each factor k by itself it is −½u²k."""
        mass, first, second = self._moments(K, x, b)
        first_a = self._moments(K, x, a)[1]
        tau, slope_b = self.precision, -self.precision * first
        field = pull - tau * first_a

        def along(v):
            return _inner(v, q)[:, None] - v @ self.q.T  # v·τu for each landmark

        factors = b * (KS - (self.trace + along(field)) * K) - a * (along(slope_b) * K)
        explicit = 2.0 * tau * (first * first_a + second) - pull * first - mass
        return explicit - 0.5 * self._moments(factors, x)[2]

    def penalty_slopes(self, b, a):
        """bᵀ(∂R/∂τ)a, shape (d,)."""
        if self.regularizer == "identity":
            return np.zeros(len(self.precision))
        z = self.landmarks - self.centre
        return -0.5 * b @ self._moments(self._kernel(self.p), z, a)[2]


def _inner(a, b):
    return np.einsum("nj,nj->n", a, b)


def held_out_objective(family, alpha, tables, held_out=None):
    """Objective of tables at the θ of all others, and its gradient in the logarithms of τ and the ridge.

    Parameters
    ----------
    family : ColumnKernels
    alpha : float
        Ridge λ, positive.
    tables : list of (X, weight)
        Rows (n, d) and their weights (n,).
    held_out : sequence of int, optional
        Which tables are held out; None for each in turn.

    Returns
    -------
    value : float
        Mean over the rows of the tables held out.
    gradient : ndarray of shape (d + 1,)
        With respect to log τ and log λ.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.kernels.ard import ColumnKernels, held_out_objective
    >>> X, weight = np.linspace(-2.0, 2.0, 40)[:, None], np.ones(20)
    >>> family = ColumnKernels(X[::8], np.array([1.0]), GaussianBase(scale=1.2))
    >>> value, gradient = held_out_objective(family, 0.01, [(X[::2], weight), (X[1::2], weight)])
    >>> gradient.shape
    (2,)
    """
    forms = _forms(family, tables)
    held = list(range(len(tables))) if held_out is None else list(held_out)
    n = np.array([form.n for form in forms])
    solutions = [_fit_and_adjoint(forms, k, alpha) for k in held]
    values = [float(forms[k].value(theta)) for k, (theta, _) in zip(held, solutions, strict=True)]
    gradients = np.zeros((len(held), len(family.precision) + 1))
    gradients[:, -1] = [-omega @ theta for theta, omega in solutions]
    solutions = [(family.basis @ theta, family.basis @ omega) for theta, omega in solutions]
    for j, table in enumerate(tables):
        gradients[:, :-1] += _table_slopes(
            family, table, [_pair(j, k, n, *fit) for k, fit in zip(held, solutions, strict=True)]
        )
    for gradient, (theta, omega) in zip(gradients, solutions, strict=True):
        gradient[:-1] -= alpha * family.penalty_slopes(omega, theta)
    share = n[held] / n[held].sum()
    return float(share @ values), share @ gradients * np.append(family.precision, alpha)


def _forms(family, tables):
    return [family.assemble(X, None, weight, Implicit()) for X, weight in tables]


def _table_slopes(family, table, weighted_pairs):
    """Sum over the rows of one table of what its pairs, each with a factor, add to the slopes of their splits."""
    factors, *pairs = zip(*weighted_pairs, strict=True)
    return np.array(factors)[:, None] * family.mean_slopes(*table, list(zip(*pairs, strict=True)))


def _fit_and_adjoint(forms, k, alpha):
    """θ fitted to all tables but the k-th, and its adjoint ω, in the orthonormal basis."""
    rest = without(forms, k)
    theta = solve_ridge(rest, alpha).theta
    omega = solve_ridge(replace(rest, g=forms[k].gradient(theta)), alpha).theta
    return theta, omega


def _pair(j, k, n, theta, omega):
    """Factor and (b, a) of the Φ(b, a) by which table j enters J of the k-th held out; n (K,) are their weights."""
    if j == k:
        return 1.0 / n[k], theta, 0.5 * theta
    return -1.0 / (n.sum() - n[k]), omega, theta


def optimise_precisions(tables, landmarks, base, bandwidth, alpha, regularizer="rkhs"):
    """Precisions and ridge of least mean objective over the folds, by L-BFGS-B from a common bandwidth.

    Parameters
    ----------
    tables : list of (X, weight)
        Folds of rows (n, d) with their weights (n,).
    landmarks : ndarray of shape (m, d)
    base : GaussianBase or another with its methods
    bandwidth : float
        σ of all columns to start from.
    alpha : float
        Ridge λ to start from.
    regularizer : {"rkhs", "identity"}, default="rkhs"

    Returns
    -------
    precision : ndarray of shape (d,)
        τ.
    alpha : float
        λ.
    value : float
        The objective of rows held out that they reach.

    Notes
    -----
    The objective has many local minima. Start from the best common bandwidth: from one far too small, the descent may
    stay with kernels that follow single rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.datasets import Banana
    >>> from skscore.models import GaussianBase
    >>> from skscore.models.kernels.ard import optimise_precisions
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([Banana().sample(200, rng), rng.standard_normal(200)])
    >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
    >>> tables = [(X[k::3], np.ones(len(X[k::3]))) for k in range(3)]
    >>> precision, alpha, value = optimise_precisions(tables, X[:30], GaussianBase(), bandwidth=1.0, alpha=0.1)
    >>> bool(precision[2] < 0.1 * precision[:2].min())  # the column of noise
    True
    """

    def kernels(precision):
        return ColumnKernels(landmarks, precision, base, regularizer)

    def objective(logarithms):
        return held_out_objective(kernels(np.exp(logarithms[:-1])), np.exp(logarithms[-1]), tables)

    common = np.full(landmarks.shape[1], bandwidth**-2.0)
    centre, reach = np.log(np.append(common, alpha)), 2.0 * np.log(REACH)
    bounds = np.column_stack([centre - reach, centre + reach])
    start = np.append(centre[:-1], _best_ridge(_forms(kernels(common), tables), bounds[-1]))
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MAX_STEPS})
    return np.exp(found.x[:-1]), float(np.exp(found.x[-1])), float(found.fun)


def _best_ridge(forms, bounds):
    """Logarithm of the best of some ridges; from one far too small, a descent lands where all kernels are flat."""
    least, greatest = bounds
    logarithms = np.linspace(least, greatest, N_RIDGES)
    share = np.array([form.n for form in forms])
    return logarithms[np.argmin(share @ held_out_values(forms, np.exp(logarithms)))]
