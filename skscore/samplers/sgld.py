r"""Stochastic gradient Langevin dynamics: ULA whose step shrinks, on a score that may be noisy.

Step t of Welling & Teh (2011), eq. 4 with their schedule a (b + t)^−γ, a = ε₀ b^γ, is

    ε_t = ε₀ (1 + t / b)^−γ
    x ← x + (ε_t/2) ŝ(x) + √ε_t z,    z ~ N(0, I)

where ŝ is the score or an unbiased estimate of it, drawn anew at each step. With γ in (½, 1] the steps sum to infinity,
so the chain forgets its start, and their squares do not: both the bias of the Euler step and the noise of ŝ, which adds
(ε_t²/4) Var ŝ to the variance ε_t of z, die away, and nothing need be rejected. γ = 0 is ULA.

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
    """Where the chains are, and how long they have run.

    Attributes
    ----------
    position : ndarray of shape (n, d)
        One row per chain.
    t : int
        Steps taken.
    """

    position: np.ndarray
    t: int = 0


@dataclass(frozen=True)
class SGLD(MarkovKernel):
    """Stochastic gradient Langevin dynamics: no rejection, a bias that dies away as the steps shrink.

    Parameters
    ----------
    step_size : float or ndarray of shape (n, 1)
        ε₀, the variance of the noise of the first step, in squared units of x.
    b : float, default=100.0
        Steps after which ε_t has fallen to 2^−γ of the first.
    gamma : float, default=0.55
        γ: in (½, 1] the chain converges to its target.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import SGLD, Target
    >>> rng = np.random.default_rng(0)
    >>> noisy = Target(None, lambda x: -x + rng.standard_normal(x.shape))  # as of a batch of rows
    >>> sampler = SGLD(step_size=1.0, b=10.0)
    >>> state = sampler.init(np.zeros((20_000, 1)), noisy)
    >>> for _ in range(300):
    ...     state, info = sampler.step(state, noisy, rng)
    >>> f"{state.position.var():.1f}"
    '1.1'
    """

    step_size: float
    b: float = 100.0
    gamma: float = 0.55
    keeps_single_precision: ClassVar[bool] = True

    @property
    def bias(self) -> float:
        """Of the order of the first step."""
        return self.step_size

    @classmethod
    def example(cls):
        """A first step at which the bias is small."""
        return cls(0.02)

    def init(self, position: np.ndarray, target: Target) -> Aged:
        """State of chains that start at `position`, shape (n, d)."""
        return Aged(position)

    def epsilon(self, t: int) -> float:
        """ε_t of the step after t others; draws weighted by it average as Welling & Teh's (eq. 11) do."""
        return self.step_size * (1.0 + t / self.b) ** -self.gamma

    def step(self, state: Aged, target: Target, rng: np.random.Generator) -> tuple[Aged, Info]:
        """Move every chain by one Euler step, shorter than the last."""
        x, t = state
        x = langevin_step(x, target.score(x), self.epsilon(t), rng)
        return Aged(x, t + 1), Info.certain(len(x))
