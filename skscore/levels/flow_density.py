"""A noise-conditional score as a density: its log-density along the flow, what is mixed into it, its draws.

Rows are in the coordinates of the score, in which noise is isotropic and the reference Gaussian is N(0, diag λ).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..formulas.schedules import geometric_ladder
from ..likelihood import LikelihoodReport, adaptive_steps, antithetic_noise, elbo, flow_log_density
from ..samplers import AnnealedLangevin, Flow, PredictorCorrector, ReverseSDE, descend
from ..samplers.chains import Sampled
from .defensive_mixture import DefensiveMixture
from .parzen import choose_windows
from .score_level import choose_score_level, score_levels
from .student_tail import choose_tail

__all__ = ["SAMPLERS", "FlowDensity"]

# How to make each sampler from its levels, and how many of these it takes by default.
SAMPLERS = {
    "flow": (Flow, 33),
    "flow_multistep": (partial(Flow, method="adams"), 32),
    "annealed_langevin": (AnnealedLangevin, 100),
    "reverse_sde": (ReverseSDE, 129),
    "predictor_corrector": (lambda levels: PredictorCorrector(ReverseSDE(levels)), 65),
}
BOUND_LEVELS, BOUND_ROWS = 33, 4096


@dataclass(frozen=True, eq=False)
class FlowDensity:
    """The law p_σmin of a noise-conditional score, mixed with a Student tail and with windows over the rows.

    Parameters
    ----------
    source : object
        ``source.field(device)`` is the score: a ``NoiseConditionalScore`` that also has ``traces`` and ``curvature``.
    sigma_min, sigma_max : float
        Ends of the noise levels.
    n_steps : int
        Steps of the flow behind a log-density.
    seed : int
        Of the draws behind `elbo`.
    tail : DefensiveMixture or None
        Of the flow and a Student.
    windows : DefensiveMixture or None
        Of that and a kernel density estimate.
    score_level : float or None
        Noise level from which the score is read; None is the smallest.
    """

    source: Any
    sigma_min: float
    sigma_max: float
    n_steps: int
    seed: int = 0
    tail: DefensiveMixture | None = None
    windows: DefensiveMixture | None = None
    score_level: float | None = None

    @property
    def mixtures(self):
        """What is mixed into the flow, one after the other."""
        return [mixture for mixture in (self.tail, self.windows) if mixture is not None]

    def remarks(self):
        """None: its log-density rests on no estimate of a normaliser."""
        return ()

    @property
    def _level(self):
        return self.sigma_min if self.score_level is None else self.score_level

    def levels(self, n_levels):
        """Geometric ladder from the largest noise level down to the smallest."""
        return geometric_ladder(self.sigma_min, self.sigma_max, n_levels)

    # ---- what is settled on validation rows ------------------------------------------------------

    def with_steps(self, Z, device) -> tuple[FlowDensity, LikelihoodReport]:
        """The law with as many steps as rows Z ask for, and what is known of its errors."""
        field = self.source.field(device)
        report = adaptive_steps(Z, field, self.sigma_min, self.sigma_max, n_steps=self.n_steps)
        return replace(self, n_steps=report.n_steps), report

    def with_tail(self, Z, log_p) -> FlowDensity:
        """The law with the tail that rows Z ask for; `log_p` (n,) are their log-densities along the flow."""
        return replace(self, tail=choose_tail(log_p, Z, self.source.variance))

    def with_windows(self, log_p, own, Z, weight) -> FlowDensity:
        """The law with the windows over rows Z that those at the places `own` ask for.

        `log_p` are their log-densities along the flow, by scores that have not seen them.
        """
        return replace(self, windows=choose_windows(self._mixed(log_p, Z[own]), own, Z, weight, self.sigma_min))

    def with_score_level(self, judges) -> FlowDensity:
        """The law with its score read from the level that serves the `judges` best, as in `choose_score_level`."""
        return replace(self, score_level=choose_score_level(judges, score_levels(self.sigma_min, self.sigma_max)))

    # ---- the density -----------------------------------------------------------------------------

    def flow_log_density(self, Z, device):
        """Log-density of the flow alone, shape (n,)."""
        return flow_log_density(Z, self.source.field(device), self.levels(self.n_steps + 1))[0]

    def _mixed(self, log_p, Z):
        """Log-density of the whole mixture from that of the flow."""
        for mixture in self.mixtures:
            log_p = mixture.log_density(log_p, Z)
        return log_p

    def log_density(self, Z, device):
        """Log-density of each row, shape (n,)."""
        return self._mixed(self.flow_log_density(Z, device), Z)

    def elbo(self, Z, device):
        """Lower bound of the log-density, in the mean over rows, shape (n,)."""
        field, levels = self.source.field(device), self.levels(BOUND_LEVELS)
        bound = np.empty(len(Z))
        for k in range(0, len(Z), BOUND_ROWS):
            rows = Z[k : k + BOUND_ROWS]
            noise = antithetic_noise(len(levels), 1, rows.shape, np.random.default_rng([self.seed, k]))
            bound[k : k + BOUND_ROWS] = elbo(rows, field, levels, noise)
        return self._mixed(bound, Z)

    def score(self, Z, device):
        """Score of each row, shape (n, d)."""
        score = self.source.field(device).score(Z, self._level)
        return self._mixed_score(self.flow_log_density(Z, device), score, Z) if self.mixtures else score

    def _mixed_score(self, log_p, score, Z):
        for mixture in self.mixtures:
            score, log_p = mixture.score(log_p, score, Z), mixture.log_density(log_p, Z)
        return score

    def curvature(self, Z, V, device):
        """vᵀ ∇² log p v of each row along directions V (d,) or (n, d), shape (n,)."""
        curvature = self.source.field(device).curvature(Z, self._level, V)
        if not self.mixtures:
            return curvature
        score, log_p = self.source.field(device).score(Z, self._level), self.flow_log_density(Z, device)
        return self._mixed_curvature(log_p, score, curvature, Z, V)

    def _mixed_curvature(self, log_p, score, curvature, Z, V):
        for mixture in self.mixtures:
            curvature = mixture.curvature(log_p, score, curvature, Z, V)
            score, log_p = mixture.score(log_p, score, Z), mixture.log_density(log_p, Z)
        return curvature

    def score_and_trace(self, Z, directions, device):
        """Score (n, d), and Σ_k v_kᵀ ∇² log p v_k over directions (K, 1, d), or (K, n, d) of each row, shape (n,)."""
        field = self.source.field(device)
        score, trace = field.score(Z, self._level), self._traces(field, Z, directions)
        if not self.mixtures:
            return score, trace
        log_p, share = self.flow_log_density(Z, device), trace / len(directions)
        mixed = sum(self._mixed_curvature(log_p, score, share, Z, v) for v in directions)
        return self._mixed_score(log_p, score, Z), mixed

    def _traces(self, field, Z, directions):
        if directions.shape[1] == 1:
            return field.traces(Z, self._level, directions[:, 0])
        return sum(field.curvature(Z, self._level, v) for v in directions)

    # ---- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples, sampler, n_levels, rng, device):
        """`Sampled` rows (n_samples, d) by the sampler of this name, at `n_levels` or its own number of levels."""
        make, own = SAMPLERS[sampler]
        draws = descend(make(self.levels(n_levels or own)), self.source.field(device), n_samples, rng)
        for mixture in self.mixtures:
            draws = mixture.mix_samples(draws, rng)
        return Sampled(draws)
