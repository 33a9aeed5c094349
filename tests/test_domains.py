"""Domains: their bijection, its slope, the boundary and the chart, over the list of all members."""

import numpy as np
import pytest

from skscore.domains import Box, Chart, Orthant, Reals
from skscore.fitting.statistics import moments

DOMAINS = [
    Reals(),
    Orthant(),
    Box(-1.0, 2.0),
    Box([-np.inf, 0.0, -1.0, -np.inf], [np.inf, np.inf, 1.0, 5.0]),
]
ids = [str(domain) for domain in DOMAINS]


@pytest.fixture
def U(rng):
    return rng.standard_normal((50, 4))


@pytest.mark.parametrize("domain", DOMAINS, ids=ids)
def test_bijection_round_trip(domain, U):
    X = domain.from_reals(U)
    assert domain.contains(X).all()
    np.testing.assert_allclose(domain.to_reals(X), U, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("domain", DOMAINS, ids=ids)
def test_log_slope_is_that_of_the_bijection(domain, U):
    step = 1e-6
    slope = (domain.from_reals(U + step) - domain.from_reals(U - step)) / (2 * step)
    value, derivative = domain.log_slope(U)
    np.testing.assert_allclose(np.exp(value), slope, rtol=1e-8)
    change = (domain.log_slope(U + step)[0] - domain.log_slope(U - step)[0]) / (2 * step)
    np.testing.assert_allclose(derivative, change, atol=1e-8)


@pytest.mark.parametrize("domain", DOMAINS[1:], ids=ids[1:])
def test_boundary_distance_and_its_gradient(domain, U):
    X = domain.from_reals(U)
    distance, gradient = domain.boundary_distance(X)
    np.testing.assert_allclose(np.linalg.norm(gradient, axis=1), 1.0)
    on_boundary = X - distance[:, None] * gradient
    inside, outside = X - 0.999 * distance[:, None] * gradient, X - 1.001 * distance[:, None] * gradient
    assert domain.contains(inside).all()
    assert not domain.contains(outside).any()
    np.testing.assert_allclose(domain.project(outside), on_boundary, atol=1e-12)


@pytest.mark.parametrize("domain", DOMAINS, ids=ids)
def test_chart_volume_and_pull_back(domain, U, rng):
    """The chart's score is the gradient of its log-density, for the law log p(x) = −½‖x − 1‖²."""
    chart = Chart.from_moments(domain, moments(U @ rng.standard_normal((4, 4))))
    T, step = 0.5 * U, 1e-6

    def log_density(T):
        return -0.5 * ((chart.to_domain(T) - 1.0) ** 2).sum(axis=1) + chart.log_volume(T)

    score = chart.pull_back(T, 1.0 - chart.to_domain(T))
    for j, e in enumerate(step * np.eye(4)):
        slope = (log_density(T + e) - log_density(T - e)) / (2 * step)
        np.testing.assert_allclose(score[:, j], slope, rtol=1e-5, atol=1e-6)


def test_chart_whitens(rng):
    X = rng.standard_normal((1000, 3)) @ rng.standard_normal((3, 3)) * [1e-6, 1.0, 1e6] + 3.0
    m = moments(X)
    chart = Chart.from_moments(Reals(), m)
    np.testing.assert_allclose(chart.factor @ chart.factor.T, m.covariance, rtol=1e-9)
