r"""From an exponential family and a block of rows to the quadratic form of an objective: the one generic route.

With :math:`J = \partial T/\partial x` (m, d), :math:`b = \nabla\log q_0` and :math:`D, \ell, c` supplied by the
objective for each row,

.. math:: \Gamma = E[D D^\top], \qquad g = -E[\ell], \qquad c = E[c] .

===========  =================  ===========================================  ==================================
objective    D                  ℓ                                            c
===========  =================  ===========================================  ==================================
implicit     √h J               h(ΔT + J b) + J∇h                            h(½‖b‖² + ∇·b) + ∇h·b
explicit     J                  J(b − y)                                     ½‖b − y‖²
sliced       √h J Q             h(Σ_k q_kᵀ∇²T q_k + J b) + J∇h              h(½‖b‖² + Σ_k q_kᵀ∇b q_k) + ∇h·b
denoising    J(x + σz)          J(b + z/σ) at x + σz                         ½‖b + z/σ‖² at x + σz
===========  =================  ===========================================  ==================================

The weight h is 1 on R^d and elsewhere the distance to the boundary (Liu, Kanamori & Williams, 2022). The directions √d
q_k of the sliced objective form one random orthonormal frame Q, the same for all rows: their mean is exact, and
repeating a row is the same as doubling its weight. The noise draws are antithetic orthonormal frames with radii at the
quantiles of the χ law, rescaled so that E[zzᵀ] = I exactly; they too are the same for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi, ortho_group

from ..formulas import score_losses
from ..formulas.moments import row_blocks
from ..formulas.quadratic import QuadraticForm

__all__ = ["Denoising", "Explicit", "Implicit", "Sliced", "assemble"]


def _apply(J, v):
    """J v for Jacobians (n, m, d) and vectors (n, d)."""
    return np.einsum("nmd,nd->nm", J, v)


def _weighted(family, X, J, laplacian, base_divergence):
    """(D, ℓ, c) of the implicit objective, with the weight of a bounded domain."""
    b = family.base.score(X)
    linear = laplacian + _apply(J, b)
    if not family.domain.has_boundary:
        return J, linear, score_losses.implicit(b, base_divergence)
    h, grad_h = family.domain.boundary_distance(X)
    constant = score_losses.weighted(b, base_divergence, h, grad_h)
    return np.sqrt(h)[:, None, None] * J, h[:, None] * linear + _apply(J, grad_h), constant


@dataclass(frozen=True)
class Implicit:
    """Hyvärinen (2005), eq. 4; with the weight h of the domain, Liu et al. (2022)."""

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows."""
        yield _weighted(family, X, family.jacobian(X), family.laplacian(X), family.base.divergence(X))


@dataclass(frozen=True)
class Explicit:
    """Hyvärinen (2005), eq. 2, with known scores y."""

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows."""
        J, b = family.jacobian(X), family.base.score(X)
        yield J, _apply(J, b - Y), score_losses.explicit(b, Y)


@dataclass(frozen=True)
class Sliced:
    """Song, Garg, Shi & Ermon (2019), eq. 7, along one orthonormal frame."""

    seed: int = 0

    def frame(self, d):
        """Orthonormal directions, the rows of a (d, d) array."""
        return np.ones((1, 1)) if d == 1 else np.atleast_2d(ortho_group.rvs(d, random_state=self.seed))

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows."""
        Q = self.frame(X.shape[1])
        curvature = sum(family.statistics_curvature(X, q) for q in Q)
        base_curvature = sum(family.base.curvature(X, q) for q in Q)
        D, linear, constant = _weighted(family, X, family.jacobian(X), curvature, base_curvature)
        yield D @ Q.T, linear, constant


@dataclass(frozen=True)
class Denoising:
    """Vincent (2011), eq. 9, at noise level `sigma` in the units of X."""

    sigma: float
    n_frames: int = 8
    seed: int = 0

    def draws(self, d):
        """Antithetic standard normal draws of shape (2 · n_frames · d, d), with mean 0 and mean zzᵀ = I."""
        frames = [Sliced(self.seed + k).frame(d) for k in range(self.n_frames)]
        radii = chi.ppf((np.arange(self.n_frames) + 0.5) / self.n_frames, d)
        radii *= np.sqrt(d / np.mean(radii**2))
        half = np.concatenate([r * frame for r, frame in zip(radii, frames, strict=True)])
        return np.concatenate([half, -half])

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows at each noise draw."""
        for z in self.draws(X.shape[1]):
            noisy = X + self.sigma * z
            J, b = family.jacobian(noisy), family.base.score(noisy)
            yield J, _apply(J, b + z / self.sigma), score_losses.denoising(b, z, self.sigma)


def _block_form(D, linear, constant, weight) -> QuadraticForm:
    n = float(weight.sum())
    features = np.moveaxis(np.sqrt(weight / n)[:, None, None] * D, 1, 2).reshape(-1, D.shape[1])  # (n·d, m)
    return QuadraticForm(features.T @ features, -(weight @ linear) / n, float(weight @ constant) / n, n)


def assemble(family, X, Y, weight, objective) -> QuadraticForm:
    """Quadratic form of the rows of X under `objective`, in blocks of rows.

    Parameters
    ----------
    family : Family
        Supplies ``jacobian``, ``laplacian``, ``statistics_curvature``, ``base`` and ``domain``.
    X : ndarray of shape (n, d)
    Y : ndarray of shape (n, d) or None
        Known scores, for the explicit objective.
    weight : ndarray of shape (n,) or None
    objective : Implicit, Explicit, Sliced or Denoising

    Returns
    -------
    QuadraticForm
    """
    weight = np.ones(len(X)) if weight is None else weight
    total = QuadraticForm(0.0, 0.0, 0.0, 0.0)
    for rows in row_blocks(len(X), 8 * X.shape[1] * (family.n_parameters + 1), block_bytes=1 << 22):
        if not weight[rows].any():
            continue
        block = np.asarray(X[rows], dtype=np.float64)
        for D, linear, constant in objective.rows(family, block, None if Y is None else Y[rows]):
            form = _block_form(D, linear, constant, weight[rows])
            total = form if total.n == 0.0 else total + form
    return replace(total, n=float(weight.sum()))  # noise draws belong to the mean over rows, they are not further rows
