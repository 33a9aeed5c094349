"""The preconditioning agrees with its score, weights with their losses, draws of σ with their distribution."""

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm, uniform

from skscore.formulas.schedules import (
    WEIGHTINGS,
    Preconditioning,
    geometric_ladder,
    log_normal,
    log_uniform,
    loss_weight,
)

VARIANCE = np.array([0.02, 1.0, 7.0])


@pytest.fixture(params=[0.01, 1.0, 50.0])
def sigma(request):
    return request.param


@pytest.fixture
def rows(rng, sigma):
    """Clean rows of the reference Gaussian, their noise, and an output of a network."""
    clean, noise, output = np.sqrt(VARIANCE) * rng.standard_normal((50, 3)), *rng.standard_normal((2, 50, 3))
    return clean, noise, clean + sigma * noise, output


def test_zero_output_is_the_reference_gaussian(rows, sigma):
    _, _, noisy, _ = rows
    level = Preconditioning(sigma, VARIANCE)
    np.testing.assert_allclose(level.score(0.0, noisy), -noisy / (VARIANCE + sigma**2), rtol=1e-12)
    np.testing.assert_allclose(level.velocity(level.score(0.0, noisy), noisy), 0.0, atol=1e-10)
    assert abs(level.velocity_divergence(-(1 / (VARIANCE + sigma**2)).sum())) < 1e-10


def test_score_and_denoiser_agree_by_tweedie(rows, sigma):
    _, _, noisy, output = rows
    level = Preconditioning(sigma, VARIANCE)
    denoised = level.skip * noisy + level.out * output
    np.testing.assert_allclose(denoised, noisy + sigma**2 * level.score(output, noisy), rtol=1e-8, atol=1e-10)


def test_the_target_recovers_the_clean_row(rows, sigma):
    clean, _, noisy, _ = rows
    level = Preconditioning(sigma, VARIANCE)
    denoised = level.skip * noisy + level.out * level.target(clean, noisy)
    np.testing.assert_allclose(denoised, clean, rtol=1e-8, atol=1e-10)


def test_the_target_has_unit_variance(rng, sigma):
    n = 100_000
    clean = np.sqrt(VARIANCE) * rng.standard_normal((n, 3))
    noisy = clean + sigma * rng.standard_normal((n, 3))
    variance = Preconditioning(sigma, VARIANCE).target(clean, noisy).var(axis=0)
    np.testing.assert_allclose(variance, 1.0, atol=5 * np.sqrt(2 / n))


def test_velocity_is_the_flow_of_the_network(rows, sigma):
    _, _, noisy, output = rows
    level = Preconditioning(sigma, VARIANCE)
    by_network = -sigma * np.sqrt(VARIANCE) / (VARIANCE + sigma**2) * output
    np.testing.assert_allclose(level.velocity(level.score(output, noisy), noisy), by_network, rtol=1e-6, atol=1e-8)


EQUIVALENTS = {"sigma2": lambda s: s**2, "edm": lambda s: s**2 * (s**2 + VARIANCE) / VARIANCE, "raw": lambda s: 1.0}


@pytest.mark.parametrize("name", EQUIVALENTS)
def test_weights_stand_for_the_loss_of_the_score(rows, sigma, name):
    clean, noise, noisy, output = rows
    level, factor = Preconditioning(sigma, VARIANCE), EQUIVALENTS[name]
    weight = loss_weight(name if name in WEIGHTINGS else factor, sigma, VARIANCE)
    by_network = weight * (output - level.target(clean, noisy)) ** 2
    by_score = factor(sigma) * (level.score(output, noisy) + noise / sigma) ** 2
    np.testing.assert_allclose(by_network, by_score, rtol=1e-5, atol=1e-9 * by_score.max())


@pytest.mark.parametrize("weighting", [*WEIGHTINGS, EQUIVALENTS["sigma2"]])
def test_a_column_of_levels_is_level_by_level(weighting):
    sigma = np.array([[0.1], [2.0]])
    together = np.broadcast_to(loss_weight(weighting, sigma, VARIANCE), (2, 3))
    apart = [np.broadcast_to(loss_weight(weighting, s, VARIANCE), 3) for s in sigma.ravel()]
    np.testing.assert_allclose(together, apart, rtol=1e-12)


@pytest.mark.torch
def test_torch_is_served_by_the_same_lines(rows, sigma):
    import torch

    clean, _, noisy, output = rows
    level = Preconditioning(sigma, VARIANCE)
    tensor = Preconditioning(torch.tensor([[sigma]], dtype=torch.float64), torch.from_numpy(VARIANCE))
    clean_t, noisy_t, output_t = map(torch.from_numpy, (clean, noisy, output))
    np.testing.assert_allclose(tensor.target(clean_t, noisy_t).numpy(), level.target(clean, noisy), rtol=1e-9)
    np.testing.assert_allclose(tensor.score(output_t, noisy_t).numpy(), level.score(output, noisy), rtol=1e-9)
    for name in WEIGHTINGS:
        ours = loss_weight(name, tensor.sigma, tensor.variance)
        np.testing.assert_allclose(
            np.broadcast_to(ours, (1, 3)), np.broadcast_to(loss_weight(name, sigma, VARIANCE), (1, 3)), rtol=1e-12
        )


def test_the_ladder_has_a_constant_ratio_and_exact_ends():
    levels = geometric_ladder(0.01, 20.0, 50)
    assert (levels[0], levels[-1]) == (20.0, 0.01)
    np.testing.assert_allclose(levels[1:] / levels[:-1], (0.01 / 20.0) ** (1 / 49), rtol=1e-12)
    assert geometric_ladder(0.01, 20.0, 1).tolist() == [0.01]


@pytest.mark.parametrize("mean", [-1.2, -12.0, 9.0])
def test_log_normal_is_the_truncated_normal(mean):
    u, sd, low, high = np.linspace(0, 1, 101), 1.2, 0.01, 20.0
    ends = (np.log([low, high]) - mean) / sd
    normal = truncnorm(*ends, loc=mean, scale=sd)
    sigma = log_normal(u, mean, sd, low, high)
    np.testing.assert_allclose(np.log(sigma[1:-1]), normal.ppf(u[1:-1]), rtol=1e-6, atol=1e-6)
    assert low <= sigma.min() <= sigma.max() <= high


def test_log_uniform_is_uniform_in_the_logarithm(rng):
    log_sigma = np.log(log_uniform(rng.random(10_000), 0.01, 20.0))
    assert kstest(log_sigma, uniform(np.log(0.01), np.log(2000.0)).cdf).pvalue > 1e-3
