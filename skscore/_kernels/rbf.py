r"""Gaussian kernels from inner products, with an exponential that the compiler vectorises.

For a block of rows p and landmarks :math:`p_a`, in coordinates where the kernel is isotropic, one pass turns the matrix
of inner products into :math:`k = \exp(-S/2)` with :math:`S = \|p - p_a\|^2 = \|p\|^2 + \|p_a\|^2 - 2p\cdot p_a`. The
exponential is the usual one: :math:`e^t = 2^k e^r` with :math:`k = \mathrm{round}(t/\log 2)` and a Taylor polynomial of
degree 12 in :math:`|r| \le \tfrac12\log 2`, with a relative error below 1e-15. Adding 1.5 · 2⁵² to t/log 2 rounds it
and leaves k in the low bits of the sum; a shift turns it into the exponent of 2ᵏ, without conversion, table or branch.
Single precision does the same with 2²³ and degree 7, with a relative error below 1e-7.

Matrices (n, m) have one row for each row of the table, and are fastest in Fortran order: the loops then run over the
rows of a block, which are many for any number of landmarks. Matrices may have single precision, and S and k then have
it too; differences of rows always have double precision.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

TILE = 16  # rows of a table that stay in the first-level cache while its columns are written
MAX_DIFFERENCES = 4  # columns up to which a sum of squared differences is as cheap as a matrix product
LARGEST = 1400.0  # largest S, at which k is 1e-304; larger values are replaced by it
LARGEST_SINGLE = 120.0  # at which k is 9e-27, and its square is not zero
MAGIC, MAGIC_SINGLE = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
INVERSE_LN2, INVERSE_LN2_SINGLE = 1.0 / np.log(2.0), np.float32(1.0 / np.log(2.0))
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 20 zero bits at its end
LN2_HIGH_SINGLE, LN2_LOW_SINGLE = np.float32(355 / 512), np.float32(np.log(2.0) - 355 / 512)
EXPONENT_BIAS, MANTISSA_BITS = 1023, 52
EXPONENT_BIAS_SINGLE, MANTISSA_BITS_SINGLE = np.int32(127), np.int32(23)
MINUS_HALF, ONE = np.float32(-0.5), np.float32(1.0)
C2, C3, C4, C5, C6, C7 = (np.float32(1.0 / factorial) for factorial in (2, 6, 24, 120, 720, 5040))


def _exponential(S, mantissa, power):
    """Write exp(−S/2) of a column S as `mantissa` times `power`, all of the same precision."""
    (_exponential_double if S.dtype == np.float64 else _exponential_single)(S, mantissa, power)


@overload(_exponential)
def _exponential_of_this_precision(S, mantissa, power):
    if S.dtype == types.float64:
        return lambda S, mantissa, power: _exponential_double(S, mantissa, power)
    return lambda S, mantissa, power: _exponential_single(S, mantissa, power)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _exponential_single(S, mantissa, power):
    bits = power.view(np.int32)
    for i in range(S.shape[0]):
        t = MINUS_HALF * S[i]
        shifted = t * INVERSE_LN2_SINGLE + MAGIC_SINGLE
        k = shifted - MAGIC_SINGLE
        r = t - k * LN2_HIGH_SINGLE - k * LN2_LOW_SINGLE
        power[i] = shifted
        p = C7 * r + C6
        p = p * r + C5
        p = p * r + C4
        p = p * r + C3
        p = p * r + C2
        p = p * r + ONE
        mantissa[i] = p * r + ONE
    for i in range(S.shape[0]):
        bits[i] = (bits[i] + EXPONENT_BIAS_SINGLE) << MANTISSA_BITS_SINGLE


@njit(cache=True, nogil=True, fastmath={"contract"})
def _exponential_double(S, mantissa, power):
    bits = power.view(np.int64)
    for i in range(S.shape[0]):
        t = -0.5 * S[i]
        shifted = t * INVERSE_LN2 + MAGIC
        k = shifted - MAGIC
        r = t - k * LN2_HIGH - k * LN2_LOW
        power[i] = shifted
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
        mantissa[i] = p * r + 1.0
    for i in range(S.shape[0]):
        bits[i] = (bits[i] + EXPONENT_BIAS) << MANTISSA_BITS


@njit(cache=True, nogil=True, fastmath={"contract"})
def _columns_and_norms(p):
    """Return contiguous columns of rows p (n, d), none of them if they are many, and the squared norms of the rows.

    Both have double precision.
    """
    n, d = p.shape
    columns, norms = np.empty((d if d <= MAX_DIFFERENCES else 0, n)), np.zeros(n)
    for j in range(len(columns)):
        for i in range(n):
            columns[j, i] = p[i, j]
    for start in range(0, n, TILE):
        for j in range(d):
            for i in range(start, min(start + TILE, n)):
                norms[i] += np.float64(p[i, j]) * np.float64(p[i, j])
    return columns, norms


@njit(cache=True, nogil=True, fastmath={"contract"})
def weighted(root, b, out):
    """Write √w b of rows b (n, d), with √w in `root` (n,), into `out` (n, d) in Fortran's order."""
    n, d = b.shape
    for start in range(0, n, TILE):
        for j in range(d):
            for i in range(start, min(start + TILE, n)):
                out[i, j] = root[i] * b[i, j]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _distances(rows, row_norms, a, landmarks, norms, products, S):
    """Write the squared distances of all rows to landmark a of (d, m) into S; NaN stays NaN.

    A few columns are subtracted, which loses no digits; for more columns the inner products are used.
    """
    d, n = len(landmarks), len(S)
    if d <= MAX_DIFFERENCES:
        for i in range(n):
            S[i] = 0.0
        for j in range(d):
            of_landmark = landmarks[j, a]
            for i in range(n):
                difference = rows[j, i] - of_landmark
                S[i] += difference * difference
    else:
        norm = norms[a]
        for i in range(n):
            S[i] = row_norms[i] + norm - 2.0 * products[i, a]
    largest = LARGEST if S.itemsize == 8 else LARGEST_SINGLE
    for i in range(n):
        s = 0.0 if S[i] < 0.0 else S[i]
        S[i] = largest if s > largest else s


@njit(cache=True, nogil=True, fastmath={"contract"})
def gaussian(p, landmarks, norms, root, K):
    """Turn inner products K (n, m) of rows p (n, d) and landmarks (d, m) in place into √w k, with √w in `root` (n,).

    With at most MAX_DIFFERENCES columns the contents of K are not used. `norms` (m,) are the squared norms of the
    landmarks.
    """
    n, m = K.shape
    rows, row_norms = _columns_and_norms(p)
    S, mantissa, power = np.empty(n, K.dtype), np.empty(n, K.dtype), np.empty(n, K.dtype)
    for a in range(m):
        _distances(rows, row_norms, a, landmarks, norms, K, S)
        _exponential(S, mantissa, power)
        for i in range(n):
            K[i, a] = root[i] * (mantissa[i] * power[i])


@njit(cache=True, nogil=True, fastmath={"contract"})
def gaussian_and_square(p, landmarks, norms, root, tau, K, KS):
    """Do as `gaussian`, and write KS (n, m) = √w k S' with S' = τ S, the squared gradient of an isotropic log k."""
    n, m = K.shape
    rows, row_norms = _columns_and_norms(p)
    S, mantissa, power = np.empty(n, K.dtype), np.empty(n, K.dtype), np.empty(n, K.dtype)
    for a in range(m):
        _distances(rows, row_norms, a, landmarks, norms, K, S)
        _exponential(S, mantissa, power)
        for i in range(n):
            k = root[i] * (mantissa[i] * power[i])
            K[i, a] = k
            KS[i, a] = tau * S[i] * k


@njit(cache=True, nogil=True, fastmath={"contract"})
def times_square(q, norms, K, bound, KS):
    """Turn inner products KS (n, m) of rows and landmarks, in the metric of the gradients, in place into k S'.

    S' is limited to `bound`.
    """
    _, row_norms = _columns_and_norms(q)
    for a in range(KS.shape[1]):
        norm = norms[a]
        for i in range(KS.shape[0]):
            s = row_norms[i] + norm - 2.0 * KS[i, a]
            s = 0.0 if s < 0.0 else s
            KS[i, a] = K[i, a] * (bound if s > bound else s)


@njit(cache=True, nogil=True, fastmath={"contract"})
def slopes(K, q, q_landmarks, out):
    """Write the derivative (q_a − q) k along one coordinate into `out` (n, m)."""
    for a in range(K.shape[1]):
        of_landmark = q_landmarks[a]
        for i in range(K.shape[0]):
            out[i, a] = (of_landmark - q[i]) * K[i, a]
