"""The algebra of polynomials: every operator on coefficients against the function it stands for."""

import numpy as np
import pytest

from skscore.models.monomial_products import evaluated, moments_by_products
from skscore.models.monomials import MonomialBasis

BASES = [MonomialBasis(1, 5, 1), MonomialBasis(3, 4, 2), MonomialBasis(2, 6, 2)]


@pytest.fixture(params=BASES, ids=lambda b: f"{b.exponents.shape[1]} variables, degree {b.degree}")
def basis(request):
    return request.param


@pytest.fixture
def c(basis, rng):
    return rng.standard_normal(len(basis))


@pytest.fixture
def U(basis, rng):
    return rng.standard_normal((20, basis.exponents.shape[1]))


def value(basis, c, U):
    return basis.evaluate(c[None], U)[:, 0]


def test_order_is_graded_then_lexicographic():
    exponents = MonomialBasis(2, 3, 2).exponents.tolist()
    assert exponents == [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2], [3, 0], [2, 1], [1, 2], [0, 3]]


def test_interaction_degree_limits_the_variables():
    exponents = MonomialBasis(4, 5, 2).exponents
    assert (exponents > 0).sum(axis=1).max() == 2
    assert len(np.unique(exponents, axis=0)) == len(exponents)


def test_derivatives(basis, c, U):
    step = 1e-6
    for j, D in enumerate(basis.derivatives):
        e = step * np.eye(U.shape[1])[j]
        slope = (value(basis, c, U + e) - value(basis, c, U - e)) / (2 * step)
        np.testing.assert_allclose(value(basis, D @ c, U), slope, rtol=1e-6, atol=1e-6)


def test_laplacian_in_scaled_units(basis, c, U):
    scale, step = np.linspace(0.5, 2.0, U.shape[1]), 1e-4
    second = sum(
        (value(basis, c, U + e) - 2 * value(basis, c, U) + value(basis, c, U - e)) / (step * s) ** 2
        for e, s in zip(step * np.eye(U.shape[1]), scale, strict=True)
    )
    np.testing.assert_allclose(
        value(basis, basis.laplacian(c[None], scale)[0], U), second, rtol=1e-4, atol=1e-4 * np.abs(second).max()
    )


def test_change_of_origin(basis, c, U):
    centre, scale = np.linspace(-1.0, 2.0, U.shape[1]), np.linspace(0.5, 3.0, U.shape[1])
    raw = basis.change_of_origin(centre, scale) @ c
    np.testing.assert_allclose(value(basis, raw, centre + scale * U), value(basis, c, U), rtol=1e-8, atol=1e-8)


def test_heat_flow_is_the_mean_over_noise(basis, U):
    """Exact Gauss-Hermite averages of every monomial over u + σz/scale."""
    sigma, scale = 0.6, np.linspace(0.5, 2.0, U.shape[1])
    nodes, weights = np.polynomial.hermite_e.hermegauss(basis.degree + 1)
    grid = np.stack(np.meshgrid(*[nodes] * U.shape[1], indexing="ij"), axis=-1).reshape(-1, U.shape[1])
    weight = np.prod(np.stack(np.meshgrid(*[weights] * U.shape[1], indexing="ij"), axis=-1).reshape(grid.shape), axis=1)
    noisy = (U[:, None, :] + sigma / scale * grid).reshape(-1, U.shape[1])
    repeated = np.tile(weight / weight.sum(), len(U))
    clean = basis.moments(U, np.ones(len(U)))
    np.testing.assert_allclose(
        basis.smoothed_moments(clean, sigma, scale), basis.moments(noisy, repeated), rtol=1e-10, atol=1e-9
    )


@pytest.mark.parametrize(("d", "q", "p"), [(1, 5, 1), (3, 1, 1), (3, 2, 2), (4, 3, 2), (5, 3, 3), (5, 4, 2), (4, 5, 4)])
def test_moments_are_entries_of_one_product(rng, d, q, p):
    """Of every degree up to 2q in at most 2p − 1 variables, whatever the rows, their place and their weights."""
    basis, X, weight = MonomialBasis(d, 2 * q, 2 * p - 1), 5.0 + rng.standard_normal((50, d)), rng.random(50)
    centre, scale = np.full(d, 4.5), np.linspace(1.0, 2.0, d)
    found = moments_by_products(basis, X, weight, centre, scale)
    expected = basis.moments((X - centre) / scale, weight)
    size = basis.moments(np.abs(X - centre) / scale, weight)
    np.testing.assert_allclose(found / size, expected / size, rtol=0.0, atol=1e-14)


def test_values_by_products_are_the_compiled_ones(basis, c, U):
    np.testing.assert_allclose(evaluated(basis, np.stack([c, 2.0 * c]), U)[:, 0], value(basis, c, U), rtol=1e-12)
