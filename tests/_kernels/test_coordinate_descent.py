"""Coordinate descent against closed forms and the plain formulas."""

import numpy as np
import pytest

from skscore._kernels import coordinate_descent


def blocks(rng, k, m):
    root = rng.standard_normal((k, m, 2 * m))
    return root @ root.mT / (2 * m)


@pytest.mark.parametrize("k", [1, 4])
def test_products_are_those_of_numpy(rng, k):
    Gamma, theta, out = blocks(rng, k, 5), rng.standard_normal((4, 5)) * rng.integers(0, 2, (4, 5)), np.empty((4, 5))
    coordinate_descent.products(Gamma, theta, out)
    np.testing.assert_allclose(out, np.einsum("jik,jk->ji", np.broadcast_to(Gamma, (4, 5, 5)), theta), rtol=1e-13)


@pytest.mark.parametrize("k", [1, 4])
def test_gathered_blocks_are_submatrices(rng, k):
    Gamma, mask = blocks(rng, k, 5), rng.random((4, 5)) < 0.6
    sizes = mask.sum(axis=1)
    block, out = np.cumsum(sizes**2) - sizes**2, np.empty((sizes**2).sum())
    coordinate_descent.gather(Gamma, np.concatenate([[0], np.cumsum(sizes)]), np.nonzero(mask)[1], block, out)
    expected = [Gamma[min(j, k - 1)][np.ix_(kept, kept)].ravel() for j, kept in enumerate(mask)]
    np.testing.assert_array_equal(out, np.concatenate(expected))
    theta, product = rng.standard_normal(mask.sum()) * rng.integers(0, 2, mask.sum()), np.empty(mask.sum())
    first = np.concatenate([[0], np.cumsum(sizes)])
    coordinate_descent.gathered_products(first, block, out, theta, product)
    parts = [
        part.reshape(k, k) @ theta[a : a + k]
        for part, a, k in zip(np.split(out, block[1:]), first[:-1], sizes, strict=True)
    ]
    np.testing.assert_allclose(product, np.concatenate(parts), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("spans", [[([0], 3)], [([0, 1, 2], 1)], [([0], 1), ([1, 2], 1)]])
def test_without_pairs_or_penalty_it_solves_the_equations(rng, spans):
    Gamma, g = blocks(rng, 3, 4), rng.standard_normal((3, 4))
    theta, curvature = np.zeros(12), np.diagonal(Gamma, axis1=1, axis2=2).ravel()
    first, own, block = np.arange(0, 13, 4), np.arange(12), 16 * np.arange(3)
    args = first, own // 4, own, block, Gamma.ravel(), curvature, np.zeros(12), theta, -g.ravel()
    for lows, width in spans:
        coordinate_descent.descend(np.array(lows), width, *args, np.full(12, 1e-14), 10_000, np.zeros(3, dtype=int))
    np.testing.assert_allclose(theta.reshape(3, 4), np.linalg.solve(Gamma, g[:, :, None])[:, :, 0], rtol=1e-10)


def test_a_pair_keeps_one_value_and_has_the_mean_of_two_slopes():
    """Two columns of two entries, diagonal blocks: each entry is soft-thresholded by itself."""
    curvature, slopes = np.array([1.0, 2.0, 4.0, 1.0]), np.array([-1.0, -5.0, -1.0, -2.0])
    theta, mirror = np.zeros(4), np.array([0, 2, 1, 3])
    blocks = np.concatenate([np.diag(curvature[:2]).ravel(), np.diag(curvature[2:]).ravel()])
    penalty = np.array([0.0, 0.75, 0.75, 0.0])
    args = (np.array([0, 2, 4]), np.array([0, 0, 1, 1]), mirror, np.array([0, 4]), blocks, curvature, penalty)
    swept = np.zeros(1, dtype=int)
    coordinate_descent.descend(np.array([0]), 2, *args, theta, slopes, np.full(4, 1e-12), 10, swept)
    np.testing.assert_allclose(theta, [1.0, 0.75, 0.75, 2.0])
    np.testing.assert_allclose(slopes, [0.0, -3.5, 2.0, 0.0])
    assert swept == [2]
