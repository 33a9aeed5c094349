r"""Gaussians truncated to a domain, drawn one coordinate at a time; no step is ever rejected (Geweke, 1991).

**How many sweeps.** A few chains begin at :math:`p^{1/4}`, which is wider than p, and go on in windows of doubling
length until R̂ (Vehtari et al., 2021) says that within half a window each of them has seen the law. For it to be as low
as is asked, a window must hold some twenty autocorrelation times. Each draw is then a chain of its own, which starts at
a state of that window and runs for a quarter of its length.

References
----------
Geweke, J. (1991). Efficient simulation from the multivariate normal and Student-t distributions subject to linear
constraints. Computing Science and Statistics, 23, 571-578.
Vehtari, A., Gelman, A., Simpson, D., Carpenter, B., & Bürkner, P.-C. (2021). Rank-normalization, folding, and
localization: an improved R̂ for assessing convergence of MCMC. Bayesian Analysis, 16(2), 667-718.
"""

from __future__ import annotations

import numpy as np

from .chains import Sampled
from .diagnostics import rhat

__all__ = ["draw_truncated_gaussian"]

N_PILOTS = 64  # chains that find out how long chains must be
N_KEPT = 64  # states of a window on which they are judged, evenly spaced
MAX_SWEEPS = 4096  # of one window
MIXED = 1.05  # R-hat, which exceeds 1 by about the autocorrelation time over the number of states in half a window
HEAT = 4.0  # temperature of the law from which the chains begin


def draw_truncated_gaussian(law, start, n_samples, rng):
    """Independent draws, to within what R̂ can tell.

    Parameters
    ----------
    law : BoxedGaussian, GaussianInIntervals or GaussianInPolytope
    start : ndarray of shape (p,)
        A point of the closed box or of the intervals, or inside the polytope; best near the mean.
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    Sampled
        Rows of shape (n_samples, p), with a remark if the chains disagree after the longest window.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers.gibbs import draw_truncated_gaussian
    >>> from skscore.samplers.truncated_gaussians import BoxedGaussian
    >>> K, zero = np.array([[1.0, 0.5], [0.5, 1.0]]), np.zeros(2)
    >>> law = BoxedGaussian(K, zero, zero, zero + np.inf)
    >>> X = draw_truncated_gaussian(law, zero, 20000, np.random.default_rng(0)).rows
    >>> bool((X > 0.0).all()), X.mean(axis=0).round(1)
    (True, array([0.7, 0.7]))
    """
    states, n_sweeps, disagreement = _mixed_states(law, start, rng)
    columns = states[rng.integers(len(states), size=n_samples)].T.copy()
    for _ in range(n_sweeps // 4):
        law.sweep(columns, rng)
    return Sampled(columns.T, remarks=() if disagreement <= MIXED else (_why_unmixed(n_sweeps, disagreement),))


def _why_unmixed(n_sweeps, disagreement):
    return (
        f"the Gibbs chains of sample() disagree after {n_sweeps} sweeps (R-hat {disagreement:.3g}, above {MIXED}): "
        "the columns are nearly collinear, or the fitted density has separate modes whose weights may be off. "
        "A larger alpha draws the columns apart."
    )


def _mixed_states(law, start, rng):
    """States (s, p) of chains that have mixed, the length of their last window, and its largest R̂."""
    columns, heated = np.tile(start[:, None], N_PILOTS), law.heated(HEAT)
    for _ in range(N_KEPT):
        heated.sweep(columns, rng)
    thin, disagreement = 1, np.inf
    while not disagreement <= MIXED and thin * N_KEPT <= MAX_SWEEPS:
        kept = _window(law, columns, thin, rng)
        disagreement, thin = float(rhat(kept).max()), 2 * thin
    return kept.reshape(-1, len(start)), thin // 2 * N_KEPT, disagreement


def _window(law, columns, thin, rng):
    """Every `thin`-th state of the chains, shape (N_KEPT, N_PILOTS, p)."""
    kept = np.empty((N_KEPT, *columns.T.shape))
    for state in kept:
        for _ in range(thin):
            law.sweep(columns, rng)
        state[...] = columns.T
    return kept
