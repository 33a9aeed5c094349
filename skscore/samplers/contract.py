"""What a sampler is: `init` makes a state, `step` moves it.

    state = sampler.init(position, target)
    state, info = sampler.step(state, target, rng)

A sampler is a frozen dataclass of its parameters and holds nothing else: a Markov kernel. All randomness comes from
`rng`, all memory is in `state`. Rows of `position` are independent chains, moved together. The target is a pair of
callables, so a sampler never learns which model it draws from. Scales belong outside: whiten the target and let the
sampler see coordinates of unit scale. `step_size` is one value, or a column of one per chain, shape (n, 1). The class
attribute `target_acceptance` is the mean acceptance that suits the sampler, None for one that never rejects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from numpy import ndarray


class Target(NamedTuple):
    """The law to draw from, up to its normalising constant.

    Attributes
    ----------
    log_density : callable, (n, d) -> (n,), or None
        log p in nats, up to a constant. A value that is not finite means zero density. None suits samplers without a
        Metropolis step only.
    grad_log_density : callable, (n, d) -> (n, d)
        The score, ∇ log p.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import Target
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> normal.grad_log_density(np.array([[1.0, -2.0]]))
    array([[-1.,  2.]])
    """

    log_density: Callable[[ndarray], ndarray] | None
    grad_log_density: Callable[[ndarray], ndarray]


class State(NamedTuple):
    """Where the chains are, with what the next step needs.

    Attributes
    ----------
    position : ndarray of shape (n, d)
        One row per chain.
    log_density : ndarray of shape (n,) or None
        log p at `position`, -inf where it has no density; None if the sampler has no use for it.
    score : ndarray of shape (n, d)
        ∇ log p at `position`.
    """

    position: ndarray
    log_density: ndarray | None
    score: ndarray


class Info(NamedTuple):
    """What happened in one step.

    Attributes
    ----------
    acceptance : ndarray of shape (n,)
        Probability, in [0, 1], with which each proposal was accepted.
    accepted : ndarray of shape (n,), bool
        Whether it was.
    """

    acceptance: ndarray
    accepted: ndarray
