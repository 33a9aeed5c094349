"""The Metropolis step: accept a proposal x′ of each chain with probability min(1, exp(log_ratio)).

A proposal is drawn with a momentum p ~ N(0, I) by a map (x, p) → (x′, p′) that keeps volume and is undone by flipping
the sign of p′. Then

    log_ratio = [log p(x′) − ½‖p′‖²] − [log p(x) − ½‖p‖²]

leaves the target invariant (Duane et al. 1987; Neal 2011, §5.3). The argument does not need an exact score: the map may
use any function of x. So a score that is not finite is replaced by zero, and the step stays valid; a log-density that
is not finite means zero density, and the proposal is rejected.

References
----------
Duane, S., Kennedy, A. D., Pendleton, B. J., & Roweth, D. (1987). Hybrid Monte Carlo. Physics Letters B, 195(2),
216-222.
Neal, R. M. (2011). MCMC using Hamiltonian dynamics. Handbook of Markov Chain Monte Carlo, chapter 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import Info, State, Target


def log_density(target: Target, position: np.ndarray) -> np.ndarray:
    """Evaluate log p of each row; -inf if it is not finite.

    Parameters
    ----------
    target : Target
        The density.
    position : ndarray of shape (n, d)
        Points; values may be infinite or NaN, as after a diverged trajectory.

    Returns
    -------
    ndarray of shape (n,)
        In nats, never NaN nor +inf.
    """
    finite, inside = _finite_rows(position)
    value = target.required_log_density(inside)
    return np.where(finite & np.isfinite(value), value, -np.inf)


def score(target: Target, position: np.ndarray) -> np.ndarray:
    """Evaluate ∇ log p of each row; zero if it is not finite.

    Parameters
    ----------
    target : Target
        The density.
    position : ndarray of shape (n, d)
        Points; values may be infinite or NaN, as after a diverged trajectory.

    Returns
    -------
    ndarray of shape (n, d)
        Always finite.
    """
    finite, inside = _finite_rows(position)
    value = target.score(inside)
    return np.where((finite & np.isfinite(value).all(axis=1))[:, None], value, 0.0)


@np.errstate(all="ignore")
def evaluate(target: Target, position: np.ndarray) -> State:
    """Return the state of chains at `position`.

    Parameters
    ----------
    target : Target
        The density.
    position : ndarray of shape (n, d)
        One row per chain.

    Returns
    -------
    State
        Its log-density and score contain no NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import Target
    >>> from skscore.samplers.metropolis import evaluate
    >>> gamma = Target(lambda x: (np.log(x) - x).sum(axis=1), lambda x: 1 / x - 1)
    >>> evaluate(gamma, np.array([[1.0], [-1.0]])).log_density
    array([ -1., -inf])
    """
    return State(position, log_density(target, position), score(target, position))


def joint_log_density(state: State, momentum: np.ndarray) -> np.ndarray:
    """Evaluate log p(x) − ½‖p‖², minus the energy of each chain.

    Parameters
    ----------
    state : State
        Positions x with their log-density.
    momentum : ndarray of shape (n, d)
        Momenta p.

    Returns
    -------
    ndarray of shape (n,)
        In nats, up to a constant.
    """
    return state.log_density - 0.5 * (momentum**2).sum(axis=1)


def metropolis(state: State, proposal: State, log_ratio: np.ndarray, rng: np.random.Generator) -> tuple[State, Info]:
    """Move each chain to its proposal with probability min(1, exp(log_ratio)); otherwise it stays.

    Parameters
    ----------
    state, proposal : State
        Present states of the chains, and their proposals.
    log_ratio : ndarray of shape (n,)
        Log of the acceptance ratio; NaN (both densities are zero) rejects.
    rng : numpy.random.Generator
        Source of the n uniforms.

    Returns
    -------
    state : State
        Each row is that of `proposal` or of `state`.
    info : Info
        Acceptance probability and outcome.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers.contract import State
    >>> from skscore.samplers.metropolis import metropolis
    >>> here, there = (State(np.full((3, 1), x), np.zeros(3), np.zeros((3, 1))) for x in (0.0, 1.0))
    >>> state, info = metropolis(here, there, np.array([0.5, -np.inf, np.nan]), np.random.default_rng(0))
    >>> state.position.ravel()
    array([1., 0., 0.])
    >>> info.acceptance
    array([1., 0., 0.])
    """
    acceptance = np.exp(np.minimum(np.nan_to_num(log_ratio, nan=-np.inf), 0.0))
    accepted = rng.uniform(size=acceptance.shape) < acceptance

    def choose(there: Any, here: Any) -> Any:
        """Return the accepted rows of `there`, and the others of `here`."""
        return np.where(accepted if here.ndim == 1 else accepted[:, None], there, here)

    return State(*(choose(there, here) for there, here in zip(proposal, state, strict=True))), Info(
        acceptance, accepted
    )


def _finite_rows(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are finite, and the rows with all others set to zero; a model may refuse NaN and inf."""
    finite = np.isfinite(position).all(axis=1)
    return finite, np.where(finite[:, None], position, 0.0)
