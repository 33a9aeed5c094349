r"""A mixture of normal laws on the line: its tails and its log-density.

Both tails are :math:`F = \sum_k w_k \Phi(a_k)` and 1 − F, and

.. math:: \log p(x) = \log \sum_k \frac{w_k}{s_k} \varphi(a_k), \qquad a_k = \frac{x - \mu_k}{s_k} .

Each component adds its smaller tail to one side and the rest of its weight to the other, so that the smaller of the two
sums keeps its digits until it underflows.
"""

import math

import numpy as np
from numba import njit

ROOT_HALF = math.sqrt(0.5)
HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def tails(x, w, mu, s, below, above):
    """Write F and 1 − F of numbers `x` (n,) to `below` and `above` (n,)."""
    for i in range(x.shape[0]):
        lower = upper = 0.0
        for k in range(w.shape[0]):
            a = (x[i] - mu[k]) / s[k]
            tail = 0.5 * w[k] * math.erfc(abs(a) * ROOT_HALF)
            lower += tail if a < 0.0 else w[k] - tail
            upper += w[k] - tail if a < 0.0 else tail
        below[i], above[i] = lower, upper


@njit(cache=True, nogil=True, error_model="numpy")
def log_density(x, w, mu, s, out):
    """Write log p of numbers `x` (n,) to `out` (n,)."""
    heights, terms = np.empty(w.shape[0]), np.empty(w.shape[0])
    for k in range(w.shape[0]):
        heights[k] = np.log(w[k] / s[k]) - HALF_LOG_2_PI
    for i in range(x.shape[0]):
        largest, total = -np.inf, 0.0
        for k in range(w.shape[0]):
            terms[k] = heights[k] - 0.5 * ((x[i] - mu[k]) / s[k]) ** 2
            largest = terms[k] if terms[k] > largest or terms[k] != terms[k] else largest
        out[i] = largest
        if largest == -np.inf:
            continue
        for k in range(w.shape[0]):
            total += math.exp(terms[k] - largest)
        out[i] += math.log(total)
