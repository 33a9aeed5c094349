"""Annealed Langevin dynamics: Langevin chains at every noise level, one after the other (Song & Ermon 2019).

At the levels σ_1 > … > σ_L, T Langevin steps of length α_i = ε σ_i²/σ_L² follow the density of the noisy rows,

    x ← x + (α_i/2) s(x, σ_i) + √α_i z,    z ~ N(0, I)

(algorithm 1). High levels join the modes and set their weights; low levels sharpen them. The rows start at the highest
level, so that with one level this is a short chain of unadjusted Langevin steps from a Gaussian.

The rows have not quite converged at a level when the next one begins, so draws are too wide. If p is Gaussian the
variance follows a recursion: with 100 levels over a range of 2000 and T = 5 it ends 45 % too large for ε = 0.1 σ_L²,
7 % for 0.5 σ_L².

References
----------
Song, Y., & Ermon, S. (2019). Generative modeling by estimating gradients of the data distribution. NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .contract import Descending, Descent, Info, NoiseConditionalScore
from .langevin import langevin_step


@dataclass(frozen=True, eq=False)
class AnnealedLangevin(Descending):
    """Langevin chains that descend a ladder of noise levels.

    Parameters
    ----------
    levels : ndarray of shape (L,)
        Noise levels σ_i, decreasing. Neighbours should differ by at most a tenth: about 100 levels for a range of 2000.
    n_moves : int, default=5
        T, the number of Langevin steps at each level.
    step_size : float, default=0.5
        ε/σ_L², so that α_i = `step_size` · σ_i².
    denoise : bool, default=True
        Whether `descend` ends with Tweedie's formula, which removes the noise of the last level.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import geometric_ladder
    >>> from skscore.samplers import AnnealedLangevin, NoiseConditionalScore, descend
    >>> shifted = NoiseConditionalScore(lambda x, sigma: (4 - x) / (1 + sigma**2), None, np.ones(1))  # N(4, 1)
    >>> sampler = AnnealedLangevin(geometric_ladder(0.01, 20.0, 100))
    >>> draws = descend(sampler, shifted, 10_000, np.random.default_rng(0))
    >>> f"{draws.mean():.1f}"
    '4.0'
    """

    levels: np.ndarray
    n_moves: int = 5
    step_size: float = 0.5
    denoise: bool = True

    @classmethod
    def examples(cls, ladder):
        """One, on a fine ladder."""
        return [cls(ladder(100))]

    @property
    def n_steps(self) -> int:
        """Number of steps: one at each level."""
        return len(self.levels)

    def step(self, state: Descent, target: NoiseConditionalScore, rng: np.random.Generator) -> tuple[Descent, Info]:
        """Move every row `n_moves` times at its level."""
        x, sigma = state.position, self.levels[state.level]
        for _ in range(self.n_moves):
            x = langevin_step(x, target.score(x, sigma), self.step_size * sigma**2, rng)
        return Descent(x, state.level + 1), Info.certain(len(x))
