"""Samplers over noise levels draw from their distribution: two-sample tests, exactness for a Gaussian, one contract."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skscore.formulas.schedules import geometric_ladder
from skscore.metrics import classifier_two_sample_auc
from skscore.samplers import (
    DESCENT_SAMPLERS,
    Flow,
    NoiseConditionalScore,
    ReverseSDE,
    descend,
    tweedie,
)

SIGMA_MIN, SIGMA_MAX = 0.01, 20.0


def ladder(n_levels):
    return geometric_ladder(SIGMA_MIN, SIGMA_MAX, n_levels)


SAMPLERS = {
    f"{cls.__name__} {k}": sampler for cls in DESCENT_SAMPLERS for k, sampler in enumerate(cls.examples(ladder))
}


@pytest.fixture(params=SAMPLERS.values(), ids=SAMPLERS)
def descending(request):
    return request.param


def energy_p_value(X, Y, rng, n_permutations=999):
    """Permutation p-value of the energy distance between two samples of equal size."""
    distances = cdist(np.vstack([X, Y]), np.vstack([X, Y]))
    sign = np.repeat([1.0, -1.0], [len(X), len(Y)])
    signs = np.column_stack([sign, *(rng.permutation(sign) for _ in range(n_permutations))])
    energy = -(signs * (distances @ signs)).sum(axis=0)
    return np.mean(energy >= energy[0])


def test_draws_are_of_the_distribution(descending, mixture, noisy_target, rng):
    n = 600
    draws = descend(descending, noisy_target(mixture), n, rng)
    exact = mixture.sample(n, random_state=rng) + SIGMA_MIN * rng.standard_normal(draws.shape)
    assert energy_p_value(draws, exact, rng) > 0.002
    standard_error = np.sqrt((2 * n + 1) / (12 * n**2))  # of the AUC of a classifier without information
    assert classifier_two_sample_auc(draws, exact, random_state=0) < 0.5 + 4 * standard_error


def test_the_two_sample_test_sees_a_wrong_weight(mixture, rng):
    """Power: a quarter of the rows moved to the first mode is seen."""
    n = 600
    X, Y = mixture.sample(n, random_state=rng), mixture.sample(n, random_state=rng)
    X[: n // 4] = np.asarray(mixture.means)[0]
    assert energy_p_value(X, Y, rng) <= 0.002


GAUSSIAN = NoiseConditionalScore(lambda x, sigma: -x / (np.array([9.0, 0.04]) + sigma**2), None, np.array([9.0, 0.04]))


@pytest.mark.parametrize("n_levels", [2, 7, 40])
@pytest.mark.parametrize("kind", [Flow, ReverseSDE], ids=lambda k: k.__name__)
def test_the_reference_gaussian_is_exact_at_any_number_of_steps(kind, n_levels):
    n = 100_000
    draws = descend(kind(ladder(n_levels)), GAUSSIAN, n, np.random.default_rng(0))
    np.testing.assert_allclose(draws.var(axis=0), GAUSSIAN.variance + SIGMA_MIN**2, rtol=5 * np.sqrt(2 / n))
    assert np.all(np.abs(draws.mean(axis=0)) < 5 * draws.std(axis=0) / np.sqrt(n))


def test_each_step_moves_one_level_and_repeats(descending, mixture, noisy_target):
    target = noisy_target(mixture)
    start = SIGMA_MAX * np.random.default_rng(0).standard_normal((20, mixture.n_features))

    def run():
        rng, state = np.random.default_rng(1), descending.init(start.copy(), target)
        for k in range(descending.n_steps):
            assert state.level == k
            state, info = descending.step(state, target, rng)
            assert info.accepted.shape == info.acceptance.shape == (20,)
        return state.position

    first = run()
    assert np.isfinite(first).all()
    assert np.array_equal(first, run())


def test_denoising_is_one_step_of_tweedie(mixture, noisy_target):
    target = noisy_target(mixture)
    for denoise in (False, True):
        flow = Flow(ladder(5), denoise=denoise)
        draws = descend(flow, target, 10, np.random.default_rng(0))
        expected = descend(Flow(ladder(5)), target, 10, np.random.default_rng(0))
        expected = tweedie(expected, target, SIGMA_MIN) if denoise else expected
        assert np.array_equal(draws, expected)


def test_tweedie_finds_the_means_of_a_mixture_of_points(noisy_target, mixture, rng):
    """Rows near a narrow mode go to the mean that its covariance and the noise agree on."""
    k, sigma = 0, 0.001
    mean, covariance = np.asarray(mixture.means)[k], np.asarray(mixture.covariances)[k]
    noisy = mean + 0.1 * np.linalg.cholesky(covariance) @ rng.standard_normal(mixture.n_features)
    posterior = mean + covariance @ np.linalg.solve(covariance + sigma**2 * np.eye(len(mean)), noisy - mean)
    np.testing.assert_allclose(tweedie(noisy[None], noisy_target(mixture), sigma)[0], posterior, atol=1e-6)
