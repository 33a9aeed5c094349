"""The affine map in which noise is isotropic: units, the reference Gaussian, weights, directions without variance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.covariance import LedoitWolf

from skscore.formulas.moments import moments
from skscore.maps.affine import PRECONDITIONINGS, flat_directions, isotropic

SCALES = {"plain": (1.0, 0.0), "far": (1.0, 1e8), "small": (1e-8, 0.0), "large": (1e8, -1e10)}


def rows(n=300, d=4, scale=1.0, offset=0.0):
    rng = np.random.default_rng(0)
    return offset + scale * rng.standard_normal((n, d)) @ (np.eye(d) + 0.7 * np.eye(d, k=1))


def isotropic_map(X, kind, weight=None):
    """The map of the rows, and the variances of the reference Gaussian after it."""
    return isotropic(X, moments(X, weight), kind)


@pytest.fixture(params=PRECONDITIONINGS)
def kind(request):
    return request.param


@pytest.mark.parametrize("units", SCALES)
def test_there_and_back(kind, units):
    X = rows(scale=SCALES[units][0], offset=SCALES[units][1])
    f, _ = isotropic_map(X, kind)
    Z = f.forward(X)
    assert_allclose(f.inverse(Z), X, rtol=1e-14, atol=1e-7 * SCALES[units][0])
    assert_allclose(f.matrix @ f.inverted.matrix, np.eye(4), atol=1e-12)
    assert_allclose(Z.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("units", SCALES)
def test_the_image_does_not_depend_on_units(kind, units):
    X, (scale, offset) = rows(), SCALES[units]
    Z = isotropic_map(X, kind)[0].forward(X)
    moved = offset + scale * X
    assert_allclose(np.abs(isotropic_map(moved, kind)[0].forward(moved)), np.abs(Z), atol=1e-4)


def test_the_reference_is_the_shrunk_covariance(kind):
    """Of the standardised rows (Ledoit & Wolf, 2004), or the identity."""
    X = rows(40)
    f, variance = isotropic_map(X, kind)
    back = f.inverted.matrix / X.std(axis=0)
    covariance = back.T @ np.diag(variance) @ back
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.eye(4) if kind == "standardize" else LedoitWolf(assume_centered=True).fit(standardised).covariance_
    assert_allclose(covariance, expected, atol=1e-10)


def test_noise_is_isotropic_in_standardised_columns():
    X = rows()
    for kind in ("per_direction", "standardize"):
        back = isotropic_map(X, kind)[0].inverted.matrix / X.std(axis=0)
        assert_allclose(back.T @ back, np.eye(4), atol=1e-12)
    assert_allclose(isotropic_map(X, "whiten")[1], 1.0)


def test_weights_move_the_mean(kind):
    X, weight = rows(), np.repeat([1.0, 0.0], 150)
    f, _ = isotropic_map(X, kind, weight)
    assert_allclose(f.inverse(np.zeros((1, 4)))[0], X[:150].mean(axis=0), atol=1e-12)


FLAT = {"duplicate": rows()[:, [0, 0]], "constant": np.ones((9, 2)), "few": rows(3)}


@pytest.mark.parametrize("X", FLAT.values(), ids=FLAT)
def test_directions_without_variance_are_floored_and_told(kind, X):
    f, variance = isotropic_map(X, kind)
    assert (variance > 0).all()
    assert np.isfinite(f.forward(X)).all()
    assert np.isfinite(f.log_det(X)).all()
    (remark,) = flat_directions(moments(X))
    assert "have no variance" in remark
    assert flat_directions(moments(rows())) == ()
