"""A numpy Generator as random state: `fit` and `sample` draw their seeds from it, as they do from a RandomState."""

import numpy as np
import pytest

from skscore import (
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
)
from skscore.estimators.checks import seed_of
from skscore.neural import NeuralEnergy

ESTIMATORS = [
    ScoreMatchingDensity(),
    ScoreMatchingDensityCV(n_alphas=4),
    DenoisingScoreEstimator("gaussian", sigma_min=0.1, n_levels=6, dequantize=False, n_likelihood_steps=4),
    DenoisingScoreEstimatorCV("gaussian", cv=2, n_levels=6, dequantize=False, n_likelihood_steps=4),
    ConditionalScoreDensity(10, bandwidth=1.0, input_bandwidth=1.0, alpha=0.1),
    ScoreMatchingICA(2, source="logcosh", max_iter=300),
]


def fitted(estimator, X, random_state):
    """A fit to the table; of the last column given the others if that is what the estimator finds."""
    estimator = type(estimator)(**{**estimator.get_params(deep=False), "random_state": random_state})
    return estimator.fit(X[:, :-1], X[:, -1]) if isinstance(estimator, ConditionalScoreDensity) else estimator.fit(X)


def drawn(estimator, X, **seed):
    """What depends on the seed: draws, or the components of a fit."""
    if isinstance(estimator, ScoreMatchingICA):
        return estimator.components_
    given = (X[:3, :-1],) if isinstance(estimator, ConditionalScoreDensity) else ()
    return estimator.sample(*given, n_samples=3, **seed)


def test_the_seed_is_the_next_number_of_the_generator():
    rng = np.random.default_rng(3)
    expected = np.random.default_rng(3).integers(2**31 - 1, size=2).tolist()
    assert [seed_of(rng), seed_of(rng)] == expected
    assert type(seed_of(rng)) is int


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_a_fit_draws_its_seed_from_the_generator(rng, estimator):
    X = rng.laplace(size=(60, 3))
    first, again = np.random.default_rng(3), np.random.default_rng(3)
    draws = drawn(fitted(estimator, X, first), X)
    np.testing.assert_array_equal(draws, drawn(fitted(estimator, X, again), X))
    assert not np.isin(drawn(fitted(estimator, X, first), X), draws).any()


@pytest.mark.parametrize("estimator", ESTIMATORS[:5], ids=lambda estimator: type(estimator).__name__)
def test_draws_go_on_with_the_generator(rng, estimator):
    X = rng.laplace(size=(60, 3))
    density = fitted(estimator, X, 0)
    first, again, own = np.random.default_rng(5), np.random.default_rng(5), drawn(density, X)
    draws = drawn(density, X, random_state=first)
    np.testing.assert_array_equal(draws, drawn(density, X, random_state=again))
    assert not np.isin(drawn(density, X, random_state=first), draws).any()
    assert not np.isin(own, draws).any()


@pytest.mark.torch
def test_an_energy_draws_its_seed_from_the_generator(rng):
    X = rng.laplace(size=(40, 2))
    energies = [
        NeuralEnergy(max_iter=20, validation_fraction=0.0, device="cpu", random_state=seed)
        for seed in (np.random.default_rng(3), int(np.random.default_rng(3).integers(2**31 - 1)), 0)
    ]
    scores = [ScoreMatchingDensity(energy, random_state=0).fit(X).grad_log_density(X) for energy in energies]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 1e-6
