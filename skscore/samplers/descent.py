"""Draw by descending a ladder of noise levels σ_1 > … > σ_L, from a Gaussian to the law.

At the top the noise drowns the law: p_σ1 is close to N(0, diag(λ + σ_1²)), where the rows start. A sampler then moves
them level by level. At the bottom they follow p_σL, the law with noise of standard deviation σ_L. Tweedie's formula

    E[x | x̃] = x̃ + σ_L² s(x̃, σ_L)

(Miyasawa 1961; Efron 2011) replaces each row by the mean of the noiseless rows that may have become it. Flow and
reverse diffusion leave it out: their draws follow the law whose log-density the flow gives. Annealed Langevin takes it,
because its rows lag behind the levels and carry more noise than σ_L says (Jolicoeur-Martineau et al. 2021).

References
----------
Miyasawa, K. (1961). An empirical Bayes estimator of the mean of a normal population. Bull. Inst. Internat. Statist.,
38.
Efron, B. (2011). Tweedie's formula and selection bias. JASA, 106, eq. 1.4.
Jolicoeur-Martineau, A., Piché-Taillefer, R., Tachet des Combes, R., & Mitliagkas, I. (2021). Adversarial score matching
and improved sampling for image generation. ICLR, §3.
"""

from __future__ import annotations

import numpy as np

from .contract import NoiseConditionalScore


def tweedie(position: np.ndarray, target: NoiseConditionalScore, sigma: float) -> np.ndarray:
    """Denoise rows by one step, x + σ² s(x, σ).

    Parameters
    ----------
    position : ndarray of shape (n, d)
        Rows that follow p_σ.
    target : NoiseConditionalScore
        The laws.
    sigma : float
        Their noise level σ.

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


def descend(sampler, target: NoiseConditionalScore, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` rows: from N(0, diag(λ + σ_1²)) down all levels of the sampler.

    Parameters
    ----------
    sampler : Flow, AnnealedLangevin, ReverseSDE, PredictorCorrector or any object of their contract
        Its `levels` are the ladder; where its `denoise` is true a step of Tweedie's formula follows at the last level.
    target : NoiseConditionalScore
        The laws.
    n : int
        Number of rows.
    rng : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    ndarray of shape (n, d)
        Independent draws, but for what a sampler shares between rows.

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
