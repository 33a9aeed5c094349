"""The autoregressive map as a chart of R^d, and its fit to rows that ask for scales of their own."""

import numpy as np
import pytest

from skscore.datasets import Banana, Funnel
from skscore.maps.affine import Affine
from skscore.maps.autoregressive import Autoregressive, ScaledReals, fit_autoregressive

STEP = 1e-5


@pytest.fixture(params=[10.0, 0.3])
def domain(rng, request):
    """A map of three columns in the order 2, 0, 1, with limits that many or few rows are beyond."""
    order = np.array([2, 0, 1])
    A, C = np.zeros((2, 3, 3))
    A[np.ix_(order, order)] = np.triu(rng.standard_normal((3, 3)), 1) + np.diag([1.5, 0.7, 2.0])
    C[np.ix_(order, order)] = np.triu(0.5 * rng.standard_normal((3, 3)), 1)
    origin = rng.standard_normal(3)
    linear, log_scale = (Affine(origin, M, rng.standard_normal(3)) for M in (A, C))
    limits = request.param * np.array([[-1.0], [1.0]]) * np.ones(3)
    return ScaledReals(Autoregressive(linear, log_scale, limits, tuple(order)))


def jacobian(function, X):
    """∂f_i/∂x_k by central differences, shape (n, i, k)."""
    return np.stack([(function(X + e) - function(X - e)) / (2 * STEP) for e in STEP * np.eye(X.shape[1])], axis=-1)


def test_there_and_back(domain, rng):
    X = rng.standard_normal((50, 3))
    np.testing.assert_allclose(domain.from_reals(domain.to_reals(X)), X, rtol=1e-12, atol=1e-12)


def test_volume_and_score_are_those_of_the_jacobian(domain, rng):
    U, score = rng.standard_normal((2, 20, 3))
    P = jacobian(domain.from_reals, U)
    np.testing.assert_allclose(domain.log_det(U), np.linalg.slogdet(P)[1], atol=1e-7)
    slope = jacobian(lambda U: domain.log_det(U)[:, None], U)[:, 0]
    pulled = domain.pull_score(U, score)
    np.testing.assert_allclose(pulled, np.einsum("nik,ni->nk", P, score) + slope, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(domain.map.pull_score(domain.from_reals(U), pulled), score, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_funnel_is_found_in_any_order_of_its_columns(order):
    X = Funnel(3).sample(2000, 0)[:, order]
    found = fit_autoregressive(X, None, *np.split(np.arange(2000), [1800]))
    assert found.order[0] == order.index(0)
    Y = found.forward(X)
    np.testing.assert_allclose(Y.std(axis=0), 1.0, atol=0.06)
    neck = Y[X[:, order.index(0)] < -4.0]
    np.testing.assert_allclose(np.delete(neck, order.index(0), axis=1).std(axis=0), 1.0, atol=0.2)


@pytest.mark.parametrize("law", [Banana(), Banana(curvature=3.0), Funnel(scale=0.2)])
def test_other_rows_need_no_scales_of_their_own(law):
    assert fit_autoregressive(law.sample(2000, 0), None, *np.split(np.arange(2000), [1800])) is None


def test_integer_weights_are_repeated_rows(rng):
    X = Funnel().sample(600, 0)
    copies = np.concatenate([rng.integers(0, 3, 500), np.ones(100, dtype=int)])
    by_weight = fit_autoregressive(X, copies.astype(float), *np.split(np.arange(600), [500]))
    n = copies.sum()
    by_copies = fit_autoregressive(np.repeat(X, copies, axis=0), None, *np.split(np.arange(n), [n - 100]))
    np.testing.assert_allclose(by_weight.forward(X), by_copies.forward(X), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("flat", [lambda X: X[:, 1], lambda X: np.full(len(X), 1e5)], ids=["repeated", "constant"])
def test_columns_without_variance_of_their_own_have_no_scale(flat):
    X = Funnel().sample(400, 0)
    assert fit_autoregressive(X, None, *np.split(np.arange(400), [300])) is not None
    assert fit_autoregressive(np.column_stack([X, flat(X)]), None, *np.split(np.arange(400), [300])) is None
