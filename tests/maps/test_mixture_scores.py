"""Normal scores by mixtures: inverse, tails, slopes, the law of what comes out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest, norm

from skscore.maps.mixture_scores import MixtureScores


@pytest.fixture
def scores():
    return MixtureScores(
        [np.array([0.2, 0.5, 0.3]), np.ones(1)],
        [np.array([-4.0, 0.0, 1.0]), np.array([2.0])],
        [np.array([0.5, 1.0, 0.1]), np.array([3.0])],
    )


def test_scores_of_the_mixture_are_normal_and_come_back(scores):
    rng = np.random.default_rng(0)
    k = rng.choice(3, 4000, p=scores.weights[0])
    X = np.stack([rng.normal(scores.means[0][k], scores.scales[0][k]), rng.normal(2.0, 3.0, 4000)], axis=1)
    Z = scores.forward(X)
    assert min(kstest(z, "norm").pvalue for z in Z.T) > 0.01
    assert_allclose(scores.inverse(Z), X, atol=1e-9)


def test_tails_are_kept_far_beyond_the_rows(scores):
    X = np.array([[-60.0, -100.0], [60.0, 100.0]])
    Z = scores.forward(X)
    assert np.isfinite(Z).all()
    assert_allclose(scores.inverse(Z), X, rtol=1e-9)
    assert_allclose(norm.logpdf(Z[:, 1]) + scores.log_slope(X)[:, 1], norm.logpdf(X[:, 1], 2.0, 3.0))


def test_slopes_are_the_derivatives(scores):
    X, h = np.random.default_rng(1).uniform(-6, 3, (50, 2)), 1e-5
    slope = (scores.forward(X + h) - scores.forward(X - h)) / (2 * h)
    assert_allclose(scores.log_slope(X), np.log(slope), atol=1e-7)
    gradient = (scores.log_slope(X + h) - scores.log_slope(X - h)) / (2 * h)
    assert_allclose(scores.log_slope_gradient(X), gradient, rtol=1e-5, atol=1e-5)
    curvature = (scores.log_slope_gradient(X + h) - scores.log_slope_gradient(X - h)) / (2 * h)
    assert_allclose(scores.log_slope_curvature(X), curvature, rtol=1e-4, atol=1e-4)


def test_missing_numbers_stay_missing(scores):
    X = np.array([[np.nan, 1.0]])
    assert np.isnan(scores.forward(X)[:, 0]).all()
    assert np.isnan(scores.inverse(X)[:, 0]).all()
