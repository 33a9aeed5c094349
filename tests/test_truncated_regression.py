"""The benchmarks' pseudo-likelihood of a truncated Gaussian: its law, its derivatives, its maximum, its errors."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import truncnorm

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def regression(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("truncated_regression")


@pytest.fixture
def table(rng):
    """Design, response and parameters (slope, intercept, κ) of a truncated regression."""
    theta = np.array([-0.8, 0.6, 1.7])
    D = np.column_stack([rng.gamma(2.0, 0.5, 50000), np.ones(50000)])
    mean, scale = D @ theta[:2] / theta[2], theta[2] ** -0.5
    return D, truncnorm.rvs(-mean / scale, np.inf, mean, scale, random_state=rng), theta


def test_normaliser_and_moments_are_those_of_scipy(regression):
    m, kappa = np.linspace(-4.0, 4.0, 9), 1.7
    mean, scale = m / kappa, kappa**-0.5
    law = truncnorm(-mean / scale, np.inf, mean, scale)
    log_z, *moments = regression.truncated_normal(m, kappa)
    np.testing.assert_allclose(0.9 * m - 0.5 * kappa * 0.81 - log_z, law.logpdf(0.9), rtol=1e-10)
    for order, moment in enumerate(moments, start=1):
        expected = [truncnorm(-a / scale, np.inf, a, scale).moment(order) for a in mean]
        np.testing.assert_allclose(moment, expected, rtol=1e-8)


def test_derivatives_are_central_differences(regression, table):
    D, x, theta = (part[:40] for part in table)
    gradient, hessian = regression.slope_and_bend(theta, D, x)
    for k, step in enumerate(1e-5 * np.eye(3)):
        ends = theta + step, theta - step
        slope = np.subtract(*(regression.loss(end, D, x) for end in ends)) / 2e-5
        bend = np.subtract(*(regression.slope_and_bend(end, D, x)[0] for end in ends)) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-7)
        np.testing.assert_allclose(hessian[k], bend, rtol=1e-7)


def test_parameters_come_back_within_their_errors(regression, table):
    D, x, theta = table
    found, covariance = regression.maximum(D, x)
    distance = found - theta
    assert distance @ np.linalg.solve(covariance, distance) < 16.3  # of χ² with three degrees: one in a thousand
    np.testing.assert_allclose(found, theta, rtol=0.1)


def test_pairs_that_interact_stand_out(regression, rng):
    """x₀ and x₁ interact and x₂ is apart: rows by rejection from the Gaussian on the orthant."""
    K = np.array([[1.0, -0.5, 0.0], [-0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    rows = rng.multivariate_normal(np.full(3, 0.5), np.linalg.inv(K), 8000)
    X = rows[(rows > 0.0).all(axis=1)]
    Z, evidence = regression.z_values(X), regression.evidence(X)
    assert min(Z[0, 1], Z[1, 0]) > 5.0
    assert max(evidence[0, 2], evidence[1, 2]) < 4.0 < evidence[0, 1]
    np.testing.assert_array_equal(evidence, evidence.T)
