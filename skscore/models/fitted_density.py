"""A family at its fitted θ: the density in full, with its normaliser and its draws, found when first asked for."""

from __future__ import annotations

import math
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._compat import get_namespace
from ..domains import Chart
from ..likelihood import LogNormalizer, adapted_chart, chart_target, normalizer, weighted_particles
from ..samplers import HMC, MALA, adapt_step_size, run_chains

__all__ = ["SAMPLERS", "FittedDensity"]

# Name -> factory of the sampler.
SAMPLERS = {"hmc": lambda: HMC(0.5, n_leapfrog=10), "mala": lambda: MALA(0.5)}
MAX_CHAINS = 16384  # each starts at its own resampled particle, so modes keep their weights without mixing between them
FEW_STARTS = 500.0  # effective draws behind the starting points, below which chains must mix to be trusted


class FittedDensity:
    """The normalised density of a family at θ.

    Parameters
    ----------
    family : Family
    theta : object
        Its parameters.
    reference : Moments
        Of the training rows in the coordinates ``family.domain.to_reals``: where the law is looked for.
    seed : int
        Of every random number behind the normaliser, so that log-densities do not depend on chance.
    name : str
        What messages call the model.
    """

    def __init__(self, family, theta, reference, seed, name):
        self.family, self.theta, self.name, self.seed = family, theta, name, seed
        self.d = reference.mean.shape[0]
        self.reference = reference
        self._improper = self._chart = self._normalizer = self._starts = None

    @property
    def chart(self) -> Chart:
        """Coordinates in which the law is near N(0, I)."""
        if self._chart is None:
            of_the_rows = Chart.from_moments(self.family.domain, self.reference)
            self._chart = adapted_chart(self.family, self.theta, of_the_rows, np.random.default_rng(self.seed))
        return self._chart

    def target(self):
        """Unnormalised log-density and score in the chart."""
        return chart_target(self.family, self.theta, self.chart)

    # ---- normaliser ------------------------------------------------------------------------------

    def refuse_infinite_mass(self):
        """Raise a ValueError that says why, unless exp(θᵀT)q₀ can be a density that is integrated and drawn from."""
        if self._improper is None:
            self._improper = self.family.infinite_mass(self.theta) or ""
        if self._improper:
            raise ValueError(
                f"model={self.name} fitted a function that is no density of these rows: {self._improper}. "
                "grad_log_density and hyvarinen_score still work. For log-densities and samples choose another alpha, "
                "a lower degree or another model, or a transformer that shortens the tails (TransformedDensity)."
            )

    def log_normalizer(self) -> LogNormalizer:
        """log Z of ``family.log_density``, analytic where the family knows it."""
        if self._normalizer is None:
            self.refuse_infinite_mass()
            exact = self.family.log_normalizer(self.theta)
            if exact is None:
                self._normalizer = normalizer(self.target(), self.d, np.random.default_rng(self.seed))
                _warn_if_doubtful(self._normalizer)
                self._warn_if_mass_is_elsewhere()
                self._warn_if_a_mode_is_missed()
            else:
                self._normalizer = exact if isinstance(exact, LogNormalizer) else LogNormalizer(exact, 0.0, 1.0)
        return self._normalizer

    def _warn_if_mass_is_elsewhere(self):
        """Warn where no volume near the rows could hold the mass: the fitted function has a far and higher mode."""
        near = Chart.from_moments(self.family.domain, self.reference)
        T = np.random.default_rng(self.seed).standard_normal((512, self.d))
        T[0] = 0.0  # the mean, which is all there is of a single row
        excess = self._normalizer.log_z - chart_target(self.family, self.theta, near).log_density(T).max()
        if excess > 20.0 + 5.0 * self.d:
            warnings.warn(
                f"the fitted density has its mass far from the rows: log Z exceeds the highest value near them by "
                f"{excess:.3g} nats. Choose another alpha, a lower degree or another model.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _warn_if_a_mode_is_missed(self):
        """Warn where a mode too narrow for nodes or draws to meet holds more mass than was found in all."""
        missed = self.family.log_mass_of_a_mode(self.theta) - self._normalizer.log_z
        if missed > 1.0 + self.d:  # nats, within which Laplace's method may be off
            warnings.warn(
                f"log_normalizer_ misses the mass of a narrow mode, which alone exceeds it by {missed:.3g} nats: "
                "log-densities are too high. Choose a greater bandwidth or alpha.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def log_density(self, X):
        """Normalised log-density of each row, shape (n,)."""
        log_z = self.log_normalizer().log_z
        with np.errstate(over="ignore", invalid="ignore"):  # rows so far away that their squares overflow
            value = self.family.log_density(self.theta, X) - log_z
        xp, _ = get_namespace(value)
        return xp.where(xp.isnan(value), -float("inf"), value)

    # ---- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples, sampler, rng):
        """Draws of shape (n_samples, d) and the diagnostics of their Markov chains; None where the draws are exact."""
        self.refuse_infinite_mass()
        exact = self.family.sample(self.theta, n_samples, rng)
        return self._sample_by_chains(n_samples, sampler, rng) if exact is None else (exact, None)

    def _sample_by_chains(self, n_samples, name, rng):
        target, n_chains = self.target(), min(MAX_CHAINS, max(64, n_samples))
        starts, start_ess = self._starting_points(target)
        start, sampler = starts[rng.choice(MAX_CHAINS, n_chains, replace=False)], SAMPLERS[name]()
        sampler, _ = adapt_step_size(sampler, target, sampler.init(start[:256], target), 100, rng)
        n_draws = max(4, math.ceil(n_samples / n_chains))
        chains = run_chains(sampler, target, start, n_warmup=0, n_draws=n_draws, thin=5, rng=rng)
        diagnostics = {"sampler": name, "acceptance": chains.acceptance, "start_ess": start_ess, **chains.diagnostics}
        _warn_if_chains_disagree(diagnostics)
        latest_first = chains.draws[::-1].reshape(-1, self.d)
        return rng.permutation(self.chart.to_domain(latest_first[:n_samples])), diagnostics

    def _starting_points(self, target):
        """Positions resampled from weighted particles, and the effective number of draws behind them."""
        if self._starts is None:
            rng = np.random.default_rng(self.seed)
            particles = weighted_particles(target, self.d, rng)
            effective = particles.summary().ess * len(particles.position)
            self._starts = particles.resample(MAX_CHAINS, rng), effective
        return self._starts


def _warn_if_doubtful(result):
    if result.stderr > 0.1 or result.ess < 0.05:
        warnings.warn(
            f"log_normalizer_ is doubtful: standard error {result.stderr:.2g} nat, effective sample size "
            f"{result.ess:.1%} of the draws. A larger alpha or a smaller model is easier to normalise; "
            'criterion="hyvarinen" needs no normaliser.',
            ConvergenceWarning,
            stacklevel=5,
        )


def _warn_if_chains_disagree(diagnostics):
    if diagnostics["start_ess"] < FEW_STARTS and not diagnostics["rhat"] < 1.2:
        warnings.warn(
            f"the Markov chains of sample() disagree (R-hat {diagnostics['rhat']:.3g}) and started from only "
            f"{diagnostics['start_ess']:.0f} effective draws: the weights of separate modes may be off. "
            "See sampling_diagnostics_.",
            ConvergenceWarning,
            stacklevel=6,
        )
