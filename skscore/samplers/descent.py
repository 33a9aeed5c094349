"""Draw by descending the noise levels σ_1 > … > σ_L, from a Gaussian to the density p.

At the highest level p_σ1 is close to N(0, diag(λ + σ_1²)), from which the rows start. A sampler then moves them level
by level. At the last level they follow p_σL, the density of rows with noise of standard deviation σ_L. Tweedie's
formula

    E[x | x̃] = x̃ + σ_L² s(x̃, σ_L)

(Miyasawa 1961; Efron 2011) replaces each row by the mean of the noiseless row given the noisy one. Flow and reverse
diffusion do not use it: their draws follow the density whose logarithm the flow gives. Annealed Langevin uses it,
because its rows lag behind the levels and carry more noise than σ_L (Jolicoeur-Martineau et al. 2021).

References
----------
Miyasawa, K. (1961). An empirical Bayes estimator of the mean of a normal population. Bull. Inst. Internat. Statist.,
38.
Efron, B. (2011). Tweedie's formula and selection bias. JASA, 106, eq. 1.4.
Jolicoeur-Martineau, A., Piché-Taillefer, R., Tachet des Combes, R., & Mitliagkas, I. (2021). Adversarial score matching
and improved sampling for image generation. ICLR, §3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import NoiseConditionalScore


def tweedie(position: np.ndarray, target: NoiseConditionalScore, sigma: float) -> np.ndarray:
    """Denoise rows by one step, x + σ² s(x, σ).

    Parameters
    ----------
    position : ndarray of shape (n, d)
        Rows that follow p_σ.
    target : NoiseConditionalScore
        Scores at all noise levels.
    sigma : float
        Noise level σ of the rows.

    Returns
    -------
    ndarray of shape (n, d)
        Mean of the noiseless row, given each noisy one.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import NoiseConditionalScore, tweedie
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(1))
    >>> tweedie(np.array([[5.0]]), normal, sigma=0.5)
    array([[4.]])
    """
    return position + sigma**2 * target.score(position, sigma)


def descend(sampler: Any, target: NoiseConditionalScore, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` rows: start from N(0, diag(λ + σ_1²)) and descend through all levels of the sampler.

    Parameters
    ----------
    sampler : Flow, AnnealedLangevin, ReverseSDE, PredictorCorrector or any object with the same methods
        Its `levels` are the noise levels. If its `denoise` is true, Tweedie's formula is applied at the last level.
    target : NoiseConditionalScore
        Scores at all noise levels.
    n : int
        Number of rows.
    rng : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    ndarray of shape (n, d)
        The draws. They are independent, except that a corrector shares its step size between rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import geometric_ladder
    >>> from skscore.samplers import Flow, NoiseConditionalScore, descend
    >>> wide = NoiseConditionalScore(lambda x, sigma: -x / (9 + sigma**2), None, np.array([9.0]))
    >>> flow = Flow(geometric_ladder(0.01, 50.0, 5))
    >>> draws = descend(flow, wide, 100_000, np.random.default_rng(0))
    >>> f"{draws.std():.2f}"
    '3.00'
    """
    scale = np.sqrt(target.variance + sampler.levels[0] ** 2)
    state = sampler.init(scale * rng.standard_normal((n, len(scale))), target)
    for _ in range(sampler.n_steps):
        state, _ = sampler.step(state, target, rng)
    return tweedie(state.position, target, sampler.levels[-1]) if sampler.denoise else state.position
