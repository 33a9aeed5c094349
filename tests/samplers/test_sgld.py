"""Moments of stochastic gradient Langevin dynamics have their closed forms on a Gaussian, and its bias dies away."""

import numpy as np
import pytest

from skscore.samplers import SGLD, ULA, Target

MEAN, PRECISION = np.array([1.0, -2.0]), np.array([[2.0, 0.8], [0.8, 1.5]])
NORMAL = Target(None, lambda x: -(x - MEAN) @ PRECISION)
START = np.array([4.0, 3.0])


def moments_after(sampler, n_steps, noise=0.0):
    """Mean and covariance of N(MEAN, PRECISION⁻¹) chains from START, their score of an error N(0, noise² I)."""
    mean, covariance = START, np.zeros((2, 2))
    for t in range(n_steps):
        eps = sampler.epsilon(t)
        shrink = np.eye(2) - eps / 2 * PRECISION
        mean = MEAN + shrink @ (mean - MEAN)
        covariance = shrink @ covariance @ shrink + (eps + (eps * noise / 2) ** 2) * np.eye(2)
    return mean, covariance


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("n_steps", [5, 40])
def test_moments_on_a_gaussian_have_their_closed_form(noise, n_steps, dtype):
    rng, n, sampler = np.random.default_rng(0), 50_000, SGLD(0.8, b=5.0, gamma=0.7)
    target = Target(None, lambda x: NORMAL.score(x) + noise * rng.standard_normal(x.shape))
    state = sampler.init(np.tile(START, (n, 1)).astype(dtype), target)
    for _ in range(n_steps):
        state, info = sampler.step(state, target, rng)
    mean, covariance = moments_after(sampler, n_steps, noise)
    scale = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(state.position.mean(axis=0) - mean) < 5 * scale / np.sqrt(n))
    error = np.abs(np.cov(state.position.T) - covariance)
    assert np.all(error < 5 * np.sqrt(2 / n) * np.outer(scale, scale))
    assert state.t == n_steps
    assert info.accepted.all()


def test_shrinking_steps_lose_the_bias_that_constant_ones_keep():
    def bias(gamma, n_steps):
        sampler = SGLD(0.8, b=5.0, gamma=gamma)
        return np.abs(moments_after(sampler, n_steps, noise=3.0)[1] - np.linalg.inv(PRECISION)).max()

    assert bias(0.0, 3000) == pytest.approx(bias(0.0, 100))
    assert bias(0.7, 3000) < 0.2 * bias(0.7, 100) < 0.1 * bias(0.0, 100)


def test_a_constant_step_is_ula(distribution):
    start, positions = distribution.draw(np.random.default_rng(0), 20), []
    for sampler in (SGLD(0.1, gamma=0.0), ULA(0.1)):
        rng, state = np.random.default_rng(1), sampler.init(start, distribution.target)
        for _ in range(5):
            state, _ = sampler.step(state, distribution.target, rng)
        positions.append(state.position)
    np.testing.assert_array_equal(*positions)


def test_the_schedule_is_that_of_welling_and_teh():
    a, b, gamma = 0.3, 20.0, 0.6
    sampler = SGLD(a * b**-gamma, b, gamma)
    np.testing.assert_allclose([sampler.epsilon(t) for t in range(50)], a * (b + np.arange(50)) ** -gamma, rtol=1e-12)
