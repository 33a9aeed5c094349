"""The reverse diffusion has the right transition, and its corrector the right signal-to-noise ratio."""

import numpy as np
import pytest

from skscore.samplers import Descent, Flow, NoiseConditionalScore, PredictorCorrector, ReverseSDE


def test_the_mean_of_a_step_is_that_of_the_transition(mixture, noisy_target, rng):
    """E[x at ς | x at σ] by importance weights over draws at ς, whatever the distribution."""
    target, n, sigma, below = noisy_target(mixture), 200_000, 1.0, 0.8
    x = mixture.sample(1, random_state=0)
    earlier = mixture.sample(n, random_state=rng) + below * rng.standard_normal((n, mixture.n_features))
    weight = np.exp(-0.5 * ((x - earlier) ** 2).sum(axis=1) / (sigma**2 - below**2))
    expected = weight @ earlier / weight.sum()
    error = np.sqrt(weight**2 @ (earlier - expected) ** 2) / weight.sum()
    mean = x[0] + (sigma**2 - below**2) * target.score(x, sigma)[0]
    assert np.all(np.abs(mean - expected) < 5 * error)
    rows = Descent(np.repeat(x, 20_000, axis=0))
    moved = ReverseSDE(np.array([sigma, below])).step(rows, target, rng)[0].position
    assert np.all(np.abs(moved.mean(axis=0) - mean) < 5 * moved.std(axis=0) / np.sqrt(len(moved)))


def test_a_corrector_takes_its_ratio_of_signal_to_noise():
    """One correction on N(0, I): x (1 − ε/2) + √ε z with √ε/2 · ‖s‖ = ρ ‖z‖."""
    n, ratio = 100_000, 0.3
    normal = NoiseConditionalScore(lambda x, sigma: -x, None, np.ones(2))
    start = Descent(np.random.default_rng(0).standard_normal((n, 2)))
    still = Flow(np.array([1.0, 1.0]))  # a predictor that does not move
    state, _ = PredictorCorrector(still, ratio=ratio).step(start, normal, np.random.default_rng(1))
    residual = state.position - (1 - 2 * ratio**2) * start.position
    assert residual.var() == pytest.approx(4 * ratio**2, rel=0.02)


def test_no_correction_is_the_predictor(mixture, noisy_target):
    target, predictor = noisy_target(mixture), ReverseSDE(np.array([5.0, 1.0]))
    start = predictor.init(np.random.default_rng(0).standard_normal((9, mixture.n_features)), target)
    alone, _ = predictor.step(start, target, np.random.default_rng(1))
    uncorrected, _ = PredictorCorrector(predictor, n_corrections=0).step(start, target, np.random.default_rng(1))
    assert np.array_equal(alone.position, uncorrected.position)
    assert alone.level == uncorrected.level == 1
