"""Kernel densities mixed by clusters: weights of separated modes, derivatives, rows and their weights."""

import pickle

import numpy as np
import pytest

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.datasets import GaussianMixtureDistribution
from skscore.models import Kernel

LAW = GaussianMixtureDistribution(
    weights=[0.3, 0.7], means=[[-4.0, 0.0], [4.0, 1.0]], covariances=[np.eye(2), 0.5 * np.eye(2)]
)


def density(n_components=2, **parameters):
    return ScoreMatchingDensity(Kernel(30, bandwidth=1.0, n_components=n_components, **parameters), random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return density().fit(LAW.sample(400, random_state=0))


def test_the_weights_of_separated_modes_are_found(fitted):
    """And not by one density, whose score hardly depends on them."""
    X, T = LAW.sample(400, random_state=0), LAW.sample(4000, random_state=1)
    np.testing.assert_allclose(np.sort(fitted.weights_), [0.3, 0.7], atol=3 * np.sqrt(0.21 / 400))
    truth = LAW.score_samples(T).mean()
    assert truth - fitted.score(T) < 0.05
    assert fitted.score(T) > density(1).fit(X).score(T) + 0.02


def test_it_is_a_density_with_the_derivatives_of_its_logarithm(fitted, rng):
    axis = np.arange(-12.0, 12.0, 0.1)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert np.exp(fitted.score_samples(grid)).sum() * 0.01 == pytest.approx(1.0, abs=5e-3)
    X, V, step = LAW.sample(30, random_state=2), rng.standard_normal((30, 2)), 1e-5
    for j, axis in enumerate(np.eye(2)):
        slope = (fitted.score_samples(X + step * axis) - fitted.score_samples(X - step * axis)) / (2 * step)
        np.testing.assert_allclose(fitted.grad_log_density(X)[:, j], slope, atol=1e-5)
    bend = fitted.grad_log_density(X + step * V) - fitted.grad_log_density(X - step * V)
    np.testing.assert_allclose(fitted.curvature(X, V), (bend * V).sum(axis=1) / (2 * step), atol=1e-4)
    laplacian = sum(fitted.curvature(X, axis) for axis in np.eye(2))
    score = fitted.grad_log_density(X)
    np.testing.assert_allclose(fitted.hyvarinen_score(X), 0.5 * (score**2).sum(axis=1) + laplacian, rtol=1e-8)


def test_draws_are_of_the_mixture(fitted):
    draws = fitted.sample(4000)
    assert np.mean(draws[:, 0] < 0) == pytest.approx(
        fitted.weights_[fitted.weights_.argmin()], abs=4 * np.sqrt(0.21 / 4000)
    )
    np.testing.assert_allclose(draws.mean(axis=0), LAW.sample(4000, random_state=3).mean(axis=0), atol=0.35)


def test_weights_are_repetition(rng):
    X, weight = LAW.sample(120, random_state=4), rng.integers(0, 3, 120)
    fits = [density().fit(X, sample_weight=weight), density().fit(np.repeat(X, weight, axis=0))]
    np.testing.assert_allclose(fits[1].weights_, fits[0].weights_, rtol=1e-8)
    np.testing.assert_allclose(fits[1].grad_log_density(X), fits[0].grad_log_density(X), rtol=1e-5, atol=1e-6)


def test_later_rows_change_the_weights(fitted):
    chunked = density().fit(LAW.sample(200, random_state=0))
    left = np.array([[-4.0, 0.0]]) + 0.5 * np.random.default_rng(0).standard_normal((200, 2))
    before = np.sort(chunked.weights_)
    after = np.sort(chunked.partial_fit(left).weights_)
    np.testing.assert_allclose(after, np.sort([(0.3 * 200 + 200) / 400, 0.7 * 200 / 400]), atol=0.05)
    assert not np.allclose(before, after, atol=0.05)


def test_what_was_tried_names_the_component(fitted):
    assert set(fitted.cv_results_["component"]) == {0, 1}
    assert len(fitted.alpha_) == len(fitted.bandwidth_) == 2
    assert fitted.log_normalizer_ == 0.0
    assert 0.05 < fitted.log_normalizer_ess_ <= 1.0


def test_a_fit_survives_pickling(fitted):
    X = LAW.sample(20, random_state=5)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(X), fitted.score_samples(X))


def test_what_cannot_be_mixed_is_refused():
    X = LAW.sample(50, random_state=0)
    with pytest.raises(ValueError, match="base=None"):
        density(base=None).fit(X)
    with pytest.raises(ValueError, match="n_components=9"):
        density(9).fit(np.repeat(X[:4], 3, axis=0))
    with pytest.raises(ValueError, match="ScoreMatchingDensity"):
        DenoisingScoreEstimator(Kernel(10, n_components=2), noise_levels=[2.0, 1.0]).fit(X)
