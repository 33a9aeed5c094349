"""Run many chains side by side: a warm-up, which adapts the step size and is dropped, and then draws that are kept.

Only every `thin`-th position is stored, so that memory does not grow with the length of the chains.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .adaptation import adapt_step_size
from .contract import Target
from .diagnostics import diagnose


class Sampled(NamedTuple):
    """Rows (n, d), the diagnostics of the Markov chains that drew them, if any, and what a user should know of them."""

    rows: Any
    diagnostics: dict | None = None
    remarks: tuple[str, ...] = ()


class Chains(NamedTuple):
    """Result of a run of chains.

    Attributes
    ----------
    draws : ndarray of shape (n_draws, n_chains, d)
        Positions kept.
    acceptance : float
        Mean acceptance after the warm-up, in [0, 1].
    sampler : object
        The sampler with its adapted step size.
    diagnostics : dict
        Result of `diagnose` on the draws.
    """

    draws: np.ndarray
    acceptance: float
    sampler: Any
    diagnostics: dict[str, Any]


def run_chains(
    sampler: Any,
    target: Target,
    position: np.ndarray,
    *,
    n_warmup: int,
    n_draws: int,
    thin: int = 1,
    rng: np.random.Generator,
) -> Chains:
    """Adapt the step size for `n_warmup` steps, then keep `n_draws` positions, one every `thin` steps.

    Parameters
    ----------
    sampler : ULA, SGLD, MALA, HMC or any object with the same methods
        Its step size is the first guess of the adaptation.
    target : Target
        The density.
    position : ndarray of shape (n_chains, d)
        Start of the chains: inside the support, and preferably spread wider than the density.
    n_warmup : int
        Steps of the warm-up, which are dropped; with 0 the step size stays as it is.
    n_draws : int
        Number of positions kept per chain.
    thin : int, default=1
        Number of steps per kept position.
    rng : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    Chains
        Draws, mean acceptance, adapted sampler, diagnostics.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import HMC, Target, run_chains
    >>> rng = np.random.default_rng(0)
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> start = rng.standard_normal((50, 2))
    >>> chains = run_chains(HMC(1.0, n_leapfrog=3), normal, start, n_warmup=200, n_draws=500, rng=rng)
    >>> chains.draws.shape
    (500, 50, 2)
    >>> bool(chains.diagnostics["rhat"] < 1.01)
    True
    """
    state = sampler.init(position, target)
    sampler, state = adapt_step_size(sampler, target, state, n_warmup, rng)
    draws, acceptance = np.empty((n_draws, *position.shape)), np.empty(n_draws * thin)
    for k in range(n_draws * thin):
        state, info = sampler.step(state, target, rng)
        acceptance[k] = info.acceptance.mean()
        draws[k // thin] = state.position  # the last of each `thin` stays
    return Chains(draws, float(acceptance.mean()), sampler, diagnose(draws))
