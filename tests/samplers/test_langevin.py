"""Every sampler draws from its target: moments, invariance, and the closed form of ULA's bias."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import gamma, kstest

from skscore.samplers import HMC, MALA, ULA, Target, run_chains
from skscore.samplers.diagnostics import effective_sample_size
from skscore.samplers.langevin import leapfrog
from skscore.samplers.metropolis import evaluate, joint_log_density

STANDARD_NORMAL = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)


def assert_mean(values, expected, bias):
    """The mean of (n_draws, n_chains, k) values, to five standard errors of their effective sample size."""
    standard_error = values.std(axis=(0, 1)) / np.sqrt(effective_sample_size(values))
    assert np.all(np.abs(values.mean(axis=(0, 1)) - expected) < 5 * standard_error + bias)


def test_moments_of_the_stationary_distribution(sampler, distribution):
    rng = np.random.default_rng(0)
    scale = np.sqrt(np.diag(distribution.covariance))
    start = distribution.mean + 2 * (
        distribution.draw(rng, 500) - distribution.mean
    )  # twice as wide, and no steeper than its own tails
    draws = run_chains(sampler, distribution.target, start, n_warmup=800, n_draws=100, thin=10, rng=rng).draws
    centred = draws - distribution.mean
    products = (centred[..., :, None] * centred[..., None, :]).reshape(100, 500, 4)
    assert_mean(draws, distribution.mean, sampler.bias * scale)
    assert_mean(products, distribution.covariance.ravel(), sampler.bias * np.outer(scale, scale).ravel())
    assert_mean(centred**3, distribution.third, 3 * sampler.bias * scale**3)


@pytest.mark.parametrize("stretch", [0.5, 1.0, 1.6])
def test_exact_draws_stay_exact(adjusted_sampler, distribution, stretch):
    rng = np.random.default_rng(1)
    sampler = replace(adjusted_sampler, step_size=stretch * adjusted_sampler.step_size)
    state = sampler.init(distribution.draw(rng, 20_000), distribution.target)
    acceptance = []
    for _ in range(6):
        state, info = sampler.step(state, distribution.target, rng)
        acceptance.append(info.acceptance.mean())
    levels = distribution.cdf(state.position)
    assert min(kstest(levels[:, j], "uniform").pvalue for j in range(2)) > 1e-3
    assert 0.1 < np.mean(acceptance) < 0.99  # the Metropolis step had something to do


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("eps", [0.1, 1.0, 2.0])
def test_bias_of_ula_has_its_closed_form(eps, dtype):
    rng = np.random.default_rng(2)
    n, exact = 100_000, 1 / (1 - eps / 4)
    sampler = ULA(eps)
    state = sampler.init((np.sqrt(exact) * rng.standard_normal((n, 1))).astype(dtype), STANDARD_NORMAL)
    for _ in range(20):
        state, info = sampler.step(state, STANDARD_NORMAL, rng)
    assert abs(state.position.var() / exact - 1) < 5 * np.sqrt(2 / n)
    assert info.accepted.all()
    assert np.array_equal(info.acceptance, np.ones(n))


def test_ula_needs_no_log_density():
    score_only = Target(None, STANDARD_NORMAL.score)
    state = ULA(0.1).init(np.zeros((3, 2)), score_only)
    state, _ = ULA(0.1).step(state, score_only, np.random.default_rng(0))
    assert state.log_density is None
    assert np.isfinite(state.position).all()


def test_state_and_info_are_what_they_claim(adjusted_sampler, distribution):
    rng = np.random.default_rng(3)
    before = adjusted_sampler.init(distribution.draw(rng, 400), distribution.target)
    after, info = adjusted_sampler.step(before, distribution.target, rng)
    assert np.array_equal((after.position != before.position).any(axis=1), info.accepted)
    np.testing.assert_allclose(after.log_density, distribution.target.log_density(after.position), rtol=1e-12)
    np.testing.assert_allclose(after.score, distribution.target.score(after.position), rtol=1e-12)
    assert info.acceptance.min() >= 0
    assert info.acceptance.max() <= 1
    excess = info.accepted.sum() - info.acceptance.sum()
    assert abs(excess) < 5 * np.sqrt((info.acceptance * (1 - info.acceptance)).sum())


def test_mala_is_hmc_with_one_leapfrog_step(distribution):
    eps = 0.7
    state = evaluate(distribution.target, distribution.draw(np.random.default_rng(4), 200))
    moved, info = MALA(eps).step(state, distribution.target, np.random.default_rng(5))
    momentum = np.random.default_rng(5).standard_normal((200, 2))
    end, momentum_end = leapfrog(state, momentum, distribution.target, np.sqrt(eps), n_steps=1)
    log_ratio = joint_log_density(end, momentum_end) - joint_log_density(state, momentum)
    np.testing.assert_allclose(info.acceptance, np.exp(np.minimum(log_ratio, 0)), rtol=1e-9)
    np.testing.assert_allclose(moved.position[info.accepted], end.position[info.accepted], rtol=1e-12, atol=1e-12)


def test_leapfrog_is_undone_by_flipping_the_momentum(distribution):
    rng = np.random.default_rng(6)
    start, momentum = evaluate(distribution.target, distribution.draw(rng, 100)), rng.standard_normal((100, 2))
    end, momentum_end = leapfrog(start, momentum, distribution.target, 0.3, n_steps=12)
    back, momentum_back = leapfrog(end, -momentum_end, distribution.target, 0.3, n_steps=12)
    assert np.abs(end.position - start.position).max() > 1
    np.testing.assert_allclose(back.position, start.position, atol=1e-9)
    np.testing.assert_allclose(-momentum_back, momentum, atol=1e-9)


def test_leapfrog_keeps_volume(skew_distribution):
    rng = np.random.default_rng(7)
    x, p = skew_distribution.draw(rng, 1), rng.standard_normal((1, 2))

    def flow(z):
        end, momentum = leapfrog(
            evaluate(skew_distribution.target, z[:, :2]), z[:, 2:], skew_distribution.target, 0.4, n_steps=5
        )
        return np.hstack([end.position, momentum])

    step, z = 1e-5, np.hstack([x, p])
    jacobian = (flow(z + step * np.eye(4)) - flow(z - step * np.eye(4))) / (2 * step)
    assert abs(abs(np.linalg.det(jacobian)) - 1) < 1e-6


def test_leapfrog_energy_error_is_of_second_order(distribution):
    rng = np.random.default_rng(8)
    start, momentum = evaluate(distribution.target, distribution.draw(rng, 500)), rng.standard_normal((500, 2))

    def energy_error(n_steps):
        end, momentum_end = leapfrog(start, momentum, distribution.target, 1.0 / n_steps, n_steps)
        difference = joint_log_density(end, momentum_end) - joint_log_density(start, momentum)
        return np.sqrt(np.mean(difference**2))

    errors = [energy_error(n_steps) for n_steps in (20, 40, 80)]
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 4, rtol=0.1)


def test_seeds_reproduce(sampler, distribution):
    start = distribution.draw(np.random.default_rng(9), 20)

    def run(seed):
        rng = np.random.default_rng(seed)
        return run_chains(sampler, distribution.target, start, n_warmup=5, n_draws=5, rng=rng).draws

    assert np.array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))


HALF_LINE = gamma(2.0)  # log p = log x − x, x > 0


@pytest.mark.parametrize("outside", [-np.inf, np.nan, np.inf])
def test_no_density_is_a_rejection(adjusted_sampler, outside):
    target = Target(
        lambda x: np.where(x > 0, np.log(np.abs(x)) - x, outside)[:, 0],
        lambda x: np.where(x > 0, 1 / x - 1, outside),
    )
    rng = np.random.default_rng(10)
    state = adjusted_sampler.init(HALF_LINE.rvs((20_000, 1), random_state=rng), target)
    rejected = 0
    for _ in range(10):
        state, info = adjusted_sampler.step(state, target, rng)
        rejected += np.sum(info.acceptance == 0)
        assert state.position.min() > 0
        assert all(np.isfinite(part).all() for part in state)
    assert rejected > 100
    assert kstest(state.position[:, 0], HALF_LINE.cdf).pvalue > 1e-3


def test_chains_that_start_where_there_is_no_density_find_it(adjusted_sampler):
    target = Target(lambda x: (np.log(x) - x)[:, 0], lambda x: 1 / x - 1 + np.log(x) * 0)  # NaN at x < 0
    rng = np.random.default_rng(11)
    state = adjusted_sampler.init(np.full((50, 1), -0.5), target)
    for _ in range(100):
        state, _ = adjusted_sampler.step(state, target, rng)
    assert state.position.min() > 0


@pytest.mark.parametrize("sampler", [MALA(1e150), MALA(1e308), HMC(1e80), HMC(1e160)], ids=repr)
def test_overflow_is_a_rejection_and_the_model_sees_finite_rows_only(sampler):
    def finite_only(function):
        def checked(x):
            assert np.isfinite(x).all()
            return function(x)

        return checked

    quartic = Target(finite_only(lambda x: -(x**4).sum(axis=1)), finite_only(lambda x: -4 * x**3))
    before = sampler.init(np.full((10, 2), 2.0), quartic)
    after, info = sampler.step(before, quartic, np.random.default_rng(12))
    assert not info.accepted.any()
    assert np.array_equal(info.acceptance, np.zeros(10))
    assert np.array_equal(after.position, before.position)


def test_chains_keep_the_precision_that_they_begin_in_or_go_on_in_double_precision(sampler, distribution):
    """Draws are always of double precision."""
    asked = []

    def score(x):
        asked.append(x.dtype)
        return distribution.target.score(x)  # in double precision

    target, start = (
        Target(distribution.target.log_density, score),
        distribution.draw(np.random.default_rng(14), 20).astype(np.float32),
    )
    chains = run_chains(sampler, target, start, n_warmup=0, n_draws=2, rng=np.random.default_rng(15))
    assert asked[-1] == (np.float32 if sampler.keeps_single_precision else np.float64)
    assert chains.draws.dtype == np.float64


def test_integer_positions_are_not_rounded(sampler):
    state = sampler.init(np.zeros((50, 1), dtype=int), STANDARD_NORMAL)
    state, info = sampler.step(state, STANDARD_NORMAL, np.random.default_rng(13))
    assert np.all(state.position[info.accepted] % 1 != 0)
