"""The solvers of the probability flow meet each other and keep their order."""

import numpy as np
import pytest

from skscore.formulas.schedules import geometric_ladder
from skscore.metrics import energy_distance
from skscore.samplers import Flow, NoiseConditionalScore, descend
from skscore.samplers.flow import adams_weights

SIGMA_MIN, SIGMA_MAX = 0.01, 20.0
ORDER = {"heun": 2, "adams": 3}


def flow_down(target, n_steps, method, n=300):
    flow = Flow(geometric_ladder(SIGMA_MIN, SIGMA_MAX, n_steps + 1), method)
    return descend(flow, target, n, np.random.default_rng(0))


@pytest.fixture(params=ORDER)
def method(request):
    return request.param


def test_a_gaussian_wider_than_the_reference_is_stretched(method):
    """p = N(0, 4) over λ = 1: the flow is linear, x(σ) ∝ √(4 + σ²)."""
    target = NoiseConditionalScore(lambda x, sigma: -x / (4 + sigma**2), None, np.ones(1))
    start = np.sqrt(1 + SIGMA_MAX**2) * np.random.default_rng(0).standard_normal((300, 1))
    exact = start * np.sqrt((4 + SIGMA_MIN**2) / (4 + SIGMA_MAX**2))
    np.testing.assert_allclose(flow_down(target, 80, method), exact, rtol=2e-3)


def test_the_error_falls_by_the_order(method):
    """From a level so high that the first steps of Adams' method, of lower order, have nothing to spoil."""
    target, start = NoiseConditionalScore(lambda x, sigma: -x / (4 + sigma**2), None, np.ones(1)), np.full((1, 1), 1e4)

    def error(n_steps):
        flow, rng = Flow(geometric_ladder(SIGMA_MIN, 1e4, n_steps + 1), method), np.random.default_rng(0)
        state = flow.init(start, target)
        for _ in range(n_steps):
            state, _ = flow.step(state, target, rng)
        return abs(state.position.item() / np.sqrt((4 + SIGMA_MIN**2) / (4 + 1e8)) / 1e4 - 1)

    orders = np.log2([error(80) / error(160), error(160) / error(320)])
    np.testing.assert_allclose(orders, ORDER[method], atol=0.3)


def test_solvers_agree(mixture, noisy_target):
    target = noisy_target(mixture)
    by_heun, by_adams = flow_down(target, 160, "heun"), flow_down(target, 160, "adams")
    assert np.median(np.linalg.norm(by_heun - by_adams, axis=1)) < 1e-3


def test_adams_needs_half_the_scores_of_heun(mixture, noisy_target):
    """31 scores come as near to the exact flow, in energy distance, as Heun's 62, both far below the sampling error."""
    calls, exact_target = [], noisy_target(mixture)
    target = exact_target._replace(score=lambda x, sigma: calls.append(sigma) or exact_target.score(x, sigma))
    exact = flow_down(exact_target, 250, "heun")
    by_heun = energy_distance(flow_down(exact_target, 31, "heun"), exact)
    by_adams = energy_distance(flow_down(target, 31, "adams"), exact)
    assert len(calls) == 31
    sampling_error = energy_distance(mixture.sample(300, random_state=1), mixture.sample(300, random_state=2))
    assert by_adams < 1.5 * by_heun < 0.01 * sampling_error


def test_adams_stays_stable_where_the_distribution_is_thin(noisy_target):
    """Atoms with λ ~ 1: every direction contracts at the rate 1 down to σ_min."""
    atoms = np.array([-1.0, 0.5, 2.0])[:, None]

    def score(x, sigma):
        square = -0.5 * (x - atoms.T) ** 2 / sigma**2
        weight = np.exp(square - square.max(axis=1, keepdims=True))
        return (weight @ atoms / weight.sum(axis=1, keepdims=True) - x) / sigma**2

    draws = flow_down(NoiseConditionalScore(score, None, np.ones(1)), 31, "adams")
    distance = np.abs(draws - atoms.T).min(axis=1)
    assert np.mean(distance < 4 * SIGMA_MIN) > 0.99


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_adams_weights_integrate_polynomials_on_any_grid(m, rng):
    t = np.sort(rng.random(m + 1))
    weights = adams_weights(t)
    for power in range(m):
        exact = (t[-1] ** (power + 1) - t[-2] ** (power + 1)) / (power + 1)
        assert weights @ t[-2::-1] ** power == pytest.approx(exact, rel=1e-8, abs=1e-12)
