"""Diagnostics of Markov chains: R̂ shows whether they have mixed; the effective sample size counts independent draws.

Each coordinate is first replaced by the normal quantiles of its ranks, so that heavy tails do no harm (Vehtari et al.
2021). For chains of n draws with mean variance W and variance B/n between their means, the variance is estimated by

    var⁺ = (n − 1)/n · W + B/n

**R̂** is √(var⁺ / W). Each chain is cut in two halves, so that a trend counts as disagreement. The larger of the values
for the draws and for |draw − median| is reported, so that chains of unequal scale count too. 1 is ideal; if R̂ is above
1.01, run longer chains.

**Effective sample size** of m chains is m n / τ with

    τ = 1 + 2 Σ_t (1 − t/n) ρ_t,    ρ_t = 1 − V_t / (2 var⁺),    V_t = mean of (x_{i+t} − x_i)²

summed over pairs of lags as long as they are positive, made decreasing (Geyer 1992). The variogram V_t (Gelman et al.
2013, eq. 11.7) and the weights 1 − t/n, the fraction of draws that have a partner at lag t, suit chains of any length:
ten draws of 2000 chains as well as 10,000 draws of four. For long chains this is the bulk effective sample size of
Vehtari et al.; their autocorrelations, centred by the mean of each chain, overstate that of short chains.

With few draws per chain R̂ is a severe criterion: it is near 1 only if each half chain alone represents the whole
density. Many chains can be short and still well spread; then use the effective sample size.

References
----------
Vehtari, A., Gelman, A., Simpson, D., Carpenter, B., & Bürkner, P.-C. (2021). Rank-normalization, folding, and
localization: an improved R̂ for assessing convergence of MCMC. Bayesian Analysis, 16(2), 667-718.
Geyer, C. J. (1992). Practical Markov chain Monte Carlo. Statistical Science, 7(4), 473-483.
Gelman, A., Carlin, J. B., Stern, H. S., Dunson, D. B., Vehtari, A., & Rubin, D. B. (2013). Bayesian Data Analysis (3rd
ed.). CRC Press.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri
from scipy.stats import rankdata

# Two halves of two draws: with fewer draws the variance within chains is not defined.
MIN_DRAWS = 4


def diagnose(draws: np.ndarray) -> dict[str, float | int]:
    """Compute the worst R̂ and effective sample size over the coordinates.

    Parameters
    ----------
    draws : ndarray of shape (n_draws, n_chains, d)
        Draws after warm-up.

    Returns
    -------
    dict
        `rhat` (float, largest), `ess` (float, smallest), `n_draws` and `n_chains` (int). NaN if there are fewer than
        four draws per chain, or if a coordinate is constant or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers.diagnostics import diagnose
    >>> report = diagnose(np.random.default_rng(0).standard_normal((1000, 4, 3)))
    >>> bool(report["rhat"] < 1.01), bool(report["ess"] > 3000), report["n_chains"]
    (True, True, 4)
    """
    n_draws, n_chains, _ = draws.shape
    rhat_worst, ess_worst = float(rhat(draws).max()), float(effective_sample_size(draws).min())
    return {"rhat": rhat_worst, "ess": ess_worst, "n_draws": n_draws, "n_chains": n_chains}


def rhat(draws: np.ndarray) -> np.ndarray:
    """Compute the rank-normalised split R̂ of each coordinate.

    Parameters
    ----------
    draws : ndarray of shape (n_draws, n_chains, d)
        Draws after warm-up.

    Returns
    -------
    ndarray of shape (d,)
        Near 1 if the chains have mixed; NaN if it is not defined.

    Examples
    --------
    Two chains in one mode and two in another:

    >>> import numpy as np
    >>> from skscore.samplers.diagnostics import rhat
    >>> draws = np.random.default_rng(0).standard_normal((500, 4, 1))
    >>> draws[:, 2:] += 10.0
    >>> bool(rhat(draws)[0] > 1.5)
    True
    """
    return _each_coordinate(_rhat, draws)


def effective_sample_size(draws: np.ndarray) -> np.ndarray:
    """Compute the bulk effective sample size of each coordinate.

    Parameters
    ----------
    draws : ndarray of shape (n_draws, n_chains, d)
        Draws after warm-up.

    Returns
    -------
    ndarray of shape (d,)
        Number of independent draws that would give equally precise means, at most N log10(N) for N draws; NaN if it is
        not defined.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers.diagnostics import effective_sample_size
    >>> draws = np.random.default_rng(0).standard_normal((10, 2000, 1))
    >>> f"{effective_sample_size(draws)[0]:.1e}"
    '2.0e+04'
    """
    return _each_coordinate(_effective_sample_size, draws)


def _each_coordinate(statistic: Callable[[np.ndarray], float], draws: np.ndarray) -> np.ndarray:
    """Evaluate a statistic for one coordinate after the other, which saves memory."""
    if len(draws) < MIN_DRAWS:
        return np.full(draws.shape[2], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # constant draws give 0 / 0 = NaN
        return np.array([statistic(draws[:, :, j]) for j in range(draws.shape[2])])


def _rhat(x: np.ndarray) -> float:
    folded = np.abs(x - np.median(x))
    return max(_split_rhat(_normal_scores(x)), _split_rhat(_normal_scores(folded)))


def _split_rhat(z: np.ndarray) -> float:
    within, total = _variances(_halves(z))
    return np.sqrt(total / within)


def _effective_sample_size(x: np.ndarray) -> float:
    z = _normal_scores(x)
    n, total = len(z), _variances(_halves(z))[1]
    rho = 1 - np.arange(n) / n - _squared_increments(z) / (2 * z.size * total)  # (1 − t/n) ρ_t
    pairs = rho[: n - n % 2].reshape(-1, 2).sum(axis=1)
    positive = np.logical_and.accumulate(~(pairs < 0))  # "not negative", so that NaN reaches the result
    tau = 2 * np.minimum.accumulate(pairs[positive]).sum() - 1
    return z.size / np.maximum(tau, 1 / np.log10(z.size))


def _normal_scores(x: np.ndarray) -> np.ndarray:
    """Replace draws by normal quantiles of their ranks among all draws (Vehtari et al. 2021, eq. 14)."""
    return ndtri((rankdata(x, axis=None).reshape(x.shape) - 3 / 8) / (x.size + 1 / 4))


def _halves(x: np.ndarray) -> np.ndarray:
    """Cut m chains (n, m) into half chains (n // 2, 2 m); if n is odd the middle draw is left out."""
    half = len(x) // 2
    return np.concatenate([x[:half], x[-half:]], axis=1)


def _variances(x: np.ndarray) -> tuple[float, float]:
    """Compute W and var⁺ of m chains of n draws."""
    n = len(x)
    within = x.var(axis=0, ddof=1).mean()
    return within, (n - 1) / n * within + x.mean(axis=0).var(ddof=1)


def _squared_increments(x: np.ndarray) -> np.ndarray:
    """Sum (x_{i+t} − x_i)² over chains and i, for t = 0 … n − 1, by one FFT of each chain."""
    n = len(x)
    length = next_fast_len(2 * n, real=True)
    power = (np.abs(rfft(x, length, axis=0)) ** 2).sum(axis=1)
    products = irfft(power, length)[:n]  # Σ x_i x_{i+t}
    squares = np.concatenate([[0.0], np.cumsum((x**2).sum(axis=1))])
    first, last = squares[n - np.arange(n)], squares[n] - squares[:n]
    return first + last - 2 * products
