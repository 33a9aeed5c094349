"""The objective of independent components: its value, its gradient and the coordinates it lives in."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad

from skscore.formulas import score_losses
from skscore.formulas.moments import moments
from skscore.maps.affine import Affine
from skscore.models.unmixing import (
    GAUSSIAN,
    SOURCES,
    _as_orthonormal,
    _as_unit,
    best_unmixing,
    heights,
    objective,
    principal_coordinates,
    sub_then_super,
)

SHAPES = [(1, 1), (2, 3), (3, 3), (5, 3)]  # components, directions


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]


def problem(m, r, rng, n=400):
    X = rng.laplace(size=(n, r)) @ rng.standard_normal((r, r)) + 3.0
    return rng.standard_normal((m, r)), rng.uniform(0.2, 2.0, m), X, principal_coordinates(moments(X))


def test_a_source_knows_its_derivatives(source):
    s, step = np.linspace(-3.0, 3.0, 31), 1e-5
    g, g1, g2 = source(s)
    ahead, behind = source(s + step), source(s - step)
    assert np.all(g * s <= 0.0)  # a score points back to the mode
    assert_allclose(g1, (ahead[0] - behind[0]) / (2 * step), atol=1e-8)
    assert_allclose(g2, (ahead[1] - behind[1]) / (2 * step), atol=1e-8)


@pytest.mark.parametrize(("m", "r"), SHAPES)
def test_the_objective_is_the_mean_hyvarinen_score(source, m, r, rng):
    W, alpha, X, coordinates = problem(m, r, rng)
    g, g1, _ = source(coordinates.forward(X) @ W.T)
    score, divergence = (alpha * g) @ W, (g1 * alpha * (W**2).sum(axis=1)).sum(axis=1)
    assert_allclose(
        objective(W, alpha, X, coordinates, source)[0], score_losses.implicit(score, divergence).mean(), rtol=1e-12
    )


@pytest.mark.parametrize(("m", "r"), SHAPES)
def test_the_gradient_is_that_of_differences(source, m, r, rng):
    W, alpha, X, coordinates = problem(m, r, rng)

    def at(z):
        return objective(z[: W.size].reshape(W.shape), z[W.size :], X, coordinates, source)

    z = np.concatenate([W.ravel(), alpha])
    gradient = np.concatenate([part.ravel() for part in at(z)[1:]])
    error = check_grad(lambda z: at(z)[0], lambda z: gradient, z, epsilon=1e-7)
    assert error <= 1e-4 * (1.0 + np.linalg.norm(gradient))


def test_blocks_of_rows_add_up(source, rng):
    W, alpha, X, coordinates = problem(5, 3, rng, n=50_000)  # several blocks
    whole = objective(W, alpha, X, coordinates, source)
    parts = zip(*(objective(W, alpha, half, coordinates, source) for half in (X[:25_000], X[25_000:])), strict=True)
    for value, halves in zip(whole, parts, strict=True):
        assert_allclose(value, sum(halves) / 2, rtol=1e-9)


@pytest.mark.parametrize(("m", "r"), SHAPES)
def test_a_weight_is_a_repetition(source, m, r, rng):
    W, alpha, X, coordinates = problem(m, r, rng)
    weight = rng.integers(0, 4, len(X)).astype(float)
    weighted = objective(W, alpha, X, coordinates, source, weight)
    repeated = objective(W, alpha, np.repeat(X, weight.astype(int), axis=0), coordinates, source)
    scaled = objective(W, alpha, X, coordinates, source, 17.0 * weight)
    for value, expected, again in zip(weighted, repeated, scaled, strict=True):
        assert_allclose(value, expected, rtol=1e-8, atol=1e-12)
        assert_allclose(again, value, rtol=1e-8, atol=1e-12)


def test_memory_does_not_grow_with_the_rows(source, rng):
    def peak(n):
        W, alpha, X, coordinates = problem(5, 3, rng, n)
        tracemalloc.start()
        try:
            objective(W, alpha, X, coordinates, source)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(400_000) < 1.2 * peak(100_000)


def test_one_component_has_its_scale_in_closed_form(source, rng):
    """J = α E g′ + ½ α² E g²."""
    X = rng.laplace(size=(500, 1))
    coordinates = principal_coordinates(moments(X))
    found = best_unmixing(X, coordinates, 1, source, n_init=1, max_iter=200, tol=1e-10, rng=rng)
    g, g1, _ = source(coordinates.forward(X))
    assert_allclose(found.scales, -g1.mean() / (g * g).mean(), rtol=1e-6)
    assert_allclose(found.objective, -0.5 * g1.mean() ** 2 / (g * g).mean(), rtol=1e-10)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_the_minimum_is_stationary(m, source, rng):
    """On orthonormal rows, or on rows of norm 1 where these are more than the directions."""
    _, _, X, coordinates = problem(m, 3, rng)
    found = best_unmixing(X, coordinates, m, source, n_init=2, max_iter=2000, tol=1e-7, rng=rng)
    W, alpha = found.directions, found.scales
    J, dJ_dW, dJ_dalpha = objective(W, alpha, X, coordinates, source)
    multiplier = dJ_dW @ W.T
    multiplier = (multiplier + multiplier.T) / 2 if m <= 3 else np.diag(np.diag(multiplier))
    assert found.converged
    assert_allclose(found.objective, J, rtol=1e-10)
    assert_allclose(W @ W.T if m <= 3 else (W**2).sum(axis=1), np.eye(m) if m <= 3 else 1.0, atol=1e-12)
    assert_allclose(dJ_dW, multiplier @ W, atol=1e-5)
    assert_allclose(np.where(alpha > 0.0, dJ_dalpha, np.minimum(dJ_dalpha, 0.0)), 0.0, atol=1e-5)


@pytest.mark.parametrize(("m", "r", "constraint"), [(2, 4, _as_orthonormal), (4, 4, _as_orthonormal), (5, 3, _as_unit)])
def test_gradients_pass_through_the_constraint(m, r, constraint, rng):
    V, G, change = rng.standard_normal((3, m, r))
    W, pulled_back = constraint(V)
    step = 1e-6 * change
    along = np.sum(G * (constraint(V + step)[0] - constraint(V - step)[0])) / 2e-6
    assert_allclose(np.sum(pulled_back(G) * change), along, rtol=1e-6)
    assert_allclose(constraint(W)[0], W, atol=1e-12)


# --- sources that the rows choose -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_heights_are_measured_from_a_gaussian_component(name):
    """Its objective J = −½ (E g′)²/E g², and √n times the deviation of J over tables: that of the rows' influence on J.

    Influence along s² − 1 has no part in it, as the rows of a table are scaled to variance 1.
    """
    s, share = np.polynomial.hermite_e.hermegauss(100)
    share /= share.sum()
    g, g1, _ = SOURCES[name](s)
    a, b, He2 = share @ g1, share @ g**2, s**2 - 1.0
    influence = -a / b * (g1 - a) + 0.5 * (a / b) ** 2 * (g**2 - b)
    influence -= share @ (influence * He2) / 2.0 * He2
    assert_allclose(GAUSSIAN[name], [-0.5 * a**2 / b, np.sqrt(share @ influence**2)], rtol=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_height_is_that_of_a_component_by_itself(source, scale, rng):
    """In whatever units its rows are: a source has variance 1."""
    X = scale * rng.laplace(size=(500, 1))
    name, white = next(name for name in SOURCES if SOURCES[name] is source), principal_coordinates(moments(X))
    mean, deviation = GAUSSIAN[name]
    lone = best_unmixing(X, white, 1, source, n_init=1, max_iter=200, tol=1e-10, rng=rng).objective
    found = heights(np.ones((1, 1)), X, Affine.centring(moments(X)), moments(X))
    assert_allclose(found[list(SOURCES).index(name)], np.sqrt(500) * (lone - mean) / deviation, rtol=1e-8)


def test_weights_of_heights_are_repetitions_up_to_their_number(rng):
    """A repeated row is one row more for the mean, but none for chance."""
    W, _, X, coordinates = problem(3, 3, rng)
    weight = rng.integers(1, 4, len(X)).astype(float)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    weighted = heights(W, X, coordinates, moments(X, weight), weight)
    many, few = weight.sum(), weight.sum() ** 2 / (weight**2).sum()
    assert_allclose(weighted, np.sqrt(few / many) * heights(W, repeated, coordinates, moments(repeated)), rtol=1e-8)


def test_columns_have_sources_of_their_own(rng):
    S = rng.standard_normal((5, 3))
    for value, low, high in zip(sub_then_super(2)(S), SOURCES["quartic"](S), SOURCES["logcosh"](S), strict=True):
        assert_allclose(value, np.c_[low[:, :2], high[:, 2:]], rtol=0.0)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_principal_coordinates_are_white_and_leave_out_what_does_not_vary(offset, rng):
    X = rng.standard_normal((300, 3)) * [1.0, 1e3, 1e-2]
    X = np.column_stack([X, X[:, 0] + 1e-3 * X[:, 1], np.ones(300)]) + offset
    coordinates = principal_coordinates(moments(X))
    Y = coordinates.forward(X)
    assert Y.shape == (300, 3)
    assert_allclose(np.cov(Y.T, ddof=0), np.eye(3), atol=1e-4 if offset else 1e-10)
    assert_allclose(Y.mean(axis=0), 0.0, atol=1e-4 if offset else 1e-12)
    assert principal_coordinates(moments(X), 2).forward(X).shape == (300, 2)
