r"""Gaussian kernels from inner products, with an exponential that the compiler vectorises.

For a block of rows p and landmarks :math:`p_a`, in coordinates where the kernel is isotropic, one pass turns the matrix
of inner products into :math:`k = \exp(-S/2)` with :math:`S = \|p - p_a\|^2 = \|p\|^2 + \|p_a\|^2 - 2p\cdot p_a`. The
exponential is the usual one: :math:`e^t = 2^k e^r` with :math:`k = \mathrm{round}(t/\log 2)` and a Taylor polynomial of
degree 12 in :math:`|r| \le \tfrac12\log 2`, of relative error below 1e-15. Adding 1.5 · 2⁵² to t/log 2 rounds it and
leaves k in the low bits of the sum, from where a shift makes it the exponent of 2ᵏ: no conversion, no table, no branch.
"""

import numpy as np
from numba import njit

MOST_DIFFERENCES = 4  # columns up to which a sum of squared differences is as cheap as a matrix product
LARGEST = 1400.0  # of S, where k is 1e-304: S stands still beyond, and k with it
MAGIC = 1.5 * 2.0**52
INVERSE_LN2 = 1.0 / np.log(2.0)
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 20 zero bits at its end
EXPONENT_BIAS, MANTISSA_BITS = 1023, 52


@njit(cache=True, nogil=True, fastmath={"contract"})
def _exponential(S, mantissa, power):
    """Write exp(−S/2) of a row S as `mantissa` times `power`."""
    bits = power.view(np.int64)
    for a in range(S.shape[0]):
        t = -0.5 * S[a]
        shifted = t * INVERSE_LN2 + MAGIC
        k = shifted - MAGIC
        r = t - k * LN2_HIGH - k * LN2_LOW
        power[a] = shifted
        p = 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * r + 1.0
        mantissa[a] = p * r + 1.0
    for a in range(S.shape[0]):
        bits[a] = (bits[a] + EXPONENT_BIAS) << MANTISSA_BITS


@njit(cache=True, nogil=True, fastmath={"contract"})
def _distances(p, i, landmarks, norms, products, S):
    """Squared distances of row i of p (n, d) to all landmarks (d, m); NaN stays NaN.

    Few columns are subtracted, which loses no digit. Of more, the inner products are given.
    """
    d, m = landmarks.shape
    if d <= MOST_DIFFERENCES:
        for a in range(m):
            S[a] = 0.0
        for j in range(d):
            for a in range(m):
                difference = p[i, j] - landmarks[j, a]
                S[a] += difference * difference
    else:
        norm = 0.0
        for j in range(d):
            norm += p[i, j] * p[i, j]
        for a in range(m):
            S[a] = norm + norms[a] - 2.0 * products[i, a]
    for a in range(m):
        s = 0.0 if S[a] < 0.0 else S[a]
        S[a] = LARGEST if s > LARGEST else s


@njit(cache=True, nogil=True, fastmath={"contract"})
def gaussian(p, landmarks, norms, root, K):
    """Turn inner products K (n, m) of rows p (n, d) and landmarks (d, m) in place into √w k, with √w in `root` (n,).

    Up to MOST_DIFFERENCES columns K may hold anything. `norms` (m,) are those of the landmarks, squared.
    """
    m = K.shape[1]
    S, mantissa, power = np.empty(m), np.empty(m), np.empty(m)
    for i in range(K.shape[0]):
        _distances(p, i, landmarks, norms, K, S)
        _exponential(S, mantissa, power)
        for a in range(m):
            K[i, a] = root[i] * (mantissa[a] * power[a])


@njit(cache=True, nogil=True, fastmath={"contract"})
def gaussian_and_square(p, landmarks, norms, root, tau, K, KS):
    """As `gaussian`, and KS (n, m) = √w k S' with S' = τ S, the squared slope of an isotropic kernel."""
    m = K.shape[1]
    S, mantissa, power = np.empty(m), np.empty(m), np.empty(m)
    for i in range(K.shape[0]):
        _distances(p, i, landmarks, norms, K, S)
        _exponential(S, mantissa, power)
        for a in range(m):
            k = root[i] * (mantissa[a] * power[a])
            K[i, a] = k
            KS[i, a] = tau * S[a] * k


@njit(cache=True, nogil=True, fastmath={"contract"})
def times_square(q, norms, K, bound, KS):
    """Turn inner products KS (n, m) of rows and landmarks in the metric of the slopes in place into k S'.

    S' stands still at `bound`.
    """
    for i in range(KS.shape[0]):
        norm = 0.0
        for j in range(q.shape[1]):
            norm += q[i, j] * q[i, j]
        for a in range(KS.shape[1]):
            s = norm + norms[a] - 2.0 * KS[i, a]
            s = 0.0 if s < 0.0 else s
            KS[i, a] = K[i, a] * (bound if s > bound else s)


@njit(cache=True, nogil=True, fastmath={"contract"})
def slopes(K, q, q_landmarks, out):
    """Write the slope (q_a − q) k along one coordinate into `out` (n, m)."""
    for i in range(K.shape[0]):
        for a in range(K.shape[1]):
            out[i, a] = (q_landmarks[a] - q[i]) * K[i, a]
