"""Chains keep what was asked for and nothing else."""

import tracemalloc

import numpy as np

from skscore.samplers import ULA, Target, adapt_step_size, run_chains
from skscore.samplers.diagnostics import diagnose


def test_draws_are_the_steps_after_the_warmup(sampler, distribution):
    start = distribution.draw(np.random.default_rng(0), 30)
    chains = run_chains(
        sampler, distribution.target, start, n_warmup=20, n_draws=6, thin=3, rng=np.random.default_rng(1)
    )

    rng = np.random.default_rng(1)
    adapted, state = adapt_step_size(sampler, distribution.target, sampler.init(start, distribution.target), 20, rng)
    positions, acceptance = [], []
    for _ in range(18):
        state, info = adapted.step(state, distribution.target, rng)
        positions.append(state.position)
        acceptance.append(info.acceptance.mean())

    assert chains.sampler == adapted
    assert np.array_equal(chains.draws, np.stack(positions[2::3]))
    np.testing.assert_allclose(chains.acceptance, np.mean(acceptance), rtol=1e-12)
    assert chains.diagnostics == diagnose(chains.draws)


def test_without_warmup_the_step_size_stays(sampler, distribution):
    start = distribution.draw(np.random.default_rng(2), 3)
    chains = run_chains(sampler, distribution.target, start, n_warmup=0, n_draws=4, rng=np.random.default_rng(3))
    assert chains.sampler == sampler
    assert chains.draws.shape == (4, 3, 2)


def test_memory_is_that_of_the_draws_kept():
    normal, n_chains, d = Target(None, lambda x: -x), 100, 50
    tracemalloc.start()
    try:
        start = np.zeros((n_chains, d))
        chains = run_chains(ULA(0.1), normal, start, n_warmup=50, n_draws=40, thin=20, rng=np.random.default_rng(4))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * chains.draws.nbytes  # all steps would be 21 times as much
