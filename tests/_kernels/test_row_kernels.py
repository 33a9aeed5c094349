"""Kernels for levels and numbers of rows against numpy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp, softmax

from skscore._kernels import latent_classes, one_hot, triangles

N, Q, L, P, G = 90, 3, 7, 4, 2


@pytest.fixture(params=[5, 12], ids=["few classes", "more"])
def K(request):
    return request.param


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, 1 + P))


@pytest.fixture
def pattern(rng):
    """Some rows of one pattern, then others that change."""
    return np.append(np.zeros(40, dtype=np.int64), rng.integers(G, size=N - 40))


@pytest.fixture
def places(rng):
    return rng.integers(L, size=(N, Q)).astype(np.int32)


def test_terms(X, pattern, places, K, rng):
    of_levels, slopes = rng.standard_normal((L, K)), rng.standard_normal((G, 1 + P, K))
    W = rng.standard_normal((G, P, 1 + P, K)) * np.tri(P, 1 + P, 1)[:, :, None]
    start = rng.standard_normal((N, K))
    out = start.copy()
    one_hot.add_levels(places, of_levels, out)
    latent_classes.add_linear(X, pattern, slopes, out)
    latent_classes.add_linear(X, pattern, slopes[:, :1], out)
    latent_classes.subtract_squares(X, pattern, W, out)
    linear = np.einsum("ib,ibk->ik", X, slopes[pattern]) + X[:, :1] * slopes[pattern, 0]
    squares = np.square(np.einsum("ib,iabk->iak", X, W[pattern])).sum(axis=1)
    assert_allclose(out, start + of_levels[places].sum(axis=1) + linear - 0.5 * squares, rtol=1e-12, atol=1e-12)


def test_sums(X, pattern, places, K, rng):
    shares, of_levels, products = rng.random((N, K)), np.zeros((L, K)), np.zeros((G, 1 + P, 1 + P, K))
    one_hot.sum_levels(places, shares, of_levels)
    latent_classes.sum_products(X, pattern, shares, products)
    known, of_pattern = (places[:, :, None] == np.arange(L)).sum(axis=1), pattern[:, None] == np.arange(G)
    assert_allclose(of_levels, known.T @ shares, rtol=1e-12)
    expected = np.einsum("ig,ik,ia,ib->gabk", of_pattern, shares, X, X, optimize=True)
    assert_allclose(products, expected * np.tri(1 + P)[:, :, None], rtol=1e-11, atol=1e-12)


def test_shares(K, rng):
    terms, weight = 1e3 * rng.standard_normal((N, K)), rng.random(N)
    log_sums, expected = logsumexp(terms, axis=1), weight[:, None] * softmax(terms, axis=1)
    assert_allclose(latent_classes.log_sums(terms), log_sums, rtol=1e-13)
    assert_allclose(latent_classes.to_shares(terms, weight), weight @ log_sums, rtol=1e-12)
    assert_allclose(terms, expected, rtol=1e-12, atol=1e-300)


def test_triangles(pattern, rng):
    L_, order = np.tril(rng.uniform(0.5, 1.0, (G, P, P))), np.array([rng.permutation(P) for _ in range(G)])
    V, product, back = rng.standard_normal((N, P)), np.empty((N, P)), np.empty((N, P))
    triangles.multiply(L_, order, pattern, V, product)
    triangles.solve(L_, order, pattern, product, back)
    own = order[pattern]
    expected = np.einsum("nij,nj->ni", L_[pattern], np.take_along_axis(V, own, axis=1))
    assert_allclose(np.take_along_axis(product, own, axis=1), expected, rtol=1e-13)
    assert_allclose(back, V, rtol=1e-10)


def test_whitening(K, rng):
    roots, masks = rng.standard_normal((K, P, P)), np.array([[True] * P, [False, True, False, True]])
    covariances, W, log_det = roots @ roots.mT + np.eye(P), np.zeros((G, P, P, K)), np.empty((G, K))
    latent_classes.whiten(covariances, masks, W, log_det)
    for g, mask in enumerate(masks):
        L = np.linalg.cholesky(covariances[:, mask][:, :, mask])
        assert_allclose(W[g][np.ix_(mask, mask)].transpose(2, 0, 1), np.linalg.inv(L), rtol=1e-8, atol=1e-12)
        assert_allclose(log_det[g], np.linalg.slogdet(L)[1], rtol=1e-10)
        assert not W[g][~mask].any()
        assert not W[g][:, ~mask].any()
