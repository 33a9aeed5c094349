"""Coordinates of a table: there and back, volumes, variances, scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.covariance import LedoitWolf

from skscore.maps.eigenbasis import COORDINATES, Eigenbasis

SCALES = {"plain": (1.0, 0.0), "far": (1.0, 1e8), "small": (1e-8, 0.0), "large": (1e8, -1e10)}


def rows(n=300, d=4, scale=1.0, offset=0.0):
    rng = np.random.default_rng(0)
    return offset + scale * rng.standard_normal((n, d)) @ (np.eye(d) + 0.7 * np.eye(d, k=1))


@pytest.fixture(params=COORDINATES)
def kind(request):
    return request.param


@pytest.mark.parametrize("units", SCALES)
def test_there_and_back(kind, units):
    X = rows(scale=SCALES[units][0], offset=SCALES[units][1])
    basis = Eigenbasis.of_rows(X, None, kind)
    Z = basis.to_basis(X)
    assert_allclose(basis.to_rows(Z), X, rtol=1e-14, atol=1e-7 * SCALES[units][0])
    assert_allclose(basis.matrix @ basis.inverse, np.eye(4), atol=1e-12)
    assert_allclose(basis.log_volume(X), np.linalg.slogdet(basis.matrix)[1])
    assert_allclose(Z.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("units", SCALES)
def test_coordinates_do_not_depend_on_units(kind, units):
    X, (scale, offset) = rows(), SCALES[units]
    Z = Eigenbasis.of_rows(X, None, kind).to_basis(X)
    moved = offset + scale * X
    assert_allclose(np.abs(Eigenbasis.of_rows(moved, None, kind).to_basis(moved)), np.abs(Z), atol=1e-4)


def test_the_reference_is_the_shrunk_covariance(kind):
    """Of the standardised rows (Ledoit & Wolf, 2004), or the identity."""
    X = rows(40)
    basis = Eigenbasis.of_rows(X, None, kind)
    covariance = basis.inverse.T @ np.diag(basis.variance) @ basis.inverse / np.outer(X.std(axis=0), X.std(axis=0))
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.eye(4) if kind == "standardize" else LedoitWolf(assume_centered=True).fit(standardised).covariance_
    assert_allclose(covariance, expected, atol=1e-10)


def test_noise_is_isotropic_in_standardised_columns():
    X = rows()
    for kind in ("per_direction", "standardize"):
        inverse = Eigenbasis.of_rows(X, None, kind).inverse / X.std(axis=0)
        assert_allclose(inverse.T @ inverse, np.eye(4), atol=1e-12)
    assert_allclose(Eigenbasis.of_rows(X, None, "whiten").variance, 1.0)


def test_scores_are_pulled_back_by_the_chain_rule(kind):
    X = rows()
    basis = Eigenbasis.of_rows(X, None, kind)

    def f(X):
        return np.sin(basis.to_basis(X)).sum(axis=1)

    h = 1e-5
    expected = np.transpose([(f(X + h * e) - f(X - h * e)) / (2 * h) for e in np.eye(4)])
    assert_allclose(basis.pull_back(np.cos(basis.to_basis(X)), X), expected, atol=1e-7)


def test_weights_move_the_mean(kind):
    X, weight = rows(), np.repeat([1.0, 0.0], 150)
    assert_allclose(Eigenbasis.of_rows(X, weight, kind).to_rows(np.zeros((1, 4)))[0], X[:150].mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("X", [rows()[:, [0, 0]], np.ones((9, 2)), rows(3)], ids=["duplicate", "constant", "few"])
def test_directions_without_variance_are_floored(kind, X):
    basis = Eigenbasis.of_rows(X, None, kind)
    assert (basis.variance > 0).all()
    assert np.isfinite(basis.to_basis(X)).all()
    assert np.isfinite(basis.log_volume(X))
