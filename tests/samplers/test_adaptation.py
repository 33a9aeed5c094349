"""The warm-up reaches the acceptance that a sampler asks for, whatever the first guess."""

from dataclasses import replace

import numpy as np
import pytest

from skscore.samplers import HMC, MALA, ULA, Target, adapt_step_size, run_chains


@pytest.mark.parametrize("first_guess", [1e-4, 1.0, 1e2])
def test_acceptance_ends_near_its_target(adjusted_sampler, distribution, first_guess):
    rng = np.random.default_rng(0)
    sampler = replace(adjusted_sampler, step_size=first_guess)
    chains = run_chains(sampler, distribution.target, distribution.draw(rng, 200), n_warmup=300, n_draws=50, rng=rng)
    assert abs(chains.acceptance - sampler.target_acceptance) < 0.05


def test_the_first_guess_is_forgotten(adjusted_sampler, distribution):
    rng = np.random.default_rng(1)

    def adapted(first_guess):
        sampler = replace(adjusted_sampler, step_size=first_guess)
        state = sampler.init(distribution.draw(rng, 200), distribution.target)
        return adapt_step_size(sampler, distribution.target, state, 400, rng)[0].step_size

    np.testing.assert_allclose(np.log([adapted(1e-4), adapted(1e2)]), np.log(adapted(1.0)), atol=0.15)


@pytest.mark.parametrize("sampler", [MALA(1.0), HMC(1.0)], ids=["MALA", "HMC"])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_step_size_follows_the_units_of_x(sampler, scale):
    def adapted(s):
        rng = np.random.default_rng(2)
        target = Target(lambda x: -0.5 * ((x / s) ** 2).sum(axis=1), lambda x: -x / s**2)
        state = sampler.init(s * rng.standard_normal((300, 3)), target)
        return adapt_step_size(sampler, target, state, 300, rng)[0].step_size

    power = 2 if isinstance(sampler, MALA) else 1  # eps is a variance, h a length
    assert abs(np.log(adapted(scale) / adapted(1.0)) - power * np.log(scale)) < 0.15


def test_far_starts_are_brought_home_by_the_warmup(adjusted_sampler):
    rng = np.random.default_rng(3)
    normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    start = 30 * rng.standard_normal((200, 2))
    chains = run_chains(adjusted_sampler, normal, start, n_warmup=300, n_draws=50, rng=rng)
    assert abs(chains.draws.std() - 1) < 0.05
    assert abs(chains.acceptance - adjusted_sampler.target_acceptance) < 0.1


def test_a_few_chains_in_a_stiff_region_are_brought_home(adjusted_sampler):
    # Left of the Gumbel distribution the curvature of −log p is exp(−x): 3000 at −8, where a common step never lands.
    gumbel = Target(lambda x: -(x + np.exp(-x)).sum(axis=1), lambda x: np.exp(-x) - 1)
    rng = np.random.default_rng(7)
    start = rng.gumbel(size=(400, 1))
    start[:4] = -8.0
    state = adjusted_sampler.init(start, gumbel)
    _, state = adapt_step_size(adjusted_sampler, gumbel, state, 200, rng)
    assert state.position.min() > -3  # beyond it the distribution has a mass of exp(-exp(3)) = 2e-9


def test_a_sampler_without_rejection_keeps_its_step_and_moves(distribution):
    sampler, start = ULA(0.1), distribution.draw(np.random.default_rng(4), 5)
    state = sampler.init(start, distribution.target)
    adapted, moved = adapt_step_size(sampler, distribution.target, state, 3, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for _ in range(3):
        state, _ = sampler.step(state, distribution.target, rng)
    assert adapted == sampler
    assert np.array_equal(moved.position, state.position)


def test_no_warmup_changes_nothing(sampler, distribution):
    rng = np.random.default_rng(6)
    state = sampler.init(distribution.draw(rng, 5), distribution.target)
    adapted, same = adapt_step_size(sampler, distribution.target, state, 0, rng)
    assert adapted is sampler
    assert same is state


def test_one_chain_agrees_with_many(adjusted_sampler):
    normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)

    def adapted(n_chains, seed):
        rng = np.random.default_rng(seed)
        state = adjusted_sampler.init(rng.standard_normal((n_chains, 5)), normal)
        return adapt_step_size(adjusted_sampler, normal, state, 800, rng)[0].step_size

    ratios = np.log([adapted(1, seed) for seed in range(5)]) - np.log(adapted(300, 5))
    assert np.abs(ratios).max() < 0.25  # the last step instead of the average would scatter by 0.3
