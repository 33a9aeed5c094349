"""One noise level alone: the law of the noisy rows, normalised like a closed-form density.

There is no flow through a single level. A family at its θ, or an energy network as a family without parameters, is
normalised by ``models.law.FittedDensity`` and sampled by Markov chains; a plain score has no log-density.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..models.family import Family
from ..models.fitted_density import FittedDensity
from ..samplers import AnnealedLangevin, descend
from ..samplers.chains import Sampled

__all__ = ["LevelDensity", "PotentialFamily"]

LANGEVIN_MOVES = 1000
FIELDS: WeakKeyDictionary = WeakKeyDictionary()  # networks at work, as long as their arrays live


class PotentialFamily(Family):
    """An energy network at one noise level, as a family whose θ is None.

    Parameters
    ----------
    source : object
        ``source.field(device)`` has ``score`` and ``log_potential``.
    sigma : float
        The noise level.
    """

    def __init__(self, source, sigma):
        self.source, self.sigma = source, sigma

    @property
    def _field(self):
        return FIELDS.get(self.source) or FIELDS.setdefault(self.source, self.source.field())

    def log_density(self, theta, X):
        """Log-density up to a constant, shape (n,)."""
        return self._field.log_potential(X, self.sigma)

    def score(self, theta, X):
        """∇ log p, shape (n, d)."""
        return self._field.score(X, self.sigma)


@dataclass(frozen=True, eq=False)
class LevelDensity:
    """The law p_σ of one noise level.

    Parameters
    ----------
    source : object
        ``source.field(device)`` is the score, with ``traces`` and ``curvature``.
    sigma : float
        The noise level, in the coordinates of the rows.
    law : FittedDensity or None
        Its normalised density, where there is one.
    """

    source: Any
    sigma: float
    law: FittedDensity | None

    def log_density(self, Z, device):
        """Log-density of each row, shape (n,)."""
        if self.law is None:
            raise ValueError(
                "one noise level of a score network has no log-density: it needs the gradient of an energy or a flow "
                'through many levels. Set parametrization="energy", give more noise_levels, or score by '
                'criterion="hyvarinen".'
            )
        return self.law.log_density(Z)

    def remarks(self):
        """What a user should know of its log-density, in sentences."""
        return () if self.law is None else self.law.remarks()

    elbo = log_density  # exact, so its own best bound

    def score(self, Z, device):
        """Score of each row, shape (n, d)."""
        return self.source.field(device).score(Z, self.sigma)

    def curvature(self, Z, V, device):
        """vᵀ ∇² log p v of each row along directions V (d,) or (n, d), shape (n,)."""
        return self.source.field(device).curvature(Z, self.sigma, V)

    def score_and_trace(self, Z, directions, device):
        """Score (n, d), and Σ_k v_kᵀ ∇² log p v_k over directions (K, 1, d), shape (n,)."""
        field = self.source.field(device)
        return field.score(Z, self.sigma), field.traces(Z, self.sigma, directions[:, 0])

    def sample(self, n_samples, sampler, n_levels, rng, device):
        """`Sampled` rows (n_samples, d): of the density if it is known, else by Langevin steps."""
        if self.law is not None:
            return self.law.sample(n_samples, "hmc", rng)
        langevin = AnnealedLangevin(np.array([self.sigma]), n_moves=LANGEVIN_MOVES)
        return Sampled(descend(langevin, self.source.field(device), n_samples, rng))
