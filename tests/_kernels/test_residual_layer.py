"""The passes of a residual layer against their formulas in double precision."""

import numpy as np
import pytest

from skscore._kernels import residual_layer as kernels

ROWS, SHARED, UNITS = 12, 4, 19
EPS = np.float32(1e-5)


def matrix(rng, rows=ROWS):
    return rng.standard_normal((rows, UNITS), dtype=np.float32)


def empty(rows=ROWS, dtype=np.float32):
    return np.empty((rows, UNITS), dtype)


def repeated(labels):
    return labels.astype(float).repeat(SHARED, axis=0)


def bits(values):
    """Numbers of single precision as bfloat16."""
    out = np.empty(values.shape, np.uint16)
    for i, j in np.ndindex(*values.shape):
        kernels._put(out, i, j, values[i, j])
    return out


def numbers(stored):
    return (stored.astype(np.uint32) << 16).view(np.float32)


def unit(h):
    h = h.astype(float)
    return (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + 1e-5)


def sigmoid(t):
    return 1.0 / (1.0 + np.exp(-t))


def test_the_sigmoid_is_accurate_over_its_whole_range(rng):
    z = np.concatenate([np.linspace(-80.0, 80.0, 4001), rng.standard_normal(1000), [0.0]]).astype(np.float32)[None]
    out, slope = np.empty_like(z), np.empty_like(z)
    kernels.silu(z, np.zeros_like(z), None, np.uint8(0), None, out, slope)
    exact = z * sigmoid(z.astype(float))
    assert np.abs(out / np.where(z == 0.0, 1.0, exact) - (z != 0.0)).max() <= 1e-6
    far = np.array([[-3e38, -100.0, 3e38, np.nan, -np.inf]], dtype=np.float32)
    out, slope = np.empty_like(far), np.empty_like(far)
    with np.errstate(invalid="ignore"):
        kernels.silu(far, np.zeros_like(far), None, np.uint8(0), None, out, slope)
    np.testing.assert_array_equal(out, [[0.0, 0.0, far[0, 2], np.nan, np.nan]])
    np.testing.assert_array_equal(slope, [[0.0, 0.0, 1.0, np.nan, np.nan]])


def test_bfloat16_is_the_nearest_number(rng):
    values = matrix(rng)
    error = np.abs(numbers(bits(values)) - values) / 2.0 ** np.floor(np.log2(np.abs(values)))
    assert 2.0**-10 < error.max() <= 2.0**-8
    same = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0]], dtype=np.float32)
    np.testing.assert_array_equal(numbers(bits(same)), same)
    halves = np.array([[1.0 + 2.0**-8, 1.0 + 3 * 2.0**-8]], dtype=np.float32)  # as near to two: the even one
    np.testing.assert_array_equal(numbers(bits(halves)), [[1.0, 1.0 + 2.0**-6]])


def test_normalised_and_scaled(rng):
    h, scale = matrix(rng), matrix(rng, ROWS // SHARED)
    exact = (1.0 + repeated(scale)) * unit(h)
    single, rounded = empty(), empty(dtype=np.uint16)
    kernels.scaled_norm(h, scale, EPS, single)
    kernels.scaled_norm(h, scale, EPS, rounded)
    np.testing.assert_allclose(single, exact, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(rounded, bits(single))


@pytest.mark.parametrize("skips", [False, True])
def test_gradients_of_what_is_normalised(rng, skips):
    """Those of the sum of x ∘ dx + g ∘ h, by differences in double precision."""
    h, scale, dx, g = matrix(rng), matrix(rng, ROWS // SHARED), numbers(bits(matrix(rng))), matrix(rng)
    dh, dscale, again = empty(), empty(ROWS // SHARED), empty()
    kernels.scaled_norm_back(h, scale, EPS, dx, g if skips else None, dh, dscale)
    V, eps = rng.standard_normal(h.shape), 1e-5
    moved = sum(s * (1.0 + repeated(scale)) * unit(h + s * eps * V) for s in (1, -1)) / (2 * eps)
    along = (dx * moved).sum() + (g * V).sum() * skips
    assert (dh * V).sum() == pytest.approx(along, rel=1e-4)
    exact = (unit(h) * dx).reshape(-1, SHARED, UNITS).sum(axis=1)
    np.testing.assert_allclose(dscale, exact, rtol=1e-5, atol=1e-5)
    kernels.scaled_norm_back(h, scale, EPS, bits(dx), g if skips else None, again, dscale)
    np.testing.assert_array_equal(again, dh)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("threshold", [0, 100])
def test_silu_its_mask_and_its_gradients(rng, skips, threshold):
    z, shift, h, g = numbers(bits(matrix(rng))), matrix(rng, ROWS // SHARED), matrix(rng), matrix(rng)
    drawn = rng.integers(0, 256, z.shape, dtype=np.uint8) if threshold else None
    kept = (drawn >= threshold) * 256.0 / (256 - threshold) if threshold else np.ones(z.shape)
    out, slope, again, rounded = empty(), empty(), empty(), empty(dtype=np.uint16)
    kernels.silu(z, shift, drawn, np.uint8(threshold), h if skips else None, out, slope)
    t = z + repeated(shift)
    p = sigmoid(t)
    np.testing.assert_allclose(out, kept * t * p + h * skips, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, kept * p * (1.0 + t * (1.0 - p)), rtol=1e-5, atol=1e-6)
    kernels.silu(bits(z), shift, drawn, np.uint8(threshold), h if skips else None, again, rounded)
    np.testing.assert_array_equal(again, out)
    np.testing.assert_array_equal(rounded, bits(slope))
    dz, dshift = empty(), empty(ROWS // SHARED)
    kernels.silu_back(g, slope, dz, dshift)
    np.testing.assert_array_equal(dz, g * slope)
    exact = (g * slope.astype(float)).reshape(-1, SHARED, UNITS).sum(axis=1)
    np.testing.assert_allclose(dshift, exact, rtol=1e-5, atol=1e-5)
    kernels.silu_back(g, rounded, rounded, dshift)
    np.testing.assert_array_equal(numbers(rounded), numbers(bits(g * numbers(bits(slope)))))
