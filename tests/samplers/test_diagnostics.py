"""R̂ and effective sample size against closed forms, a direct sum and an independent implementation."""

import numpy as np
import pytest

from skscore.samplers import diagnostics
from skscore.samplers.diagnostics import diagnose, effective_sample_size, rhat

MANY_SHORT, FEW_LONG = (10, 2000), (5000, 4)


def autoregression(shape, rho, seed):
    """Stationary AR(1) chains x_t = ρ x_{t−1} + √(1 − ρ²) z_t of N(0, 1), shape (n_draws, n_chains, 1)."""
    x = np.random.default_rng(seed).standard_normal((*shape, 1))
    for t in range(1, len(x)):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    return x


def independent_draws(shape, seed=0):
    return np.random.default_rng(seed).standard_normal((*shape, 3))


@pytest.mark.parametrize("shape", [MANY_SHORT, FEW_LONG, (201, 50)])
def test_independent_draws_pass(shape):
    draws = independent_draws(shape)
    n = shape[0] * shape[1]
    assert rhat(draws).max() < 1.01
    np.testing.assert_allclose(effective_sample_size(draws), n, rtol=0.1)


@pytest.mark.parametrize("shape", [MANY_SHORT, FEW_LONG])
def test_chains_in_separate_modes_fail(shape):
    draws = independent_draws(shape)
    draws[:, ::2] += 4.0
    assert rhat(draws).min() > 1.1


def test_chains_of_unequal_scale_fail():
    draws = independent_draws(FEW_LONG)
    draws[:, 0] *= 3.0
    assert rhat(draws).min() > 1.1


def test_a_common_trend_fails():
    draws = independent_draws(FEW_LONG) + np.linspace(0, 3, FEW_LONG[0])[:, None, None]
    assert rhat(draws).min() > 1.1
    assert effective_sample_size(draws).max() < 100


@pytest.mark.parametrize("rho", [-0.3, 0.3, 0.6, 0.9])
def test_ess_of_an_autoregression_long_chains(rho):
    n, m = 20_000, 4
    expected = n * m * (1 - rho) / (1 + rho)
    np.testing.assert_allclose(effective_sample_size(autoregression((n, m), rho, 1)), expected, rtol=0.1)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9, 0.99])
def test_ess_of_an_autoregression_short_chains(rho):
    n, m = MANY_SHORT
    lags = np.arange(1, n)
    tau = 1 + 2 * np.sum((1 - lags / n) * rho**lags)  # n times the variance of a chain's mean
    np.testing.assert_allclose(effective_sample_size(autoregression((n, m), rho, 2)), n * m / tau, rtol=0.1)


def test_ess_predicts_the_error_of_a_mean():
    means, predicted = [], []
    for seed in range(200):
        draws = autoregression((100, 20), 0.8, seed)
        means.append(draws.mean())
        predicted.append(1 / effective_sample_size(draws)[0])
    np.testing.assert_allclose(np.mean(predicted), np.mean(np.square(means)), rtol=5 * np.sqrt(2 / 200))


def test_chains_that_never_move_are_worth_one_draw_each():
    draws = np.repeat(np.random.default_rng(3).standard_normal((1, 30, 2)), 50, axis=0)
    np.testing.assert_allclose(effective_sample_size(draws), 30, rtol=1e-9)
    assert np.all(rhat(draws) > 100)


def test_ess_has_a_ceiling():
    n, m = 1000, 4
    alternating = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)[:, None, None] * np.ones((n, m, 1))
    np.testing.assert_allclose(effective_sample_size(alternating), n * m * np.log10(n * m))


def test_ess_depends_on_ranks_alone():
    draws = autoregression((500, 4), 0.5, 4)
    assert np.array_equal(effective_sample_size(np.exp(3 * draws)), effective_sample_size(draws))


def test_heavy_tails_do_no_harm():
    draws = np.random.default_rng(6).standard_cauchy((1000, 4, 1))
    assert rhat(draws)[0] < 1.01
    np.testing.assert_allclose(effective_sample_size(draws), 4000, rtol=0.1)


@pytest.mark.parametrize("n", [7, 64, 101])
def test_increments_by_fft_equal_the_direct_sum(n):
    x = autoregression((n, 5), 0.7, 7)[:, :, 0]
    direct = [np.sum((x[t:] - x[: n - t]) ** 2) for t in range(n)]
    np.testing.assert_allclose(diagnostics._squared_increments(x), direct, rtol=1e-10, atol=1e-10)


def test_values_of_an_independent_implementation():
    # ArviZ (arviz-stats 0.8.0), rhat and ess(method="bulk") of the same deterministic draws. R̂ is the same formula; the
    # effective sample size differs by terms that vanish with the length of the chains.
    t = np.arange(400.0)[:, None] + 97.3 * np.arange(4.0)
    draws = np.sin(0.37 * t**2) + 0.5 * np.cos(0.9 * t) + np.exp(np.sin(1.7 * t))
    np.testing.assert_allclose(rhat(draws[:, :, None]), 0.9993420352631462, rtol=1e-8)
    np.testing.assert_allclose(effective_sample_size(draws[:, :, None]), 1652.3547277555474, rtol=0.02)


def test_each_coordinate_stands_alone():
    draws = np.concatenate([autoregression((200, 4), rho, 8) for rho in (0.0, 0.5, 0.9)], axis=2)
    for statistic in (rhat, effective_sample_size):
        alone = [statistic(draws[:, :, [j]])[0] for j in range(3)]
        assert np.array_equal(statistic(draws), alone)
    report = diagnose(draws)
    assert report == {
        "rhat": rhat(draws).max(),
        "ess": effective_sample_size(draws).min(),
        "n_draws": 200,
        "n_chains": 4,
    }


@pytest.mark.parametrize(
    "draws",
    [np.zeros((3, 10, 2)), np.zeros((10, 3, 2)), np.full((10, 3, 2), np.nan)],
    ids=["too few draws", "constant", "not finite"],
)
def test_undefined_is_nan(draws):
    report = diagnose(draws)
    assert np.isnan(report["rhat"])
    assert np.isnan(report["ess"])


def test_one_long_chain_is_judged_by_its_halves():
    draws = autoregression((20_000, 1), 0.5, 9)
    assert rhat(draws)[0] < 1.01
    np.testing.assert_allclose(effective_sample_size(draws), 20_000 / 3, rtol=0.15)
