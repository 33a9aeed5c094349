"""Truncated Gaussians by Gibbs sampling: univariate draws, moments by quadrature, and chains that report failure."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import kstest, truncexpon, truncnorm

from skscore.domains import Box
from skscore.samplers.gibbs import draw_truncated_gaussian
from skscore.samplers.truncated_gaussians import draw_truncated_normal, gaussian_on

INF = np.inf
LIMITS = {
    "none": (-INF, INF),
    "lower": (-1.0, INF),
    "upper": (-INF, 0.5),
    "both": (-1.0, 2.0),
    "narrow": (0.3, 0.3 + 1e-6),
    "eight sd above": (8.0, INF),
    "eight sd below": (-INF, -8.0),
    "forty sd above": (40.0, 40.1),
    "forty sd below": (-40.1, -40.0),
}
PLANE = {
    "orthant": ([[1.0, 0.6], [0.6, 2.0]], [0.5, -1.0], (0.0, 0.0), (INF, INF)),
    "box": ([[1.0, -0.9], [-0.9, 1.0]], [0.0, 1.0], (-1.0, 0.0), (2.0, 1.5)),
    "eight sd away": ([[1.0, 0.3], [0.3, 1.0]], [-8.0, -8.0], (0.0, 0.0), (INF, INF)),
    "not definite": ([[1.0, 2.0], [2.0, 1.0]], [1.0, 1.0], (0.0, 0.0), (INF, INF)),
    "one side open": ([[1.0, 0.5], [0.5, 1.0]], [0.0, 0.0], (-INF, 1.0), (0.0, INF)),
}


def in_box(K, eta, lower, upper):
    """The density exp(−½xᵀKx + ηᵀx) on a box."""
    return gaussian_on(Box(lower, upper), np.array(K), np.array(eta), np.zeros(len(eta)))


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_one_coordinate_is_a_truncated_normal(limits, rng):
    lower, upper = limits
    mean, scale = 1.7, 0.4
    draws = draw_truncated_normal(np.full(4000, mean), scale, mean + scale * lower, mean + scale * upper, rng)
    assert ((draws >= mean + scale * lower) & (draws <= mean + scale * upper)).all()
    assert kstest(draws, truncnorm(lower, upper, loc=mean, scale=scale).cdf).pvalue > 1e-3


def test_a_thousand_sd_away_it_is_exponential(rng):
    draws = draw_truncated_normal(np.zeros(4000), 1.0, 1e3, 1e3 + 1.0, rng)
    assert kstest(draws - 1e3, truncexpon(1e3, scale=1e-3).cdf).pvalue > 1e-3


def moments_by_quadrature(K, eta, lower, upper):
    """Mean and second moments, integrated over the box cut off where the density is negligible."""
    K, eta = np.array(K), np.array(eta)
    low, high = np.maximum(lower, -9.0), np.minimum(upper, 9.0)

    def expectation(f):
        def integrand(y, x):
            z = np.array([x, y])
            return f(z) * np.exp(-0.5 * z @ K @ z + eta @ z)

        return dblquad(integrand, low[0], high[0], low[1], high[1], epsabs=1e-9, epsrel=1e-7)[0]

    total = expectation(lambda z: 1.0)
    mean = np.array([expectation(lambda z, i=i: z[i]) for i in range(2)]) / total
    return mean, np.array([expectation(lambda z, i=i, j=j: z[i] * z[j]) for i, j in ((0, 0), (0, 1), (1, 1))]) / total


@pytest.mark.parametrize("case", PLANE.values(), ids=PLANE)
def test_moments_of_the_plane_are_those_of_quadrature(case, rng):
    mean, second = moments_by_quadrature(*case)
    X = draw_truncated_gaussian(in_box(*case), np.clip(0.0, *case[2:]), 20000, rng).rows
    products = np.column_stack([X[:, 0] ** 2, X[:, 0] * X[:, 1], X[:, 1] ** 2])
    for values, expected in ((X, mean), (products, second)):
        error = values.mean(axis=0) - expected
        np.testing.assert_array_less(np.abs(error), 4.0 * values.std(axis=0) / np.sqrt(len(X)))


def test_without_limits_it_is_the_gaussian(rng):
    root = rng.standard_normal((5, 5)) / 2.0 + np.eye(5)
    K = np.linalg.inv(root @ root.T)
    mean = np.arange(5.0)
    draws = draw_truncated_gaussian(in_box(K, K @ mean, -INF, INF), np.zeros(5), 4000, rng).rows
    whitened = np.linalg.solve(root, (draws - mean).T)
    assert kstest(whitened.ravel(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.cov(whitened), np.eye(5), atol=5.0 / np.sqrt(4000))


def test_draws_are_independent_of_one_another(rng):
    K = np.array([[1.0, -0.9], [-0.9, 1.0]])
    gaussian = in_box(K, np.zeros(2), 0.0, INF)
    averages = [
        draw_truncated_gaussian(gaussian, np.zeros(2), 100, np.random.default_rng(seed)).rows for seed in range(60)
    ]
    spread = np.std([draws.mean(axis=0) for draws in averages], axis=0) * 10.0 / np.std(averages, axis=(0, 1))
    np.testing.assert_allclose(spread, 1.0, atol=4.0 / np.sqrt(2 * 60))


def test_fifty_columns_obey_the_identity_of_their_score(rng):
    """E[x ∘ s] = −1 in each column of the orthant: no boundary term, as x is zero there (Stein)."""
    p = 50
    K = np.linalg.inv(0.5 ** np.abs(np.subtract.outer(np.arange(p), np.arange(p))))
    eta = np.linspace(-3.0, 3.0, p)
    X = draw_truncated_gaussian(in_box(K, eta, 0.0, INF), np.zeros(p), 4000, rng).rows
    stein = X * (eta - X @ K) + 1.0
    z = stein.mean(axis=0) / (stein.std(axis=0) / np.sqrt(len(X)))
    assert np.abs(z).max() < 4.5
    assert X.min() > 0.0


def test_separate_modes_are_reported(rng):
    gaussian = in_box([[1.0, -2.0], [-2.0, 1.0]], np.zeros(2), -6.0, 6.0)
    draws, _, (remark,) = draw_truncated_gaussian(gaussian, np.zeros(2), 100, rng)
    assert "R-hat" in remark
    assert (np.abs(draws) <= 6.0).all()
