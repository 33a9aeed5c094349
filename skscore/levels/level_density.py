"""One noise level alone: the density of the noisy rows, normalised like a closed-form density.

There is no flow through a single level. A family at its θ, or an energy network as a family without parameters, is
normalised by ``models.fitted_density.FittedDensity`` and sampled by Markov chains; a plain score has no log-density.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models.family import Family
from ..models.fitted_density import FittedDensity
from ..samplers import AnnealedLangevin, descend
from ..samplers.chains import Sampled

__all__ = ["LevelDensity", "PotentialFamily"]

LANGEVIN_MOVES = 1000


class PotentialFamily(Family):
    """An energy network at one noise level, as a family whose θ is None.

    Parameters
    ----------
    denoiser : object
        With ``score`` and ``log_potential``.
    sigma : float
        The noise level.
    """

    rounding = 1e-6  # the network computes in single precision

    def __init__(self, denoiser, sigma):
        self.denoiser, self.sigma = denoiser, sigma

    def log_density(self, theta, X):
        """Log-density up to a constant, shape (n,)."""
        return self.denoiser.log_potential(X, self.sigma)

    def score(self, theta, X):
        """∇ log p, shape (n, d)."""
        return self.denoiser.score(X, self.sigma)


@dataclass(frozen=True, eq=False)
class LevelDensity:
    """The density p_σ of one noise level.

    Parameters
    ----------
    noisy_score : NoiseConditionalScore
        Also with ``traces`` and ``curvature``.
    sigma : float
        The noise level, in the coordinates of the rows.
    density : FittedDensity or None
        The normalised density, if there is one.
    """

    noisy_score: Any
    sigma: float
    density: FittedDensity | None

    mixture = score_level = None  # nothing is mixed in, and there is one level to read

    def log_density(self, Z):
        """Log-density of each row, shape (n,)."""
        if self.density is None:
            raise ValueError(
                "one noise level of a score network has no log-density: it needs the gradient of an energy or a flow "
                'through many levels. Set parametrization="energy", give more noise_levels, or score by '
                'criterion="hyvarinen".'
            )
        return self.density.log_density(Z)

    def log_potential(self, Z):
        """Log-density up to a constant, if there is a density, shape (n,)."""
        density: Any = self.density
        return density.family.log_density(density.theta, Z)

    def remarks(self):
        """What a user should know of its log-density, in sentences."""
        return () if self.density is None else self.density.remarks()

    elbo = log_density  # exact, so its own best bound

    def score(self, Z):
        """Score of each row, shape (n, d)."""
        return self.noisy_score.score(Z, self.sigma)

    def curvature(self, Z, V):
        """vᵀ ∇² log p v of each row along directions V (d,) or (n, d), shape (n,)."""
        return self.noisy_score.curvature(Z, self.sigma, V)

    def score_and_trace(self, Z, directions):
        """Score (n, d), and Σ_k v_kᵀ ∇² log p v_k over directions (K, 1, d), shape (n,)."""
        return self.noisy_score.score(Z, self.sigma), self.noisy_score.traces(Z, self.sigma, directions[:, 0])

    def sample(self, n_samples, sampler, n_levels, rng):
        """`Sampled` rows (n_samples, d): of the density if it is known, else by Langevin steps."""
        if self.density is not None:
            return self.density.sample(n_samples, "hmc", rng)
        langevin = AnnealedLangevin(np.array([self.sigma]), n_moves=LANGEVIN_MOVES)
        return Sampled(descend(langevin, self.noisy_score, n_samples, rng))
