"""Polynomials that are bounded above: against a solver that knows the bound at many points, and no sum of squares."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skscore.fitting.sums_of_squares import is_bounded, nearest_bounded
from skscore.models.envelope import blocks, normal_moments
from skscore.models.monomials import MonomialBasis

BOUND = 0.7


class Problem:
    """A rising polynomial of `d` columns, which is not bounded."""

    def __init__(self, d, degree, n_together, seed=0):
        rng = np.random.default_rng(seed)
        self.basis = MonomialBasis(d, degree, n_together)
        self.certificate = blocks(self.basis, n_together), normal_moments(self.basis)
        self.mean = self.basis.moments(rng.standard_normal((30, d)), np.full(30, 1.0 / 30.0))[1:]
        self.theta = rng.standard_normal(len(self.mean))
        root = rng.standard_normal((len(self.mean), len(self.mean)))
        self.A = root @ root.T + np.eye(len(self.mean))

    def nearest(self):
        return nearest_bounded(self.theta, self.A, self.mean, BOUND, *self.certificate)

    def value(self, theta):
        return 0.5 * (theta - self.theta) @ self.A @ (theta - self.theta)

    def constraints(self, directions):
        """Constants and rows C with b + θᵀ(t̄ − T(u)), times x₀ᵖ, where u = x/x₀ for directions (x₀, x)."""
        first, rest = np.abs(directions[:, 0]), directions[:, 1:]
        degrees = self.basis.exponents.sum(axis=1)
        monomials = self.basis.evaluate(np.eye(len(self.basis)), rest) * first[:, None] ** (self.basis.degree - degrees)
        top = first**self.basis.degree
        return BOUND * top, top[:, None] * self.mean - monomials[:, 1:]

    def by_points(self, rng, n_rounds=25):
        """θ under the bound at points, of which the most violated are added in turns."""
        d, theta = self.basis.exponents.shape[1], np.zeros(len(self.mean))
        points = on_sphere(rng.standard_normal((60, d + 1)))
        for _ in range(n_rounds):
            b, C = self.constraints(points)
            bounds = {"type": "ineq", "fun": lambda t, b=b, C=C: b + C @ t, "jac": lambda t, C=C: C}
            theta = minimize(
                self.value,
                theta,
                jac=lambda t: self.A @ (t - self.theta),
                constraints=bounds,
                method="SLSQP",
                options={"ftol": 1e-13, "maxiter": 500},
            ).x
            tight = points[np.abs(b + C @ theta) < 1e-6]
            near = on_sphere(tight[rng.integers(len(tight), size=4000)] + 0.03 * rng.standard_normal((4000, d + 1)))
            candidates = np.vstack([near, on_sphere(rng.standard_normal((4000, d + 1)))])
            b, C = self.constraints(candidates)
            points = np.vstack([points, candidates[np.argsort(b + C @ theta)[:15]]])
        return theta


def on_sphere(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(("d", "degree", "n_together"), [(1, 4, 1), (1, 6, 1), (3, 2, 2), (2, 4, 2), (3, 4, 1)])
def test_the_nearest_bounded_polynomial_is_that_of_another_solver(d, degree, n_together, rng):
    """In all of these cases, a polynomial that is not negative is a sum of squares: nothing is lost."""
    problem = Problem(d, degree, n_together)
    ours, theirs = problem.nearest().theta, problem.by_points(rng)
    assert problem.value(ours) == pytest.approx(problem.value(theirs), rel=1e-5)
    distance = (ours - theirs) @ problem.A @ (ours - theirs)
    assert distance < 1e-5 * problem.value(ours)


@pytest.mark.parametrize(("d", "degree", "n_together"), [(2, 4, 2), (4, 4, 2), (4, 4, 3), (3, 6, 2)])
def test_conditions_of_an_optimum(d, degree, n_together):
    """The bound is proved, holds with equality somewhere or at infinity, and no step along the way to θ̂ keeps it."""
    problem = Problem(d, degree, n_together)
    found = problem.nearest()
    assert found.remarks == ()
    proved = [
        is_bounded(theta, problem.mean, BOUND, *problem.certificate)
        for theta in (0.999 * found.theta, found.theta + 0.001 * (problem.theta - found.theta), problem.theta)
    ]
    assert proved == [True, False, False]


def test_what_is_bounded_moves_by_less_than_the_accuracy():
    problem = Problem(2, 4, 2)
    problem.theta = 0.5 * problem.nearest().theta
    assert is_bounded(problem.theta, problem.mean, BOUND, *problem.certificate)
    assert problem.value(problem.nearest().theta) < 1e-8 * 0.5 * problem.theta @ problem.A @ problem.theta


def test_directions_that_cost_nothing_are_free():
    """θ₂ = ½ rises by u²/2; where A is flat, it may fall at once, while θ₁ stays."""
    problem = Problem(1, 4, 1)
    problem.A = np.diag([1.0, 0.0, 1.0, 0.0])
    problem.theta = np.array([0.1, 0.5, 0.0, 0.1])
    np.testing.assert_allclose(problem.nearest().theta[[0, 2]], problem.theta[[0, 2]], atol=1e-4)
