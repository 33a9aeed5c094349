"""Step-size adaptation by dual averaging (Nesterov 2009; Hoffman & Gelman 2014, §3.2.1).

With a_t the acceptance of step t and δ the `target_acceptance` of the sampler,

    H_t       = (1 − 1/(t + t₀)) H_{t−1} + (δ − a_t) / (t + t₀)
    log ε_t+1 = μ − (√t / γ) H_t
    log ε̄     = t^−κ log ε_t+1 + (1 − t^−κ) log ε̄

the recursion drives the mean of a_t to δ; the sampler keeps the average ε̄. Steps shrink towards μ = log(10 ε₁), where
ε₁ is the first guess: a step that is too long costs less than one that is too short.

In the first half of the warm-up every chain adapts its own step. A chain that starts in a region of high curvature
shortens its step and leaves the region; with a common step it would stay there, and the mean over many chains would
hardly show it. In the second half one common step is adapted to the acceptance averaged over the chains, starting from
the median of their steps. The step depends on the history of the chains, so these draws are a warm-up and are dropped.

References
----------
Nesterov, Y. (2009). Primal-dual subgradient methods for convex problems. Mathematical Programming, 120(1), 221-259.
Hoffman, M. D., & Gelman, A. (2014). The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte Carlo.
Journal of Machine Learning Research, 15, 1593-1623.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .contract import Target

# Hoffman & Gelman (2014), §3.2.1.
GAMMA, T_0, KAPPA = 0.05, 10, 0.75


def adapt_step_size(
    sampler: Any, target: Target, state: Any, n_steps: int, rng: np.random.Generator
) -> tuple[Any, Any]:
    """Run `n_steps` steps of warm-up that bring the mean acceptance to `sampler.target_acceptance`.

    If `target_acceptance` is None the chains move and the step size stays as it is.

    Parameters
    ----------
    sampler : dataclass with `step_size`, `target_acceptance` and `step`
        Its `step_size` is the first guess.
    target : Target
        The density.
    state : State
        Start of the chains.
    n_steps : int
        Length of the warm-up; with 0 sampler and state stay as they are.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    sampler : same type
        The sampler with the adapted step size, a float.
    state : State
        End of the chains.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import MALA, Target, adapt_step_size
    >>> rng = np.random.default_rng(0)
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> sampler = MALA(step_size=1e-4)
    >>> state = sampler.init(rng.standard_normal((500, 10)), normal)
    >>> sampler, state = adapt_step_size(sampler, normal, state, 200, rng)
    >>> _, info = sampler.step(state, normal, rng)
    >>> f"{info.acceptance.mean():.1f}"
    '0.6'
    """
    if n_steps == 0:
        return sampler, state
    if sampler.target_acceptance is None:
        for _ in range(n_steps):
            state, _ = sampler.step(state, target, rng)
        return sampler, state
    alone = n_steps // 2
    log_steps = np.full((len(state.position), 1), np.log(sampler.step_size))
    log_steps, state = _dual_averaging(sampler, log_steps, target, state, alone, rng)
    log_step, state = _dual_averaging(sampler, np.median(log_steps), target, state, n_steps - alone, rng)
    return replace(sampler, step_size=float(np.exp(log_step))), state


def _dual_averaging(
    sampler: Any, log_step: Any, target: Target, state: Any, n_steps: int, rng: np.random.Generator
) -> tuple[Any, Any]:
    """Adapt the log step size, (n, 1) of each chain or () of all chains; return its average and the state."""
    mu, log_average = np.log(10) + log_step, log_step
    shortfall: Any = 0.0
    for t in range(1, n_steps + 1):
        state, info = replace(sampler, step_size=np.exp(log_step)).step(state, target, rng)
        acceptance = info.acceptance[:, None] if np.ndim(log_step) else info.acceptance.mean()
        shortfall = shortfall + (sampler.target_acceptance - acceptance - shortfall) / (t + T_0)
        log_step = mu - np.sqrt(t) / GAMMA * shortfall
        log_average = log_average + t**-KAPPA * (log_step - log_average)
    return log_average, state
