r"""Stochastic gradient Langevin dynamics: ULA with decreasing steps, for a score that may be noisy.

Step t of Welling & Teh (2011), eq. 4 with their schedule a (b + t)^−γ, a = ε₀ b^γ, is

    ε_t = ε₀ (1 + t / b)^−γ
    x ← x + (ε_t/2) ŝ(x) + √ε_t z,    z ~ N(0, I)

where ŝ is the score or an unbiased estimate of it, drawn anew at each step. With γ in (½, 1] the sum of the steps is
infinite, so that the chain forgets its start, and the sum of their squares is finite: the bias of the Euler step, and
the noise of ŝ, which adds (ε_t²/4) Var ŝ to the variance ε_t of z, both vanish, and no step is rejected. γ = 0 is ULA.

References
----------
Welling, M., & Teh, Y. W. (2011). Bayesian learning via stochastic gradient Langevin dynamics. ICML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .contract import Info, MarkovKernel, Target
from .langevin import langevin_step


class Aged(NamedTuple):
    """Positions of the chains, and the number of steps taken.

    Attributes
    ----------
    position : ndarray of shape (n, d)
        One row per chain.
    t : int
        Number of steps taken.
    """

    position: np.ndarray
    t: int = 0


@dataclass(frozen=True)
class SGLD(MarkovKernel):
    """Stochastic gradient Langevin dynamics: no rejection, and a bias that vanishes as the steps decrease.

    Parameters
    ----------
    step_size : float or ndarray of shape (n, 1)
        ε₀, the variance of the noise of the first step, in squared units of x.
    b : float, default=100.0
        Number of steps after which ε_t is 2^−γ times the first.
    gamma : float, default=0.55
        γ; the chain converges to its target if γ is in (½, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import SGLD, Target
    >>> rng = np.random.default_rng(0)
    >>> noisy = Target(None, lambda x: -x + rng.standard_normal(x.shape))  # as if from a batch of rows
    >>> sampler = SGLD(step_size=1.0, b=10.0)
    >>> state = sampler.init(np.zeros((20_000, 1)), noisy)
    >>> for _ in range(300):
    ...     state, info = sampler.step(state, noisy, rng)
    >>> f"{state.position.var():.1f}"
    '1.1'
    """

    step_size: float | np.ndarray
    b: float = 100.0
    gamma: float = 0.55
    keeps_single_precision: ClassVar[bool] = True

    @property
    def bias(self) -> float | np.ndarray:
        """Of the order of the first step."""
        return self.step_size

    @classmethod
    def example(cls):
        """A first step at which the bias is small."""
        return cls(0.02)

    def init(self, position: np.ndarray, target: Target) -> Aged:
        """Return the state of chains that start at `position`, shape (n, d)."""
        return Aged(position)

    def epsilon(self, t: int) -> float | np.ndarray:
        """Return ε_t, the step after t others; it is also the weight of a draw in averages (Welling & Teh, eq. 11)."""
        return self.step_size * (1.0 + t / self.b) ** -self.gamma

    def step(self, state: Aged, target: Target, rng: np.random.Generator) -> tuple[Aged, Info]:
        """Move every chain by one Euler step, which is shorter than the last."""
        x, t = state
        x = langevin_step(x, target.score(x), self.epsilon(t), rng)
        return Aged(x, t + 1), Info.certain(len(x))
