r"""Cosine and sine of the same angle together, with polynomials that the compiler vectorises.

The angle is :math:`k\,\tfrac\pi2 + r` with :math:`|r| \le \tfrac\pi4`: Taylor polynomials of degrees 15 and 16 give sin
r and cos r with an error below 1e-16, and the two lowest bits of k give their order and signs. π/2 is split into three
parts whose products with k are exact up to k = 2²⁰, so that r keeps all digits (Cody & Waite, 1980); larger angles
themselves have lost more. Adding 1.5 · 2⁵² to 2a/π rounds it and leaves k in the low bits of the sum.
"""

import numpy as np
from numba import njit

MAGIC = 1.5 * 2.0**52
TWO_OVER_PI = 2.0 / np.pi
QUARTER_1, QUARTER_2, QUARTER_3 = 1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21
LARGEST = 2.0**40  # largest angle, whose sine has four digits; larger angles are replaced by it


@njit(cache=True, nogil=True, fastmath={"contract"})
def _near_zero(angles, sines, cosines, turns):
    """Write sin r and cos r of a row of angles, and k in the low bits of `turns`."""
    for j in range(angles.shape[0]):
        a = angles[j]
        a = LARGEST if a > LARGEST else a
        a = -LARGEST if a < -LARGEST else a
        turns[j] = a * TWO_OVER_PI + MAGIC
        k = turns[j] - MAGIC
        r = ((a - k * QUARTER_1) - k * QUARTER_2) - k * QUARTER_3
        x = r * r
        p = -1.0 / 1307674368000.0
        p = p * x + 1.0 / 6227020800.0
        p = p * x - 1.0 / 39916800.0
        p = p * x + 1.0 / 362880.0
        p = p * x - 1.0 / 5040.0
        p = p * x + 1.0 / 120.0
        p = p * x - 1.0 / 6.0
        sines[j] = r + r * x * p
        p = 1.0 / 20922789888000.0
        p = p * x - 1.0 / 87178291200.0
        p = p * x + 1.0 / 479001600.0
        p = p * x - 1.0 / 3628800.0
        p = p * x + 1.0 / 40320.0
        p = p * x - 1.0 / 720.0
        p = p * x + 1.0 / 24.0
        p = p * x - 0.5
        cosines[j] = p * x + 1.0


@njit(cache=True, nogil=True, fastmath={"contract"})
def cosines_and_sines(angles, amplitude, sines):
    """Turn angles (n, m) in place into amplitude · cos, and write amplitude · sin into `sines` (n, m)."""
    m = angles.shape[1]
    s, c, turns = np.empty(m), np.empty(m), np.empty(m)
    quadrants = turns.view(np.int64)
    for i in range(angles.shape[0]):
        _near_zero(angles[i], s, c, turns)
        for j in range(m):
            k = quadrants[j]
            sine, cosine = (c[j], s[j]) if k & 1 else (s[j], c[j])
            sines[i, j] = amplitude * (-sine if k & 2 else sine)
            angles[i, j] = amplitude * (-cosine if (k + 1) & 2 else cosine)
