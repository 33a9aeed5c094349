"""torch.func derivatives against formulas, and through the estimator."""

import pickle

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore.domains import Orthant

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.autodiff import TorchStatistics, exponential_family  # noqa: E402


def quadratic(x):
    return torch.cat([x, x**2, (x[0] * x[1])[None]])


def test_derivatives_equal_formulas(rng):
    X, V = rng.standard_normal((7, 2)), rng.standard_normal((7, 2))
    T = TorchStatistics(lambda x: torch.stack([x[0] ** 2 * x[1], torch.sin(x[0])]))
    a, b = X.T
    np.testing.assert_allclose(T(X), np.column_stack([a**2 * b, np.sin(a)]), rtol=1e-12)
    jacobian = np.stack([np.column_stack([2 * a * b, a**2]), np.column_stack([np.cos(a), 0 * a])], axis=1)
    np.testing.assert_allclose(T.jacobian(X), jacobian, rtol=1e-12)
    np.testing.assert_allclose(T.laplacian(X), np.column_stack([2 * b, -np.sin(a)]), rtol=1e-12, atol=1e-15)
    curvature = np.column_stack([2 * b * V[:, 0] ** 2 + 4 * a * V[:, 0] * V[:, 1], -np.sin(a) * V[:, 0] ** 2])
    np.testing.assert_allclose(T.curvature(X, V), curvature, rtol=1e-12)


@pytest.mark.parametrize("objective", ["implicit", "explicit", "sliced", "denoising"])
def test_quadratic_statistics_are_the_gaussian(rng, objective):
    X = rng.standard_normal((300, 2)) @ np.array([[1.0, 0.5], [0.0, 0.7]]) + 1.0
    scores = [
        ScoreMatchingDensity(model, objective=objective, noise_level=0.3).fit(X, 1.0 - X).score_samples(X)
        for model in (exponential_family(quadratic), "gaussian")
    ]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-9)


def test_pickle_and_read_only_rows(rng):
    X = rng.standard_normal((100, 2))
    X.setflags(write=False)
    density = ScoreMatchingDensity(exponential_family(quadratic)).fit(X)
    copy = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(copy.score_samples(X), density.score_samples(X))


def test_truncated_normal_on_the_orthant(rng):
    """The truth of a truncated law is recovered: the weight that vanishes on the boundary does its work."""
    X = rng.standard_normal((40_000, 1)) + 0.5
    X = X[X[:, 0] > 0]
    theta = ScoreMatchingDensity(exponential_family(lambda x: torch.cat([x, x**2]), domain=Orthant())).fit(X).theta_
    np.testing.assert_allclose(theta, [0.5, -0.5], atol=0.06)
