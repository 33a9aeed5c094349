r"""The probability flow: a deterministic differential equation whose rows follow p_σ at every level σ.

Each row moves by :math:`dx/d\log\sigma = -\sigma^2 s(x, \sigma)` (Song et al. 2021, eq. 13). It is solved downwards in
:math:`t = \log\sigma` for :math:`y_j = x_j / r_j` with :math:`r_j = \sqrt{\sigma^2 + \lambda_j}`,

.. math:: \frac{dy_j}{dt} = f_j(y, t) = -\frac{\sigma^2}{r_j}\Bigl(s_j + \frac{x_j}{r_j^2}\Bigr),

which is zero if p is the reference Gaussian N(0, diag λ). There are two solvers; a step has length h < 0:

* Heun's method, of order two with two scores: :math:`y' = y + \tfrac h2 [f(y, t) + f(y + h f(y, t), t + h)]`.
* The Adams-Bashforth method, of order three with one score: the parabola through the values of f at this level and the
  two before is integrated over the step. The first steps have fewer values; f is near zero there.

The Adams-Bashforth method of order four is more accurate for smooth densities but unstable for thin ones: in a
direction in which the variance of p is much smaller than λ, y contracts at the rate 1, and stability requires
\|h\| < 0.54 at order three but \|h\| < 0.3 at order four. So use at least 20 steps for a range of σ of 2000.

References
----------
Song, Y., et al. (2021). Score-based generative modeling through stochastic differential equations. ICLR.
Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based generative
models. NeurIPS, algorithm 1.
Hairer, E., Nørsett, S. P., & Wanner, G. (1993). Solving Ordinary Differential Equations I, §III.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..formulas.schedules import Preconditioning
from .contract import Descending, Descent, Info, NoiseConditionalScore

ADAMS_ORDER = 3


@dataclass(frozen=True, eq=False)
class Flow(Descending):
    """Move rows down the probability flow.

    Parameters
    ----------
    levels : ndarray of shape (L,)
        Noise levels, decreasing.
    method : {"heun", "adams"}, default="heun"
        Two scores per step, or one. For smooth densities 31 steps of either give samples of about the same quality.
    denoise : bool, default=False
        Whether `descend` ends with Tweedie's formula.

    Examples
    --------
    If p is the reference Gaussian, one step of any length is exact:

    >>> import numpy as np
    >>> from skscore.samplers import Flow, NoiseConditionalScore
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(1))
    >>> flow = Flow(np.array([7.0, 1.0]))
    >>> state, info = flow.step(flow.init(np.array([[5.0]]), normal), normal, np.random.default_rng(0))
    >>> state.position  # 5 of scale √50 becomes 1 of scale √2
    array([[1.]])
    """

    levels: np.ndarray
    method: str = "heun"
    denoise: bool = False

    @classmethod
    def examples(cls, ladder):
        """Both methods."""
        return [cls(ladder(32)), cls(ladder(32), method="adams")]

    def step(self, state: Descent, target: NoiseConditionalScore, rng: np.random.Generator) -> tuple[Descent, Info]:
        """Move every row one level down; `rng` is not used."""
        solve = {"heun": self._heun, "adams": self._adams}[self.method]
        y, velocities = solve(state, target)
        below = Preconditioning(self.levels[state.level + 1], target.variance)
        return Descent(below.r * y, state.level + 1, velocities), Info.certain(len(y))

    def _heun(self, state: Descent, target: NoiseConditionalScore) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        x, (sigma, below) = state.position, self.levels[state.level : state.level + 2]
        h, scale = np.log(below / sigma), Preconditioning(below, target.variance).r
        y, here = x / Preconditioning(sigma, target.variance).r, velocity(x, target, sigma)
        return y + h / 2 * (here + velocity(scale * (y + h * here), target, below)), ()

    def _adams(self, state: Descent, target: NoiseConditionalScore) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        k, x = state.level, state.position
        velocities = (velocity(x, target, self.levels[k]), *state.velocities)[:ADAMS_ORDER]
        t = np.log(self.levels[k + 1 - len(velocities) : k + 2])
        change = sum(weight * f for weight, f in zip(adams_weights(t), velocities, strict=True))
        return x / Preconditioning(self.levels[k], target.variance).r + change, velocities[: ADAMS_ORDER - 1]


def velocity(position: np.ndarray, target: NoiseConditionalScore, sigma: float) -> np.ndarray:
    """Compute the velocity dy/d log σ of the flow, in scaled coordinates y = x/r.

    Parameters
    ----------
    position : ndarray of shape (n, d)
        Rows x, unscaled.
    target : NoiseConditionalScore
        Scores at all noise levels.
    sigma : float
        Noise level.

    Returns
    -------
    ndarray of shape (n, d)
    """
    return Preconditioning(sigma, target.variance).velocity(target.score(position, sigma), position)


def adams_weights(t: np.ndarray) -> np.ndarray:
    """Compute weights w with ∫ f dt ≈ Σ w_i f_i over the last interval, from the values at all times except the last.

    Parameters
    ----------
    t : ndarray of shape (m + 1,)
        Times, in increasing or decreasing order.

    Returns
    -------
    ndarray of shape (m,)
        Weights of the values at t[-2], t[-3], …, newest first; exact for polynomials of degree m − 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers.flow import adams_weights
    >>> 12 * adams_weights(np.array([0.0, 1.0, 2.0, 3.0]))
    array([ 23., -16.,   5.])
    """
    h, nodes = t[-1] - t[-2], t[-2::-1] - t[-2]
    power = np.arange(len(nodes))
    return np.linalg.solve((nodes / h) ** power[:, None], h / (power + 1))
