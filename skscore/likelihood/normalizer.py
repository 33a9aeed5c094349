r"""The normaliser :math:`\log Z = \log\int \tilde p(x)\,dx` by quadrature, importance sampling or annealing.

Every method works in the coordinates t of a :class:`~skscore.domains.DomainMap`, in which the data are near N(0, I),
and returns log Z with its standard error in nats and its effective sample size as a fraction of the draws.

* Quadrature (d ≤ 2): the trapezoidal rule after t = sinh u, exponentially convergent for smooth integrands (Trefethen &
  Weideman, 2014). The number of nodes is doubled until log Z no longer changes; the standard error is the last change,
  the effective sample size 1.
* Importance sampling from a multivariate Student t distribution: :math:`\log\hat Z = \log\frac1N\sum_i w_i` with
  :math:`\mathrm{ESS} = (\sum w)^2/(N\sum w^2)` and :math:`\mathrm{stderr} \approx \sqrt{(1/\mathrm{ESS} - 1)/N}`.
* Annealed importance sampling (Neal, 2001) along :math:`\tilde p_\beta \propto q_0^{1-\beta}\tilde p^\beta` from q₀ =
  N(0, I), with a Hamiltonian move at each temperature. Its weights enter the same estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from scipy.special import gammaln, logsumexp

from ..domains import DomainMap
from ..formulas.moments import moments, row_blocks
from ..samplers import HMC, Target
from .standard_normal import log_standard_normal

__all__ = [
    "LogNormalizer",
    "Particles",
    "adapted_map",
    "annealed_importance_sampling",
    "annealed_particles",
    "importance_particles",
    "importance_sampling",
    "mapped_target",
    "normalizer",
    "quadrature",
]

STUDENT_DF = 5.0
REACH = 6.0  # sinh 6 = 202 standard deviations
NODES_AT_ONCE = 1 << 12  # of two columns, at which the log-density is evaluated
ACCURATE = 0.02  # nats: no better method is tried if the standard error is below this


class LogNormalizer(NamedTuple):
    """log Z, its standard error in nats, and the effective sample size as a fraction of the draws."""

    log_z: float
    stderr: float
    ess: float


class Particles(NamedTuple):
    """Weighted draws: positions (n, d) in the coordinates t, and log weights (n,); the mean weight estimates Z."""

    position: ndarray
    log_weight: ndarray

    def summary(self) -> LogNormalizer:
        """Estimate log Z from the weights."""
        n = len(self.log_weight)
        log_sum = logsumexp(self.log_weight)
        ess = float(np.exp(2.0 * log_sum - logsumexp(2.0 * self.log_weight)) / n) if np.isfinite(log_sum) else 0.0
        return LogNormalizer(
            float(log_sum - np.log(n)), float(np.sqrt(max(1.0 / max(ess, 1e-300) - 1.0, 0.0) / n)), ess
        )

    def tempered_weights(self, ess: float) -> ndarray:
        """Return weights w^τ that sum to one, with the largest τ ≤ 1 whose effective sample size is at least `ess`."""
        log_weight = self.log_weight - self.log_weight.max()
        tau, step = 1.0, 0.5
        while tau > 1e-6:
            weight = np.exp(tau * log_weight)
            if weight.sum() ** 2 >= ess * len(weight) * (weight**2).sum():
                break
            tau *= step
        return weight / weight.sum()

    def resample(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        """Return positions drawn with probability proportional to their weights, shape (n_samples, d)."""
        weight = np.exp(self.log_weight - self.log_weight.max())
        cumulative = np.cumsum(weight) / weight.sum()
        stratified = (np.arange(n_samples) + rng.random(n_samples)) / n_samples
        return self.position[np.minimum(np.searchsorted(cumulative, stratified), len(cumulative) - 1)]


def mapped_target(family: Any, theta: Any, domain_map: DomainMap) -> Target:
    """Return the unnormalised log-density and the score of a family at θ, in the coordinates t of `domain_map`.

    The score is the family's `proposal_score`, which may be less precise: it only makes proposals, and a Metropolis
    step accepts them by their log-densities.
    """

    def log_density(T: ndarray) -> ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            value = family.log_density(theta, domain_map.forward(T)) + domain_map.log_det(T)
        return np.where(np.isnan(value), -np.inf, value)

    def score(T: ndarray) -> ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return domain_map.pull_score(T, family.proposal_score(theta, domain_map.forward(T)))

    return Target(log_density, score)


def adapted_map(
    family: Any,
    theta: Any,
    domain_map: DomainMap,
    rng: np.random.Generator,
    *,
    n_draws: int = 4096,
    max_steps: int = 40,
) -> DomainMap:
    """Return a map in whose coordinates the density at θ, not the data, is near N(0, I).

    The two differ if, for example, a strong ridge flattens the density. Importance draws in the present coordinates,
    with weights tempered to an effective sample size of a tenth, give the moments for the next map. The iteration ends
    when the effective sample size without tempering is at least a twentieth.
    """
    for _ in range(max_steps):
        log_density, d = mapped_target(family, theta, domain_map).required_log_density, len(domain_map.location)
        particles = importance_particles(log_density, d, n_draws=n_draws, rng=rng)
        if particles.summary().ess >= 0.05 or not np.isfinite(particles.log_weight.max()):
            break
        domain_map = domain_map.recentred(moments(particles.position, particles.tempered_weights(0.1)))
    return domain_map


def quadrature(
    log_density: Callable[[ndarray], ndarray],
    d: int,
    *,
    tolerance: float = 1e-10,
    min_intervals: int = 128,
    max_intervals: tuple[int, int] = (1 << 14, 1 << 10),
) -> LogNormalizer:
    """Compute log ∫ exp(log_density(t)) dt over R^d, d = 1 or 2.

    Parameters
    ----------
    log_density : callable
        Maps T (n, d) to (n,).
    d : {1, 2}
    tolerance : float, default=1e-10
        The number of nodes is doubled until log Z changes by no more than this, in nats.
    min_intervals : int, default=128
        Number of intervals along each axis at the start.
    max_intervals : tuple of int
        Maximal number of intervals along each axis, for d = 1 and d = 2.

    Returns
    -------
    LogNormalizer

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood import quadrature
    >>> log_z, stderr, ess = quadrature(lambda t: -0.5 * (t**2).sum(axis=1), d=2)
    >>> bool(abs(log_z - np.log(2 * np.pi)) < 1e-10)
    True
    """
    intervals, previous = min_intervals, np.inf
    while True:
        log_z = _trapezoid(log_density, d, intervals)
        change = abs(log_z - previous)
        if change <= tolerance or intervals >= max_intervals[d - 1]:
            return LogNormalizer(log_z, change, 1.0)
        previous, intervals = log_z, 2 * intervals


def _trapezoid(log_density: Callable[[ndarray], ndarray], d: int, intervals: int) -> float:
    u, step = np.linspace(-REACH, REACH, intervals + 1, retstep=True)
    t, log_weight = np.sinh(u), np.log(np.cosh(u)) + np.log(step)
    if d == 1:
        return float(logsumexp(log_density(t[:, None]) + log_weight))
    lines = []
    for rows in row_blocks(len(t), len(t), NODES_AT_ONCE):
        nodes = np.stack(np.meshgrid(t[rows], t, indexing="ij"), axis=-1)
        values = log_density(nodes.reshape(-1, 2)).reshape(nodes.shape[:2])
        lines.append(logsumexp(values + log_weight, axis=1))
    return float(logsumexp(np.concatenate(lines) + log_weight))


def importance_particles(
    log_density: Callable[[ndarray], ndarray], d: int, *, n_draws: int, rng: np.random.Generator
) -> Particles:
    """Draw from a multivariate Student t distribution with 5 degrees of freedom, with weights for exp(log_density)."""
    chi2 = rng.chisquare(STUDENT_DF, size=n_draws) / STUDENT_DF
    T = rng.standard_normal((n_draws, d)) / np.sqrt(chi2)[:, None]
    half = 0.5 * (STUDENT_DF + d)
    log_proposal = (
        gammaln(half)
        - gammaln(0.5 * STUDENT_DF)
        - 0.5 * d * np.log(np.pi * STUDENT_DF)
        - half * np.log1p((T * T).sum(axis=1) / STUDENT_DF)
    )
    return Particles(T, log_density(T) - log_proposal)


def importance_sampling(
    log_density: Callable[[ndarray], ndarray], d: int, *, n_draws: int = 1 << 16, rng: np.random.Generator
) -> LogNormalizer:
    """Compute log ∫ exp(log_density(t)) dt by importance sampling from a Student t distribution.

    Parameters
    ----------
    log_density : callable
        Maps T (n, d) to (n,).
    d : int
    n_draws : int, default=65536
    rng : numpy.random.Generator

    Returns
    -------
    LogNormalizer

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood import importance_sampling
    >>> log_z, stderr, ess = importance_sampling(
    ...     lambda t: -0.5 * (t**2).sum(axis=1), d=3, rng=np.random.default_rng(0)
    ... )
    >>> bool(abs(log_z - 1.5 * np.log(2 * np.pi)) < 4 * stderr), bool(ess > 0.5)
    (True, True)
    """
    return importance_particles(log_density, d, n_draws=n_draws, rng=rng).summary()


def annealed_particles(
    target: Target, d: int, *, n_particles: int = 1024, n_temperatures: int = 100, rng: np.random.Generator
) -> Particles:
    """Draw particles by annealed importance sampling from N(0, I) to `target`.

    Parameters
    ----------
    target : Target
        Unnormalised log-density and score in the coordinates t.
    d : int
    n_particles, n_temperatures : int
    rng : numpy.random.Generator

    Returns
    -------
    Particles
    """
    T = rng.standard_normal((n_particles, d))
    log_density, log_weight, sampler = target.required_log_density, np.zeros(n_particles), HMC(0.5, n_leapfrog=5)
    betas = np.linspace(0.0, 1.0, n_temperatures + 1) ** 2  # dense near 0, as the tails first meet the target there
    for low, high in pairwise(betas):
        log_weight += (high - low) * (log_density(T) - log_standard_normal(T))
        bridge = _bridge(target, high)
        state, info = sampler.step(sampler.init(T, bridge), bridge, rng)
        T = state.position
        step_size = sampler.step_size * np.exp(0.2 * (info.acceptance.mean() - sampler.target_acceptance))
        sampler = HMC(step_size, n_leapfrog=sampler.n_leapfrog)
    return Particles(T, log_weight)


def _bridge(target: Target, beta: float) -> Target:
    """Return the density q₀^{1−β} p̃^β."""
    log_density = target.required_log_density
    return Target(
        lambda T: (1.0 - beta) * log_standard_normal(T) + beta * log_density(T),
        lambda T: -(1.0 - beta) * T + beta * target.score(T),
    )


def annealed_importance_sampling(
    target: Target, d: int, *, n_particles: int = 1024, n_temperatures: int = 100, rng: np.random.Generator
) -> LogNormalizer:
    """Compute log ∫ of an unnormalised density by annealed importance sampling from N(0, I) (Neal, 2001).

    Parameters
    ----------
    target : Target
        Unnormalised log-density and score, near N(0, I) in location and scale.
    d : int
    n_particles, n_temperatures : int
    rng : numpy.random.Generator

    Returns
    -------
    LogNormalizer

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood import annealed_importance_sampling
    >>> from skscore.samplers import Target
    >>> narrow = Target(lambda t: -2.0 * (t**2).sum(axis=1), lambda t: -4.0 * t)  # N(0, I/4), Z = (π/2)^{d/2}
    >>> log_z, stderr, _ = annealed_importance_sampling(narrow, 8, rng=np.random.default_rng(0))
    >>> bool(abs(log_z - 4 * np.log(np.pi / 2)) < 4 * stderr)
    True
    """
    particles = annealed_particles(target, d, n_particles=n_particles, n_temperatures=n_temperatures, rng=rng)
    return particles.summary()


def weighted_particles(target: Target, d: int, rng: np.random.Generator) -> Particles:
    """Draw particles by the cheapest method that is accurate.

    That is importance sampling for d ≤ 4, and otherwise annealing with 100, 300 or 1000 temperatures.
    """
    if d <= 4:
        particles = importance_particles(target.required_log_density, d, n_draws=1 << 16, rng=rng)
        _, stderr, ess = particles.summary()
        if stderr <= ACCURATE and ess >= 0.05:
            return particles
    for n_temperatures in (100, 300, 1000):
        particles = annealed_particles(target, d, n_temperatures=n_temperatures, rng=rng)
        if particles.summary().stderr <= ACCURATE:
            break
    return particles


def normalizer(target: Target, d: int, rng: np.random.Generator, tolerance: float = 1e-10) -> LogNormalizer:
    """Compute log Z of a target: by quadrature for d ≤ 2 if it converges, otherwise by weighted particles.

    Parameters
    ----------
    target : Target
    d : int
    rng : numpy.random.Generator
    tolerance : float, default=1e-10
        Of the quadrature, in nats; not below the rounding of the log-density, which more nodes do not remove.

    Returns
    -------
    LogNormalizer
    """
    if d <= 2:
        by_quadrature = quadrature(target.required_log_density, d, tolerance=tolerance)
        if by_quadrature.stderr <= ACCURATE:
            return by_quadrature
    return weighted_particles(target, d, rng).summary()
