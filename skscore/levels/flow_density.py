r"""A noise-conditional score as a density: its log-density along the flow, what is mixed into it, its draws.

Rows are in the coordinates of the score, in which noise is isotropic and the reference Gaussian is N(0, diag λ).

The score is read from a level of its own. A denoiser that errs by δ makes a score that errs by :math:`\delta/\sigma^2`:
the smallest noise level is the worst one to read a score from, and large ones smooth the density. On rows that the
network has not seen the Hyvärinen score is, but for a constant, half the squared error (Hyvärinen, 2005, theorem 1),

.. math:: E\bigl[\tfrac12\|\hat s\|^2 + \nabla\cdot\hat s\bigr]
          = \tfrac12 E\|\hat s - \nabla\log p\|^2 - \tfrac12 E\|\nabla\log p\|^2 ,

so these rows can say which level errs least.

References
----------
Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. Journal of Machine Learning
Research 6, 695-709.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..formulas.schedules import geometric_ladder
from ..likelihood import LikelihoodReport, adaptive_steps, antithetic_noise, elbo, flow_log_density
from ..samplers import AnnealedLangevin, Flow, PredictorCorrector, ReverseSDE, descend
from ..samplers.chains import Sampled
from .mixture import StackedMixture

__all__ = ["SAMPLERS", "FlowDensity", "choose_score_level", "score_levels"]

# Name -> factory of the sampler, from a function that gives it n noise levels.
SAMPLERS = {
    "flow": lambda levels, n=33: Flow(levels(n)),
    "flow_multistep": lambda levels, n=32: Flow(levels(n), method="adams"),
    "annealed_langevin": lambda levels, n=100: AnnealedLangevin(levels(n)),
    "reverse_sde": lambda levels, n=129: ReverseSDE(levels(n)),
    "predictor_corrector": lambda levels, n=65: PredictorCorrector(ReverseSDE(levels(n))),
}
BOUND_LEVELS, BOUND_ROWS = 33, 4096
LARGEST_LEVEL = 0.33  # of those that the score may be read from, in units of the columns
LEVEL_RATIO = np.sqrt(2.0)  # between them
FARTHEST = 1e3  # standard deviations, beyond which a law has one draw in a million at most (Chebyshev)
MAX_REDRAWS = 30


@dataclass(frozen=True, eq=False)
class FlowDensity:
    """The density p_σmin of a noise-conditional score, and what is mixed into it.

    Parameters
    ----------
    noisy_score : NoiseConditionalScore
        Also with ``traces`` and ``curvature``.
    sigma_min, sigma_max : float
        Ends of the noise levels.
    n_steps : int
        Steps of the flow behind a log-density.
    seed : int
        Of the draws behind `elbo`.
    mixture : StackedMixture or None
        Of the flow and other densities.
    score_level : float or None
        Noise level from which the score is read; None is the smallest.
    """

    noisy_score: Any
    sigma_min: float
    sigma_max: float
    n_steps: int
    seed: int = 0
    mixture: StackedMixture | None = None
    score_level: float | None = None

    def remarks(self):
        """None: its log-density rests on no estimate of a normaliser."""
        return ()

    @property
    def _level(self):
        return self.sigma_min if self.score_level is None else self.score_level

    def levels(self, n_levels):
        """Geometric ladder from the largest noise level down to the smallest."""
        return geometric_ladder(self.sigma_min, self.sigma_max, n_levels)

    # ---- what validation rows choose -------------------------------------------------------------

    def with_steps(self, points, tolerance=0.05) -> tuple[FlowDensity, LikelihoodReport]:
        """The density with as many steps as rows ask for by the `points` of their cells, and what is known of it.

        Half as many change a row by at most `tolerance`, in nats in the mean.
        """
        ends, options = (self.sigma_min, self.sigma_max), {"n_steps": self.n_steps, "tolerance": tolerance}
        report = adaptive_steps(points.Z, self.noisy_score, *ends, of_rows=points.with_error, **options)
        return replace(self, n_steps=report.n_steps), report

    def with_score_level(self, validation) -> FlowDensity:
        """The density with its score read from the best level for the `validation`, as in `choose_score_level`."""
        return replace(self, score_level=choose_score_level(validation, score_levels(self.sigma_min, self.sigma_max)))

    # ---- the density -----------------------------------------------------------------------------

    def flow_log_density(self, Z):
        """Log-density of the flow alone, shape (n,)."""
        return flow_log_density(Z, self.noisy_score, self.levels(self.n_steps + 1))[0]

    def _mixed(self, log_p, Z):
        """Log-density of the whole mixture from that of the flow."""
        return log_p if self.mixture is None else self.mixture.log_density(log_p, Z)

    def log_density(self, Z):
        """Log-density of each row, shape (n,)."""
        return self._mixed(self.flow_log_density(Z), Z)

    def elbo(self, Z):
        """Lower bound of the log-density, in the mean over rows, shape (n,)."""
        levels = self.levels(BOUND_LEVELS)
        bound = np.empty(len(Z))
        for k in range(0, len(Z), BOUND_ROWS):
            rows = Z[k : k + BOUND_ROWS]
            noise = antithetic_noise(len(levels), 1, rows.shape, np.random.default_rng([self.seed, k]))
            bound[k : k + BOUND_ROWS] = elbo(rows, self.noisy_score, levels, noise)
        return self._mixed(bound, Z)

    def score(self, Z):
        """Score of each row, shape (n, d)."""
        score = self.noisy_score.score(Z, self._level)
        return score if self.mixture is None else self.mixture.score(self.flow_log_density(Z), score, Z)

    def curvature(self, Z, V):
        """vᵀ ∇² log p v of each row along directions V (d,) or (n, d), shape (n,)."""
        curvature = self.noisy_score.curvature(Z, self._level, V)
        if self.mixture is None:
            return curvature
        score = self.noisy_score.score(Z, self._level)
        return self.mixture.curvature(self.flow_log_density(Z), score, curvature, Z, V)

    def score_and_trace(self, Z, directions):
        """Score (n, d), and Σ_k v_kᵀ ∇² log p v_k over directions (K, 1, d), or (K, n, d) of each row, shape (n,)."""
        score, trace = self.noisy_score.score(Z, self._level), self._traces(Z, directions)
        if self.mixture is None:
            return score, trace
        log_p, share = self.flow_log_density(Z), trace / len(directions)
        mixed = sum(self.mixture.curvature(log_p, score, share, Z, v) for v in directions)
        return self.mixture.score(log_p, score, Z), mixed

    def _traces(self, Z, directions):
        if directions.shape[1] == 1:
            return self.noisy_score.traces(Z, self._level, directions[:, 0])
        return sum(self.noisy_score.curvature(Z, self._level, v) for v in directions)

    # ---- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples, sampler, n_levels, rng):
        """`Sampled` rows (n_samples, d) by the sampler of this name, at `n_levels` or its own number of levels."""
        descent = SAMPLERS[sampler](self.levels, *(() if n_levels is None else (n_levels,)))
        if n_levels is None and isinstance(descent, Flow) and descent.n_steps < self.n_steps:
            descent = SAMPLERS[sampler](self.levels, self.n_steps + 1)  # as many as a log-density needed
        draws, remarks = self._settled(lambda n: descend(descent, self.noisy_score, n, rng), n_samples)
        mixed = draws if self.mixture is None else self.mixture.mix_samples(draws, rng)
        return Sampled(mixed, remarks=remarks)

    @np.errstate(over="ignore", invalid="ignore")  # of draws on their way to infinity
    def _settled(self, draw, n_samples):
        """`n_samples` rows of ``draw(n)``, those that ran off to infinity drawn again, and a remark if any did."""
        farthest = FARTHEST * np.sqrt(self.noisy_score.variance.max() + self.sigma_min**2)
        draws, n_lost = draw(n_samples), 0
        for _ in range(MAX_REDRAWS):
            lost = np.flatnonzero(~(np.abs(draws) < farthest).all(axis=1))
            if not len(lost):
                return draws, (_ran_off(n_lost, n_samples + n_lost, "were drawn again"),) if n_lost else ()
            draws[lost], n_lost = draw(len(lost)), n_lost + len(lost)
        raise ValueError(_ran_off(n_lost, n_samples + n_lost, "left no law to draw from"))


def _ran_off(n_lost, n_drawn, what):
    return (
        f"{n_lost} of {n_drawn} draws ran off to infinity and {what}: far from the rows the fitted score does not "
        "lead back to them, and the density misses their share. Fit more rows, or take alpha > 0, a larger sigma_min "
        "or a smaller model."
    )


# ---- the level of the score ----------------------------------------------------------------------


def score_levels(sigma_min, sigma_max):
    """Levels to try, the smallest first."""
    n = int(np.log(max(min(LARGEST_LEVEL, sigma_max) / sigma_min, 1.0)) / np.log(LEVEL_RATIO)) + 1
    return sigma_min * LEVEL_RATIO ** np.arange(n)


def choose_score_level(validation, levels):
    """The level with the least Hyvärinen score, or a smaller one within a standard error of it.

    Parameters
    ----------
    validation : list of (NoiseConditionalScore, ndarray of shape (n, d))
        Scores, and rows that they have not seen.
    levels : ndarray of shape (L,)
        The smallest first.

    Returns
    -------
    float

    Examples
    --------
    The score of a Gaussian by a denoiser that errs by 0.01 sin 9x:

    >>> import numpy as np
    >>> from skscore.levels.flow_density import choose_score_level, score_levels
    >>> from skscore.samplers.contract import NoiseConditionalScore
    >>> def rough(X, sigma):
    ...     score = -X / (1.0 + sigma**2) + 0.01 * np.sin(9.0 * X) / sigma**2
    ...     return score, -1.0 / (1.0 + sigma**2) + 0.09 * np.cos(9.0 * X) / sigma**2
    >>> target = NoiseConditionalScore(None, rough, np.ones(1))
    >>> rows = np.random.default_rng(0).standard_normal((1000, 1))
    >>> round(float(choose_score_level([(target, rows)], score_levels(0.01, 20.0))), 2)
    0.11
    """
    scores = np.stack([np.concatenate([_hyvarinen(target, Z, level) for target, Z in validation]) for level in levels])
    means = np.where(np.isfinite(scores).all(axis=1), scores.mean(axis=1), np.inf)
    if not np.isfinite(means).any():
        return float(levels[0])
    with np.errstate(invalid="ignore"):
        excess = scores - scores[np.argmin(means)]
        error = excess.std(axis=1) / np.sqrt(excess.shape[1])
    return float(levels[np.argmax(np.isfinite(means) & (excess.mean(axis=1) <= error))])


def _hyvarinen(target, Z, level):
    """½‖s‖² + ∇·s of each row, shape (n,)."""
    score, divergence = target.score_and_divergence(Z, level)
    return 0.5 * np.square(score).sum(axis=1) + divergence.mean(axis=1)
