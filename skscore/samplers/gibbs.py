r"""Gibbs sampling of Gaussians truncated to a domain, one coordinate at a time; no step is rejected (Geweke, 1991).

**Number of sweeps.** A few chains start from :math:`p^{1/4}`, which is wider than p, and run in windows of doubling
length until R̂ (Vehtari et al., 2021) shows that each of them represents p within half a window. Its threshold is met
if a window is some twenty autocorrelation times long. Each draw is then the end of a separate chain, which starts at a
state of that window and runs for a quarter of its length.

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
from .truncated_gaussians import GaussianInIntervals, GaussianInPolytope

__all__ = ["draw_truncated_gaussian"]

N_PILOTS = 64  # chains that determine the necessary length
N_KEPT = 64  # states of a window for R-hat, evenly spaced
MAX_SWEEPS = 4096  # of one window
MIXED = 1.05  # R-hat, which exceeds 1 by about the autocorrelation time over the number of states in half a window
HEAT = 4.0  # temperature of the density from which the chains start


def draw_truncated_gaussian(
    gaussian: GaussianInIntervals | GaussianInPolytope, start: np.ndarray, n_samples: int, rng: np.random.Generator
) -> Sampled:
    """Draw rows that are independent as far as R̂ can show.

    Parameters
    ----------
    gaussian : GaussianInIntervals or GaussianInPolytope
    start : ndarray of shape (p,)
        A point of the closed box or of the intervals, or inside the polytope; preferably near the mean.
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    Sampled
        Rows of shape (n_samples, p), with a remark if the chains disagree after the longest window.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Orthant
    >>> from skscore.samplers.gibbs import draw_truncated_gaussian
    >>> from skscore.samplers.truncated_gaussians import gaussian_on
    >>> K, zero = np.array([[1.0, 0.5], [0.5, 1.0]]), np.zeros(2)
    >>> gaussian = gaussian_on(Orthant(), K, zero, zero)
    >>> X = draw_truncated_gaussian(gaussian, zero, 20000, np.random.default_rng(0)).rows
    >>> bool((X > 0.0).all()), X.mean(axis=0).round(1)
    (True, array([0.7, 0.7]))
    """
    states, n_sweeps, disagreement = _mixed_states(gaussian, start, rng)
    columns = states[rng.integers(len(states), size=n_samples)].T.copy()
    for _ in range(n_sweeps // 4):
        gaussian.sweep(columns, rng)
    return Sampled(columns.T, remarks=() if disagreement <= MIXED else (_why_unmixed(n_sweeps, disagreement),))


def _why_unmixed(n_sweeps: int, disagreement: float) -> str:
    return (
        f"the Gibbs chains of sample() disagree after {n_sweeps} sweeps (R-hat {disagreement:.3g}, above {MIXED}): "
        "the columns are nearly collinear, or the fitted density has separate modes whose weights may be off. "
        "A larger alpha draws the columns apart."
    )


def _mixed_states(
    gaussian: GaussianInIntervals | GaussianInPolytope, start: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, int, float]:
    """Return states (s, p) of chains that have mixed, the length of their last window, and its largest R̂."""
    columns, heated = np.tile(start[:, None], N_PILOTS), gaussian.heated(HEAT)
    for _ in range(N_KEPT):
        heated.sweep(columns, rng)
    thin, disagreement = 1, np.inf
    while not disagreement <= MIXED and thin * N_KEPT <= MAX_SWEEPS:
        kept = _window(gaussian, columns, thin, rng)
        disagreement, thin = float(rhat(kept).max()), 2 * thin
    return kept.reshape(-1, len(start)), thin // 2 * N_KEPT, disagreement


def _window(
    gaussian: GaussianInIntervals | GaussianInPolytope, columns: np.ndarray, thin: int, rng: np.random.Generator
) -> np.ndarray:
    """Run the chains and return every `thin`-th state of the chains, shape (N_KEPT, N_PILOTS, p)."""
    kept = np.empty((N_KEPT, *columns.T.shape))
    for state in kept:
        for _ in range(thin):
            gaussian.sweep(columns, rng)
        state[...] = columns.T
    return kept
