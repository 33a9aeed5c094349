"""Passes of a layer at one noise level: units by formulas of numpy, tangents by differences of them in float64."""

import numpy as np
import pytest

from skscore._kernels import level_layer

M, N, K, H, EPS = 2, 3, 4, 9, 1e-5  # networks, rows of each, tangents, units


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def normalised(h):
    return (h - h.mean(axis=-1, keepdims=True)) / np.sqrt(h.var(axis=-1, keepdims=True) + EPS)


def silu(t):
    return t / (1.0 + np.exp(-t))


def layer(h, W, b, skips):
    """The units after h (M, N, H), in float64."""
    update = silu(normalised(h) @ W + b)
    return h + update if skips else update


def derivative(function, h, dh, step=1e-5):
    return (function(h + step * dh) - function(h - step * dh)) / (2 * step)


def passed(z, b, h):
    """Units after h, those normalised, 1/s and the slopes."""
    out, unit, inverse_sd, slope = np.empty_like(z), np.empty_like(z), np.empty(len(z), np.float32), np.empty_like(z)
    level_layer.activated(np.float32(EPS), z, b, h, out, unit, inverse_sd, slope)
    return out, unit, inverse_sd, slope


@pytest.mark.parametrize("skips", [True, False])
def test_units_and_their_tangents(skips):
    h, dh, W, b = draw(M, N, H), draw(M, N, K, H, seed=1), draw(M, H, H, seed=2), draw(M, 1, H, seed=3)
    unit, inverse_sd = normalised(h), 1.0 / np.sqrt(h.var(axis=-1) + EPS)
    z = (unit @ W).astype(np.float32)
    out, above, sd, slope = passed(z.reshape(-1, H), b[:, 0], h.reshape(-1, H) if skips else None)
    wide = [array.astype(np.float64) for array in (h, dh, W, b)]
    expected = layer(wide[0], *wide[2:], skips)
    np.testing.assert_allclose(out.reshape(h.shape), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(above.reshape(h.shape), normalised(expected), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sd.reshape(M, N), 1.0 / np.sqrt(expected.var(axis=-1) + EPS), rtol=1e-4)

    da = np.einsum("mnkh,mhj->mnkj", dh, W - W.mean(axis=1, keepdims=True)).astype(np.float32)
    flat = [array.reshape(M * N, K, H).copy() for array in (dh, da)]
    below = unit.reshape(-1, H).astype(np.float32), inverse_sd.reshape(-1).astype(np.float32)
    level_layer.moved(flat[0] if skips else None, *flat, *below, z.reshape(-1, H), slope)
    moved = np.stack(
        [derivative(lambda h: layer(h, *wide[2:], skips), wide[0], wide[1][:, :, k]) for k in range(K)], axis=2
    )
    np.testing.assert_allclose(flat[1].reshape(dh.shape), moved, rtol=1e-3, atol=1e-4)


def test_traces_of_the_last_layer():
    h, dh, rows = draw(M, N, H), draw(M, N, K, H, seed=1), draw(M, K, H, seed=2)
    inverse_sd, traces = 1.0 / np.sqrt(h.var(axis=-1) + EPS), np.empty((M * N, K), np.float32)
    arrays = normalised(h).reshape(-1, H), inverse_sd.reshape(-1).astype(np.float32)
    level_layer.traced(rows, rows - rows.mean(axis=2, keepdims=True), dh.reshape(-1, K, H), *arrays, traces)
    wide = [array.astype(np.float64) for array in (h, dh)]
    moved = np.stack([derivative(normalised, wide[0], wide[1][:, :, k]) for k in range(K)], axis=2)
    np.testing.assert_allclose(traces.reshape(M, N, K), (moved * rows[:, None]).sum(axis=3), rtol=1e-3, atol=1e-4)
