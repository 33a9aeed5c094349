r"""A layer of a residual network but for its products: two passes forward, two back.

.. math:: x = (1 + m) \odot \mathrm n(h), \qquad h' = h + \mu \odot a(z + b), \qquad a(t) = t\,p(t) = t/(1+e^{-t})

with n the normalisation of a row, μ the mask of dropout, and scales m and shifts b that n/q rows share, one after the
other. Activations h, x and z are matrices (n, H), m and b are (q, H). Each pass reads a row while it is in the first
cache; the exponential is that of ``rbf``, written for one number, so that the compiler vectorises whole passes.

All is in single precision but for factors of products and what they give, x, z and their gradients, which are single or
bfloat16: the upper half of a number of single precision, kept as uint16.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from .rbf import C2, C3, C4, C5, C6, INVERSE_LN2_SINGLE, LN2_HIGH_SINGLE, LN2_LOW_SINGLE, MAGIC_SINGLE, ONE
from .rbf import EXPONENT_BIAS_SINGLE as BIAS
from .rbf import MANTISSA_BITS_SINGLE as BITS

ZERO = np.float32(0.0)
SMALLEST, LARGEST = np.float32(-87.0), np.float32(89.0)  # t for which e^t is the last normal number, and infinite
HALF, LAST, UPPER = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)  # just below a half of the last bit kept; 16 bits up
NAN = np.uint16(0x7FC0)


def _number(stored):
    """The number that a matrix of either precision has stored."""
    return _widened(stored) if isinstance(stored, np.uint16) else stored


def _put(matrix, i, j, value):
    """Store a number in a matrix of either precision."""
    matrix[i, j] = _rounded(value) if matrix.dtype == np.uint16 else value


@overload(_number)
def _number_of_this_precision(stored):
    if stored == types.uint16:
        return lambda stored: _widened(stored)
    return lambda stored: stored


@overload(_put)
def _put_in_this_precision(matrix, i, j, value):
    def rounded(matrix, i, j, value):
        matrix[i, j] = _rounded(value)

    def exact(matrix, i, j, value):
        matrix[i, j] = value

    return rounded if matrix.dtype == types.uint16 else exact


@njit(cache=True, nogil=True)
def _widened(bits):
    return np.uint32(np.uint32(bits) << UPPER).view(np.float32)


@njit(cache=True, nogil=True)
def _rounded(value):
    """The nearest number of bfloat16, of two as near the even one; NaN stays NaN."""
    bits = np.float32(value).view(np.uint32)
    return np.uint16((bits + HALF + ((bits >> UPPER) & LAST)) >> UPPER) if value == value else NAN


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _sigmoid(z):
    """1 / (1 + e^−z); NaN stays NaN."""
    t = -z
    t = LARGEST if t > LARGEST else t
    t = SMALLEST if t < SMALLEST else t
    shifted = np.float32(t * INVERSE_LN2_SINGLE + MAGIC_SINGLE)
    k = shifted - MAGIC_SINGLE
    r = t - k * LN2_HIGH_SINGLE - k * LN2_LOW_SINGLE
    e = C6 * r + C5
    e = e * r + C4
    e = e * r + C3
    e = e * r + C2
    e = e * r + ONE
    e = e * r + ONE
    power = np.int32((shifted.view(np.int32) + BIAS) << BITS).view(np.float32)
    return ONE / (ONE + e * power)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _mean_and_inverse_sd(h, eps):
    H = h.shape[0]
    mean, square = ZERO, ZERO
    for j in range(H):
        mean += h[j]
    mean /= np.float32(H)
    for j in range(H):
        square += (h[j] - mean) * (h[j] - mean)
    return mean, ONE / np.sqrt(square / np.float32(H) + eps)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _mean_and_projection(x, u):
    """Means of x and of u ∘ x."""
    H = x.shape[0]
    mean, along = ZERO, ZERO
    for j in range(H):
        mean += x[j]
        along += u[j] * x[j]
    return mean / np.float32(H), along / np.float32(H)


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def scaled_norm(h, scale, eps, x):
    """Write x = (1 + m) ∘ n(h); `eps` is added to the variance of a row."""
    n, H = h.shape
    shared = n // scale.shape[0]
    for i in range(n):
        q = i // shared
        mean, inverse_sd = _mean_and_inverse_sd(h[i], eps)
        for j in range(H):
            _put(x, i, j, (ONE + scale[q, j]) * ((h[i, j] - mean) * inverse_sd))


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def scaled_norm_back(h, scale, eps, dx, g, dh, dscale):
    """Write the gradients in h and m, where those in x and h' are dx and g; without g the skip is left out."""
    n, H = h.shape
    shared = n // scale.shape[0]
    u, du = np.empty(H, np.float32), np.empty(H, np.float32)
    for q in range(dscale.shape[0]):
        for j in range(H):
            dscale[q, j] = ZERO
    for i in range(n):
        q = i // shared
        mean, inverse_sd = _mean_and_inverse_sd(h[i], eps)
        for j in range(H):
            u[j] = (h[i, j] - mean) * inverse_sd
        for j in range(H):
            d = _number(dx[i, j])
            dscale[q, j] += d * u[j]
            du[j] = d * (ONE + scale[q, j])
        mean, along = _mean_and_projection(du, u)
        for j in range(H):
            d = inverse_sd * (du[j] - mean - u[j] * along)
            dh[i, j] = d if g is None else g[i, j] + d


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def silu(z, shift, drawn, threshold, h, out, slope):
    """Write h' into `out` and μ a′(z + b) into `slope`.

    Units whose random byte `drawn` is below `threshold` are dropped; None drops none. Without `h` the skip is left out.
    """
    n, H = z.shape
    shared = n // shift.shape[0]
    factor = np.float32(256.0 / (256.0 - threshold))
    for i in range(n):
        q = i // shared
        for j in range(H):
            t = _number(z[i, j]) + shift[q, j]
            p = _sigmoid(t)
            a = t * p
            a_prime = p + a * (ONE - p)
            if drawn is not None:
                kept = factor if drawn[i, j] >= threshold else ZERO
                a *= kept
                a_prime *= kept
            out[i, j] = a if h is None else h[i, j] + a
            _put(slope, i, j, a_prime)


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def silu_back(g, slope, dz, dshift):
    """Write the gradients in z and b, where that in h' is g."""
    n, H = g.shape
    shared = n // dshift.shape[0]
    for q in range(dshift.shape[0]):
        for j in range(H):
            dshift[q, j] = ZERO
    for i in range(n):
        q = i // shared
        for j in range(H):
            d = g[i, j] * _number(slope[i, j])
            dshift[q, j] += d
            _put(dz, i, j, d)
