r"""Edges by maximum pseudo-likelihood: every column of a truncated Gaussian regressed on the others.

Given the others, a column of p(x) ∝ exp(−xᵀKx/2 + ηᵀx) on the orthant is a normal truncated at zero,

.. math::

    p(x_j | x_{-j}) = e^{m x_j - κ x_j^2/2} / Z(m, κ),\qquad m = η_j - \sum_{i \ne j} K_{ji} x_i,\quad κ = K_{jj},

    \log Z = \tfrac12 u^2 + \log Φ(u) + \tfrac12 \log(2π/κ),\qquad u = m/\sqrt κ .

Pseudo-likelihood (Besag 1975) is the product of these laws. Each is a regular exponential family with p + 1
parameters, θ = (−K_{ji}, η_j, κ), hence log-concave: Newton's method finds its maximum, and nothing is tuned. Here
every column has its own κ and row of K; the two z-values of a pair are added.

References
----------
Besag, J. (1975). Statistical analysis of non-lattice data. The Statistician, 24(3), 179-195.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

STEPS, DECREMENT = 100, 1e-10


def truncated_normal(m, kappa):
    """Return log Z and E x, …, E x⁴ of the density exp(mx − κx²/2)/Z on x > 0, by κ E xʳ⁺¹ = m E xʳ + r E xʳ⁻¹."""
    u = m / np.sqrt(kappa)
    log_z = 0.5 * u**2 + log_ndtr(u) + 0.5 * np.log(2.0 * np.pi / kappa)
    e1 = (m + np.exp(-log_z)) / kappa
    e2 = (m * e1 + 1.0) / kappa
    e3 = (m * e2 + 2.0 * e1) / kappa
    e4 = (m * e3 + 3.0 * e2) / kappa
    return log_z, e1, e2, e3, e4


def loss(theta, D, x):
    """Return minus the mean log-likelihood of x given D, where m = Dθ₀ and κ is the last of θ; infinite for κ ≤ 0."""
    m, kappa = D @ theta[:-1], theta[-1]
    return np.mean(truncated_normal(m, kappa)[0] - m * x + 0.5 * kappa * x**2) if kappa > 0.0 else np.inf


def slope_and_bend(theta, D, x):
    """Return gradient and Hessian of the loss: means and covariances of x and −x²/2."""
    _, e1, e2, e3, e4 = truncated_normal(D @ theta[:-1], theta[-1])
    gradient = np.append(D.T @ (e1 - x), 0.5 * np.sum(x**2 - e2)) / len(x)
    cross = -0.5 * D.T @ (e3 - e1 * e2)
    within = (D * (e2 - e1**2)[:, None]).T @ D
    return gradient, np.block([[within, cross[:, None]], [cross, 0.25 * np.sum(e4 - e2**2)]]) / len(x)


def maximum(D, x):
    """Return the maximum-likelihood θ and its covariance, by Newton's method with halved steps."""
    theta = np.append(np.zeros(D.shape[1]), 1.0 / x.var())
    for _ in range(STEPS):
        gradient, hessian = slope_and_bend(theta, D, x)
        step = np.linalg.solve(hessian, -gradient)
        if -gradient @ step < DECREMENT:
            return theta, np.linalg.inv(hessian) / len(x)
        length, before = 1.0, loss(theta, D, x)
        while loss(theta + length * step, D, x) > before + 1e-4 * length * (gradient @ step):
            length /= 2.0
        theta = theta + length * step
    raise FloatingPointError(f"no maximum after {STEPS} steps")


def z_values(X):
    """Return the z-value of −K_ji, column j given all others, shape (p, p); the diagonal is zero."""
    n, p = X.shape
    Z = np.zeros((p, p))
    for j in range(p):
        others = np.arange(p) != j
        theta, covariance = maximum(np.column_stack([X[:, others], np.ones(n)]), X[:, j])
        Z[j, others] = (theta / np.sqrt(np.diag(covariance)))[: p - 1]
    return Z


def evidence(X):
    """Return how surely each pair interacts, |z_ij + z_ji|/√2, shape (p, p)."""
    Z = z_values(X)
    return np.abs(Z + Z.T) / np.sqrt(2.0)
