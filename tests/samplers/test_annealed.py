"""Annealed Langevin dynamics is algorithm 1 of Song & Ermon (2019)."""

import numpy as np
import pytest

from skscore.formulas.schedules import geometric_ladder
from skscore.samplers import ULA, AnnealedLangevin, NoiseConditionalScore, Target, descend


def test_a_level_is_a_chain_of_unadjusted_langevin_steps(mixture, noisy_target):
    target, sigma = noisy_target(mixture), 0.3
    start = np.random.default_rng(0).standard_normal((50, mixture.n_features))
    sampler = AnnealedLangevin(np.array([sigma]), n_moves=4, step_size=0.2)
    state, _ = sampler.step(sampler.init(start, target), target, np.random.default_rng(1))
    rng, chain = np.random.default_rng(1), ULA(0.2 * sigma**2)
    at_sigma = Target(None, lambda x: target.score(x, sigma))
    other = chain.init(start, at_sigma)
    for _ in range(4):
        other, _ = chain.step(other, at_sigma, rng)
    np.testing.assert_allclose(state.position, other.position, rtol=1e-12)


@pytest.mark.parametrize("denoise", [False, True])
def test_one_level_draws_from_the_noisy_distribution(denoise):
    """A long chain at one level: N(0, 1 + σ²) with ULA's bias 1/(1 − ε/4(1 + σ²)), denoised times 1/(1 + σ²)."""
    n, sigma = 20_000, 1.0
    normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(1))
    sampler = AnnealedLangevin(geometric_ladder(sigma, 20.0, 1), n_moves=50, denoise=denoise)
    draws = descend(sampler, normal, n, np.random.default_rng(0))
    expected = (1 + sigma**2) / (1 - sampler.step_size * sigma**2 / 4 / (1 + sigma**2))
    expected /= (1 + sigma**2) ** 2 if denoise else 1.0
    assert draws.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / n))


@pytest.mark.parametrize("step_size", [0.1, 0.5])
@pytest.mark.parametrize("variance", [0.01, 1.0])
def test_the_variance_of_a_gaussian_follows_its_recursion(step_size, variance):
    """A step of length α = εσ² takes v to (1 − α/2(λ + σ²))² v + α: it lags behind the levels."""
    n, levels = 20_000, geometric_ladder(0.01, 20.0, 100)
    distribution = NoiseConditionalScore(lambda x, sigma: -x / (variance + sigma**2), None, np.array([variance]))
    expected = variance + levels[0] ** 2
    for alpha in np.repeat(step_size * levels**2, 5):
        expected = (1 - alpha / 2 / (variance + alpha / step_size)) ** 2 * expected + alpha
    draws = descend(
        AnnealedLangevin(levels, step_size=step_size, denoise=False), distribution, n, np.random.default_rng(0)
    )
    assert draws.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / n))
    assert {0.1: 1.40, 0.5: 1.05}[step_size] < expected / variance < {0.1: 1.50, 0.5: 1.10}[step_size]


def test_the_noise_left_is_removed():
    """Of an atom: the rows end within a thousandth of σ_min of it, and about σ_min away without the last step."""
    atom = NoiseConditionalScore(lambda x, sigma: (3 - x) / sigma**2, None, np.ones(1))
    levels = geometric_ladder(0.01, 20.0, 100)
    denoised, noisy = (
        descend(AnnealedLangevin(levels, denoise=denoise), atom, 1000, np.random.default_rng(0))
        for denoise in (True, False)
    )
    assert np.abs(denoised - 3).max() < 1e-5
    assert 0.01 < noisy.std() < 0.015
