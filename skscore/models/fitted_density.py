"""A family at its fitted θ: the density in full, with its normaliser and its draws, found when first asked for."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from .._compat import get_namespace
from ..domains import DomainMap
from ..likelihood import LogNormalizer, adapted_map, mapped_target, normalizer, weighted_particles
from ..samplers import HMC, MALA, adapt_step_size, run_chains
from ..samplers.chains import Sampled

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
        self._remarks = ()
        if family.has_exact_normalizer:  # at once, so that a fitted estimator does not change when it is asked for it
            self._improper = family.infinite_mass(theta) or ""
            if not self._improper:
                self.log_normalizer()

    def __getstate__(self):
        """The state with log Z found, so that a copy, a pickle or a hash does not show whether it was asked for.

        Where chains start is found anew.
        """
        with suppress(ValueError):  # of a function that is no density
            self.log_normalizer()
        return {**vars(self), "_chart": None, "_starts": None}

    @property
    def chart(self) -> DomainMap:
        """Coordinates in which the law is near N(0, I)."""
        if self._chart is None:
            of_the_rows = DomainMap.from_moments(self.family.domain, self.reference)
            self._chart = adapted_map(self.family, self.theta, of_the_rows, np.random.default_rng(self.seed))
        return self._chart

    def target(self):
        """Unnormalised log-density and score in the chart."""
        return mapped_target(self.family, self.theta, self.chart)

    # ---- normaliser ------------------------------------------------------------------------------

    @property
    def is_normalized(self):
        """Whether log Z is known by now."""
        return self._normalizer is not None

    def refuse_infinite_mass(self):
        """Raise a ValueError that says why, unless exp(θᵀT)q₀ can be a density that is integrated and drawn from."""
        if self._improper is None:
            self._improper = self.family.infinite_mass(self.theta) or ""
        if self._improper:
            raise ValueError(
                f"model={self.name} fitted a function that is no density of these rows: {self._improper}. "
                "grad_log_density and hyvarinen_score still work. For log-densities and samples choose another alpha "
                "(of a path: alphas), a lower degree or another model, or a transformer that shortens the tails "
                "(TransformedDensity)."
            )

    def log_normalizer(self) -> LogNormalizer:
        """log Z of ``family.log_density``, analytic where the family knows it."""
        if self._normalizer is None:
            self.refuse_infinite_mass()
            found = self.family.log_normalizer(self.theta)
            if found is None:
                found = normalizer(self.target(), self.d, np.random.default_rng(self.seed), self.family.rounding)
            if isinstance(found, LogNormalizer):
                self._normalizer, self._remarks = found, tuple(self._doubts(found))
            else:
                self._normalizer = LogNormalizer(found, 0.0, 1.0)
        return self._normalizer

    def remarks(self):
        """What a user should know of log Z, in sentences: a large error, mass elsewhere, a mode that it misses."""
        self.log_normalizer()
        return self._remarks

    def _doubts(self, found):
        if found.stderr > 0.1 or found.ess < 0.05:
            yield (
                f"log_normalizer_ is doubtful: standard error {found.stderr:.2g} nat, effective sample size "
                f"{found.ess:.1%} of the draws. A larger alpha or a smaller model is easier to normalise; "
                'criterion="hyvarinen" needs no normaliser.'
            )
        excess = found.log_z - self._greatest_near_the_rows()
        if excess > 20.0 + 5.0 * self.d:  # no volume near the rows could hold the mass
            yield (
                f"the fitted density has its mass far from the rows: log Z exceeds the highest value near them by "
                f"{excess:.3g} nats. Choose another alpha (of a path: alphas), a lower degree or another model."
            )
        missed = self.family.log_mass_of_a_mode(self.theta) - found.log_z
        if missed > 1.0 + self.d:  # nats, within which Laplace's method may be off
            yield (
                f"log_normalizer_ misses the mass of a narrow mode, which alone exceeds it by {missed:.3g} nats: "
                "log-densities are too high. Choose a greater bandwidth or alpha."
            )

    def _greatest_near_the_rows(self):
        """The highest of unnormalised log-densities near the rows."""
        near = DomainMap.from_moments(self.family.domain, self.reference)
        T = np.random.default_rng(self.seed).standard_normal((512, self.d))
        T[0] = 0.0  # the mean, which is all there is of a single row
        return mapped_target(self.family, self.theta, near).required_log_density(T).max()

    def log_density(self, X):
        """Normalised log-density of each row, shape (n,)."""
        log_z = self.log_normalizer().log_z
        with np.errstate(over="ignore", invalid="ignore"):  # rows so far away that their squares overflow
            value = self.family.evaluator(X).log_density(self.theta, X) - log_z
        xp, _ = get_namespace(value)
        return xp.where(xp.isnan(value), -float("inf"), value)

    # ---- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples, sampler, rng) -> Sampled:
        """Rows of shape (n_samples, d), by the family's own sampler or by the Markov chains of this name."""
        self.refuse_infinite_mass()
        own = self.family.sample(self.theta, n_samples, rng)
        return self._sample_by_chains(n_samples, sampler, rng) if own is None else own

    def _sample_by_chains(self, n_samples, name, rng):
        target, n_chains = self.target(), min(MAX_CHAINS, max(64, n_samples))
        starts, start_ess = self._starting_points(target)
        start, sampler = starts[rng.choice(MAX_CHAINS, n_chains, replace=False)], SAMPLERS[name]()
        sampler, _ = adapt_step_size(sampler, target, sampler.init(start[:256], target), 100, rng)
        n_draws = max(4, math.ceil(n_samples / n_chains))
        chains = run_chains(sampler, target, start, n_warmup=0, n_draws=n_draws, thin=5, rng=rng)
        diagnostics = {"sampler": name, "acceptance": chains.acceptance, "start_ess": start_ess, **chains.diagnostics}
        latest_first = chains.draws[::-1].reshape(-1, self.d)
        rows = rng.permutation(self.chart.forward(latest_first[:n_samples]))
        return Sampled(rows, diagnostics, tuple(_disagreement(diagnostics)))

    def _starting_points(self, target):
        """Positions resampled from weighted particles, and the effective number of draws behind them."""
        if self._starts is None:
            rng = np.random.default_rng(self.seed)
            particles = weighted_particles(target, self.d, rng)
            effective = particles.summary().ess * len(particles.position)
            self._starts = particles.resample(MAX_CHAINS, rng), effective
        return self._starts


def _disagreement(diagnostics):
    """Yield a remark if chains that began at few effective draws have not seen one and the same density."""
    if diagnostics["start_ess"] < FEW_STARTS and not diagnostics["rhat"] < 1.2:
        yield (
            f"the Markov chains of sample() disagree (R-hat {diagnostics['rhat']:.3g}) and started from only "
            f"{diagnostics['start_ess']:.0f} effective draws: the weights of separate modes may be off. "
            "See sampling_diagnostics_."
        )
