r"""From an exponential family and a block of rows to the quadratic form of an objective: the one generic route.

With :math:`J = \partial T/\partial x` (m, d), :math:`b = \nabla\log q_0` and :math:`D, \ell, c` supplied by the
objective for each row,

.. math:: \Gamma = E[D D^\top], \qquad g = -E[\ell], \qquad c = E[c] .

===========  ==================  =========================================  ==================================
objective    D                   ℓ                                          c
===========  ==================  =========================================  ==================================
implicit     J H^½               Σ_j h_j ∂_j²T + J(H b + h')                ½bᵀH b + Σ_j h_j ∂_jb_j + bᵀh'
explicit     J                   J(b − y)                                   ½‖b − y‖²
sliced       J H^½ Q             Σ_k w_kᵀ∇²T w_k + J(H b + h')              ½bᵀH b + Σ_k w_kᵀ∇b w_k + bᵀh'
denoising    J(x + σz)           J(b + z/σ) at x + σz                       ½‖b + z/σ‖² at x + σz
===========  ==================  =========================================  ==================================

H = diag(h) and h' = (∂_j h_j) are the weights of the family: 1 and 0 on R^d, and elsewhere zero on the boundary, as the
distance to it is (Liu, Kanamori & Williams, 2022). The directions q_k of the sliced objective, √d times them in the
usual statement, form one random orthonormal frame Q, the same for all rows, and w_k = H^½ q_k: their mean is exact, and
repeating a row is the same as doubling its weight. The noise draws are antithetic orthonormal frames with radii at the
quantiles of the χ distribution, rescaled so that E[zzᵀ] = I exactly; they too are the same for all rows.

An objective of your own is a subclass of :class:`Objective` with the method ``rows``. A family that does not list its
class in ``closed_forms`` takes this route.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.stats import chi, ortho_group

from ..formulas import score_losses
from ..formulas.moments import row_blocks
from ..formulas.quadratic import QuadraticForm

__all__ = ["Denoising", "Explicit", "Implicit", "Objective", "Sliced", "assemble"]


def _apply(J, v):
    """J v for Jacobians (n, m, d) and vectors (n, d)."""
    return np.einsum("nmd,nd->nm", J, v)


class Objective:
    """What is minimised: of each row a quadratic form in θ, by way of the score."""

    in_units_of_X: ClassVar[bool] = False  # else a family may measure it in coordinates of its own

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows, of shapes (n, m, k), (n, m) and (n,): J(θ) is the mean of ½‖Dᵀθ‖² + ℓᵀθ + c.

        What is yielded several times counts as the mean of all.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Implicit(Objective):
    """Hyvärinen (2005), eq. 4; on a domain with its weights h, Liu et al. (2022), Yu, Drton & Shojaie (2019)."""

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows."""
        weights = h, _ = family.weights(X)
        yield _by_parts(family, X, weights, family.weighted_laplacian(X, h), h[:, 0] * family.base.divergence(X))


@dataclass(frozen=True)
class Explicit(Objective):
    """Hyvärinen (2005), eq. 2, with known scores y."""

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows."""
        J, b = family.jacobian(X), family.base.score(X)
        yield J, _apply(J, b - Y), score_losses.explicit(b, Y)


@dataclass(frozen=True)
class Sliced(Objective):
    """Song, Garg, Shi & Ermon (2019), eq. 7, along one orthonormal frame."""

    seed: int = 0

    def frame(self, d):
        """Orthonormal directions, the rows of a (d, d) array."""
        return np.ones((1, 1)) if d == 1 else np.atleast_2d(ortho_group.rvs(d, random_state=self.seed))

    def rows(self, family, X, Y):
        """Yield (D, ℓ, c) of the rows."""
        weights = h, _ = family.weights(X)
        Q, V = self.frame(X.shape[1]), family.directions
        frame = [np.sqrt(h) * q if V is None else (np.sqrt(h) * q) @ V for q in Q]
        second = sum(family.statistics_curvature(X, w) for w in frame)
        D, linear, constant = _by_parts(family, X, weights, second, sum(family.base.curvature(X, w) for w in frame))
        yield D @ Q.T, linear, constant


def _by_parts(family, X, weights, second, base_second):
    """(D, ℓ, c) of the objective that integration by parts gives, from the second derivatives of T and of log q₀."""
    (h, slope), J, b = weights, family.jacobian(X), family.base.score(X)
    if family.directions is not None:
        J, b = J @ family.directions.T, b @ family.directions.T
    constant = (0.5 * h * b * b + slope * b).sum(axis=1) + base_second
    return np.sqrt(h)[:, None] * J, second + _apply(J, h * b + slope), constant


@dataclass(frozen=True)
class Denoising(Objective):
    """Vincent (2011), eq. 9, at noise level `sigma` in the units of X."""

    sigma: float
    n_frames: int = 8
    seed: int = 0
    in_units_of_X: ClassVar[bool] = True

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
        Supplies ``jacobian``, ``laplacian``, ``statistics_curvature``, ``base`` and ``weights``.
    X : ndarray of shape (n, d)
    Y : ndarray of shape (n, d) or None
        Known scores, for the explicit objective.
    weight : ndarray of shape (n,) or None
    objective : Objective

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
        scores = None if Y is None else np.asarray(Y[rows])
        for D, linear, constant in objective.rows(family, block, scores):
            form = _block_form(D, linear, constant, weight[rows])
            total = form if total.n == 0.0 else total + form
    return replace(total, n=float(weight.sum()))  # noise draws belong to the mean over rows, they are not further rows
