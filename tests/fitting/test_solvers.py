"""Solvers: stationarity, and what they say where there is no minimum."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from skscore.fitting.solvers import UnboundedObjectiveError, solve_lyapunov, solve_ridge
from skscore.formulas.quadratic import QuadraticForm


@pytest.fixture
def form(rng):
    root = rng.standard_normal((5, 5))
    return QuadraticForm(root @ root.T, rng.standard_normal(5), 0.0, 1.0)


def test_gradient_of_the_penalised_objective_vanishes(form, rng):
    root, centre = rng.standard_normal((5, 5)), rng.standard_normal(5)
    for B, A in ((root, root.T @ root), (None, np.eye(5))):
        theta = solve_ridge(form, 0.3, B, centre).theta
        np.testing.assert_allclose(form.gradient(theta) + 0.3 * A @ (theta - centre), 0.0, atol=1e-11)


def test_a_ridge_decides_what_the_data_do_not(form, rng):
    flat, root = form.Gamma.copy(), rng.standard_normal((5, 5))
    flat[0], flat[:, 0] = 0.0, 0.0
    theta = solve_ridge(QuadraticForm(flat, form.g, 0.0, 1.0), 0.3, root).theta
    np.testing.assert_allclose((flat + 0.3 * root.T @ root) @ theta, form.g, atol=1e-10)


def test_scale_of_the_parameters_does_not_matter(form):
    units = np.logspace(-12, 12, 5)
    scaled = QuadraticForm(form.Gamma * np.outer(units, units), form.g * units, 0.0, 1.0)
    np.testing.assert_allclose(units * solve_ridge(scaled).theta, solve_ridge(form).theta, rtol=1e-8)


def test_no_minimum_is_said(form):
    flat = form.Gamma.copy()
    flat[0], flat[:, 0] = 0.0, 0.0
    with pytest.raises(UnboundedObjectiveError, match="unbounded below"):
        solve_ridge(QuadraticForm(flat, form.g, 0.0, 1.0))


def test_least_norm_where_the_data_leave_a_choice(rng):
    root = rng.standard_normal((5, 3))
    Gamma = root @ root.T
    g = Gamma @ rng.standard_normal(5)
    theta, (remark,), is_determined = solve_ridge(QuadraticForm(Gamma, g, 0.0, 1.0))
    assert not is_determined
    assert remark.startswith("2 of 5 natural parameters are not determined")
    np.testing.assert_allclose(Gamma @ theta, g, atol=1e-9)


def test_lyapunov_meets_scipy_and_the_inverse(rng):
    root, C = rng.standard_normal((6, 6)), rng.standard_normal((6, 6))
    S = root @ root.T + np.eye(6)
    np.testing.assert_allclose(solve_lyapunov(S, C), solve_continuous_lyapunov(S, C + C.T), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(solve_lyapunov(S, np.eye(6)), np.linalg.inv(S), rtol=1e-9, atol=1e-12)
