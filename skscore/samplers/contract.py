"""The contract of a sampler: `init` makes a state, `step` moves it.

    state = sampler.init(position, target)
    state, info = sampler.step(state, target, rng)

A sampler is a frozen dataclass of its parameters and holds nothing else: a Markov kernel. All randomness comes from
`rng`, all memory is in `state`. Rows of `position` are independent chains that move together. The target is a pair of
callables, so a sampler does not depend on the model. Samplers expect coordinates of unit scale: whiten the target
first. `step_size` is one value, or one value per chain in a column of shape (n, 1).

`MarkovKernel` declares what a sampler of a `Target` has besides them: an acceptance to aim for, the precision that it
keeps, and the bias of its moments.

Samplers that descend a ladder of noise levels keep the same contract on a `NoiseConditionalScore`, the densities
p_σ = p * N(0, σ²I) of the noisy rows: each step moves all rows from one level to the next, and `n_steps` of them reach
the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy import ndarray


class Target(NamedTuple):
    """The density to draw from, up to its normalising constant.

    Attributes
    ----------
    log_density : callable, (n, d) -> (n,), or None
        log p in nats, up to a constant. A value that is not finite means zero density. None is allowed for samplers
        without a Metropolis step.
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

    @property
    def required_log_density(self) -> Callable[[ndarray], ndarray]:
        """The log-density; ValueError if the target has none."""
        if self.log_density is None:
            raise ValueError("target.log_density is None; give a log-density, or choose a sampler that never rejects.")
        return self.log_density


class NoiseConditionalScore(NamedTuple):
    """The scores of the densities p_σ = p * N(0, σ²I) at every noise level σ.

    Attributes
    ----------
    score : callable, (n, d), float -> (n, d)
        ∇ log p_σ(x) at x and σ.
    score_and_divergence : callable, (n, d), float -> ((n, d), (n, K)), or None
        The score and its divergence ∇·s. If it is exact, K = 1; otherwise there is one column for each random probe,
        and their mean is the estimate. Samplers do not use it: None is allowed for them.
    variance : ndarray of shape (d,)
        λ, the variances of a reference Gaussian N(0, diag λ) near p. If p is that Gaussian, flow and reverse diffusion
        are exact with any number of steps.

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
    """Positions of the chains, with the values that the next step needs.

    Attributes
    ----------
    position : ndarray of shape (n, d)
        One row per chain.
    log_density : ndarray of shape (n,) or None
        log p at `position`; -inf if the density is zero; None if the sampler does not use it.
    score : ndarray of shape (n, d)
        ∇ log p at `position`.
    """

    position: ndarray
    log_density: ndarray | None
    score: ndarray


class Descent(NamedTuple):
    """Positions of the rows, and the noise level that they have reached.

    Attributes
    ----------
    position : ndarray of shape (n, d)
        One row per draw.
    level : int
        Index of the level at which they move next; 0 is the noisiest.
    velocities : tuple of ndarray of shape (n, d)
        Velocities at earlier levels, newest first; empty unless the method uses them.
    """

    position: ndarray
    level: int = 0
    velocities: tuple[ndarray, ...] = ()


class Info(NamedTuple):
    """Outcome of one step.

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
        """Return the outcome of a step that rejects none of `n` rows."""
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
    def bias(self) -> float | ndarray:
        """Greatest relative error of moments of the stationary law, on a law of unit scale and unit curvature."""
        return 0.0

    @classmethod
    def example(cls):
        """The sampler at a step size that suits laws of unit scale, as tests take it."""
        raise NotImplementedError

    def init(self, position: ndarray, target: Target) -> Any:
        """Return the state of chains that start at `position`, shape (n, d)."""
        raise NotImplementedError

    def step(self, state: Any, target: Target, rng: np.random.Generator) -> tuple[Any, Info]:
        """Return the state after one step of every chain, and its outcome."""
        raise NotImplementedError


class Descending:
    """Base class of the samplers whose step moves all rows one noise level down."""

    levels: ndarray

    @classmethod
    def examples(cls, ladder):
        """Samplers for tests; ``ladder(n)`` gives n decreasing levels."""
        raise NotImplementedError

    @property
    def n_steps(self) -> int:
        """Number of steps from the first level to the last."""
        return len(self.levels) - 1

    def init(self, position: ndarray, target: NoiseConditionalScore) -> Descent:
        """Return the state of rows of shape (n, d) that follow p_σ at the first level."""
        return Descent(position)
