"""What a sampler is: `init` makes a state, `step` moves it.

    state = sampler.init(position, target)
    state, info = sampler.step(state, target, rng)

A sampler is a frozen dataclass of its parameters and holds nothing else: a Markov kernel. All randomness comes from
`rng`, all memory is in `state`. Rows of `position` are independent chains, moved together. The target is a pair of
callables, so a sampler never learns which model it draws from. Scales belong outside: whiten the target and let the
sampler see coordinates of unit scale. `step_size` is one value, or a column of one per chain, shape (n, 1).

`MarkovKernel` declares what else a sampler of a `Target` has: an acceptance to aim for, the precision that it keeps,
and the bias of its moments.

Samplers that descend a ladder of noise levels keep the same contract on a `NoiseConditionalScore`, the densities
p_σ = p * N(0, σ²I) of the noisy rows: each step moves all rows from one level to the next, and `n_steps` of them reach
the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np
from numpy import ndarray


class Target(NamedTuple):
    """The law to draw from, up to its normalising constant.

    Attributes
    ----------
    log_density : callable, (n, d) -> (n,), or None
        log p in nats, up to a constant. A value that is not finite means zero density. None suits samplers without a
        Metropolis step only.
    score : callable, (n, d) -> (n, d)
        The score, ∇ log p.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import Target
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> normal.score(np.array([[1.0, -2.0]]))
    array([[-1.,  2.]])
    """

    log_density: Callable[[ndarray], ndarray] | None
    score: Callable[[ndarray], ndarray]


class NoiseConditionalScore(NamedTuple):
    """The laws p_σ = p * N(0, σ²I) by their scores, at every noise level σ.

    Attributes
    ----------
    score : callable, (n, d), float -> (n, d)
        ∇ log p_σ(x) at x and σ.
    score_and_divergence : callable, (n, d), float -> ((n, d), (n, K)), or None
        The score and its divergence ∇·s: K = 1 where it is exact, else one column for each random probe, whose mean is
        the estimate. None suits samplers.
    variance : ndarray of shape (d,)
        λ, the variances of a reference Gaussian N(0, diag λ) near p. Where p is that Gaussian, flow and reverse
        diffusion are exact at any number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import NoiseConditionalScore
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(2))
    >>> normal.score(np.array([[2.0, -4.0]]), 1.0)
    array([[-1.,  2.]])
    """

    score: Callable[[ndarray, float], ndarray]
    score_and_divergence: Callable[[ndarray, float], tuple[ndarray, ndarray]] | None
    variance: ndarray


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


class Descent(NamedTuple):
    """Where the rows are on the way down a ladder of noise levels.

    Attributes
    ----------
    position : ndarray of shape (n, d)
        One row per draw.
    level : int
        Index of the next level to move at; 0 is the noisiest.
    slopes : tuple of ndarray of shape (n, d)
        Velocities at earlier levels, newest first, where the method remembers them.
    """

    position: ndarray
    level: int = 0
    slopes: tuple[ndarray, ...] = ()


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

    @classmethod
    def certain(cls, n: int) -> Info:
        """Of a step that rejects none of `n` rows."""
        return cls(np.ones(n), np.ones(n, dtype=bool))


class MarkovKernel:
    """What samplers of a `Target` declare; the defaults are those of one that never rejects and is exact.

    Attributes
    ----------
    target_acceptance : float or None
        The mean acceptance that suits the sampler; None for one that never rejects.
    keeps_single_precision : bool
        Whether chains that begin in float32 ask for scores in float32. A Metropolis step compares log-densities, and
        is taken in float64.
    """

    target_acceptance: ClassVar[float | None] = None
    keeps_single_precision: ClassVar[bool] = False

    @property
    def bias(self) -> float:
        """Greatest relative error of moments of the stationary law, on a law of unit scale and unit curvature."""
        return 0.0

    @classmethod
    def example(cls):
        """The sampler at a step size that suits laws of unit scale, as tests take it."""
        raise NotImplementedError


class Descending:
    """What samplers that move one level down a ladder at each step have in common."""

    levels: ndarray

    @classmethod
    def examples(cls, ladder):
        """Samplers for tests; ``ladder(n)`` gives n decreasing levels."""
        return [cls(ladder(100))]

    @property
    def n_steps(self) -> int:
        """Steps from the first level to the last."""
        return len(self.levels) - 1

    def init(self, position: ndarray, target: NoiseConditionalScore) -> Descent:
        """State of rows of shape (n, d) that follow the law at the first level."""
        return Descent(position)
