r"""The reverse diffusion: random steps remove the noise, level by level.

Rows gain noise by :math:`dx = \sqrt{2\sigma\dot\sigma}\,dw`, and lose it by the reverse equation
:math:`dx = -2\sigma\dot\sigma\,s\,dt + \sqrt{2\sigma\dot\sigma}\,d\bar w` (Anderson 1982; Song et al. 2021, eq. 6).
From σ to a level ς < σ the mean of its transition is known for any p, because x at σ is x at ς plus noise of variance
σ² − ς² (Tweedie's formula). The variance is that for the reference Gaussian N(0, diag λ):

.. math::

   x' = x + (\sigma^2 - \varsigma^2)\, s(x, \sigma)
        + \sqrt{(\sigma^2 - \varsigma^2)\,\frac{\lambda_j + \varsigma^2}{\lambda_j + \sigma^2}}\; z .

So the step is exact for that Gaussian at any length. With λ → 0 it is the ancestral step of Song et al. (2021, eq. 47),
whose variance would be too small here. A corrector (Song et al. 2021, algorithm 4) adds Langevin steps at the new
level,

.. math:: x \leftarrow x + \tfrac\varepsilon2 s + \sqrt\varepsilon\, z,\qquad
   \varepsilon = 4\rho^2\,\frac{E\|z\|^2}{\mathrm{mean}\,\|s\|^2},

with a signal-to-noise ratio ρ. The mean is over all rows that are drawn together.

References
----------
Anderson, B. D. O. (1982). Reverse-time diffusion equation models. Stochastic Processes and their Applications, 12(3).
Song, Y., et al. (2021). Score-based generative modeling through stochastic differential equations. ICLR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .contract import Descending, Descent, Info, NoiseConditionalScore
from .flow import Flow
from .langevin import langevin_step


@dataclass(frozen=True, eq=False)
class ReverseSDE(Descending):
    """Sampler by the reverse diffusion, with one ancestral step per level.

    Parameters
    ----------
    levels : ndarray of shape (L,)
        Noise levels, decreasing; the error is of order 1/L.
    denoise : bool, default=False
        Whether `descend` ends with Tweedie's formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import NoiseConditionalScore, ReverseSDE, descend
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(1))
    >>> draws = descend(ReverseSDE(np.array([50.0, 0.01])), normal, 100_000, np.random.default_rng(0))
    >>> f"{draws.std():.2f}"  # one step, exact for the reference Gaussian
    '1.00'
    """

    levels: np.ndarray
    denoise: bool = False

    @classmethod
    def examples(cls, ladder):
        """One, of as many steps as its error of order 1/L asks for."""
        return [cls(ladder(100))]

    def step(self, state: Descent, target: NoiseConditionalScore, rng: np.random.Generator) -> tuple[Descent, Info]:
        """Move every row one level down."""
        x, (sigma, below) = state.position, self.levels[state.level : state.level + 2]
        lost, variance = sigma**2 - below**2, target.variance
        spread = np.sqrt(lost * (variance + below**2) / (variance + sigma**2))
        x = x + lost * target.score(x, sigma) + spread * rng.standard_normal(x.shape)
        return Descent(x, state.level + 1), Info.certain(len(x))


@dataclass(frozen=True, eq=False)
class PredictorCorrector(Descending):
    """Sampler that follows each step of a predictor by Langevin steps at the new level.

    Parameters
    ----------
    predictor : ReverseSDE or Flow
        Its levels are the noise levels. Earlier velocities do not hold for corrected rows: a `Flow` with method="adams"
        would take Euler steps.
    n_corrections : int, default=1
        Number of Langevin steps at each level.
    ratio : float, default=0.16
        ρ, the signal-to-noise ratio of one Langevin step.
    denoise : bool, default=False
        Whether `descend` ends with Tweedie's formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import geometric_ladder
    >>> from skscore.samplers import NoiseConditionalScore, PredictorCorrector, ReverseSDE, descend
    >>> shifted = NoiseConditionalScore(lambda x, sigma: (4 - x) / (1 + sigma**2), None, np.ones(1))  # N(4, 1)
    >>> sampler = PredictorCorrector(ReverseSDE(geometric_ladder(0.01, 50.0, 50)))
    >>> draws = descend(sampler, shifted, 10_000, np.random.default_rng(0))
    >>> f"{draws.mean():.1f}"
    '4.0'
    """

    predictor: ReverseSDE | Flow
    n_corrections: int = 1
    ratio: float = 0.16
    denoise: bool = False

    @classmethod
    def examples(cls, ladder):
        """Either predictor."""
        return [cls(ReverseSDE(ladder(60))), cls(Flow(ladder(32)))]

    @property
    def levels(self) -> np.ndarray:  # type: ignore[override]
        """Noise levels of the predictor."""
        return self.predictor.levels

    def step(self, state: Descent, target: NoiseConditionalScore, rng: np.random.Generator) -> tuple[Descent, Info]:
        """Move every row to the next level, then correct it there."""
        (x, level, _), info = self.predictor.step(state, target, rng)
        for _ in range(self.n_corrections):
            score = target.score(x, self.levels[level])
            step_size = 4 * self.ratio**2 * x.size / (score**2).sum()
            x = langevin_step(x, score, step_size, rng)
        return Descent(x, level), info
