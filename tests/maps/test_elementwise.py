"""The elementwise maps: images, supports, and slopes at their edges."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from skscore.maps.elementwise import BoxCox, NormalQuantile, PiecewiseLinear, YeoJohnson


@pytest.mark.parametrize("power", [-0.7, 0.0, 0.4, 1.0, 2.0, 2.6])
@pytest.mark.parametrize("family", [BoxCox, YeoJohnson])
def test_power_maps_know_their_image(family, power):
    f = family(np.array([power]))
    X = np.geomspace(1e-3, 1e3, 60)[:, None]
    X = X if family is BoxCox else np.concatenate([-X, X])
    Z = f.forward(X)
    assert f.reaches(Z).all()
    assert_allclose(f.inverse(Z), X, rtol=1e-6)
    everywhere = f.reaches(np.linspace(-1e3, 1e3, 41)[:, None]).all()
    assert f.surjective == everywhere


def test_box_cox_has_the_support_of_its_logarithm():
    f = BoxCox(np.array([0.0, 0.3]))
    assert f.contains(np.array([[1.0, 2.0], [0.0, 2.0], [1.0, -1.0]])).tolist() == [True, False, False]


def test_yeo_johnson_of_negative_values_has_the_derivatives_of_its_slope():
    X = np.random.default_rng(5).normal(size=(200, 2)) ** 3
    f = YeoJohnson(np.array([0.7, 1.4]))
    h = 1e-6
    numerical = np.log((f.forward(X + h) - f.forward(X - h)) / (2 * h)).sum(axis=1)
    assert_allclose(f.log_det(X), numerical, atol=1e-6)
    S, V = np.zeros(X.shape), np.ones(X.shape)
    away_from_0 = (np.abs(X) > 1e-3).all(axis=1)
    gradient = (f.log_slope(X + h) - f.log_slope(X - h)) / (2 * h)
    curvature = ((f.log_slope_gradient(X + h) - f.log_slope_gradient(X - h)) / (2 * h)).sum(axis=1)
    assert_allclose(f.pull_score(X, S)[away_from_0], gradient[away_from_0], atol=1e-7)
    assert_allclose(f.second_order(X, V, S)[away_from_0], curvature[away_from_0], atol=1e-7)


def test_quantile_map_averages_the_slopes_at_a_knot_and_is_one_sided_at_the_edge():
    f = PiecewiseLinear(np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 0.5, 1.0]))
    slopes = np.exp(f.log_slope(np.array([[0.0], [0.5], [1.0], [2.0], [3.0]])))[:, 0]
    assert_allclose(slopes, [0.5, 0.5, 0.375, 0.25, 0.25])
    X = np.array([[0.0], [3.0], [-1e-12], [-1e-6], [3.001]])
    assert f.contains(X).tolist() == [True, True, True, False, False]
    assert_allclose(f.forward(X[:3]), [[0.0], [1.0], [0.0]])


def test_normal_quantile_is_constant_on_its_slivers():
    edge = 1e-7
    f = NormalQuantile(edge)
    U = np.array([[0.0], [0.5 * edge], [1.0 - 0.5 * edge], [1.0]])
    border = np.array([[edge], [edge], [1.0 - edge], [1.0 - edge]])
    assert_allclose(f.forward(U), special.ndtri(border))
    assert_allclose(f.log_det(U), f.log_det(border))
    ones = np.ones(U.shape)
    assert not f.pull_score(U, ones).any()
    assert not f.second_order(U, ones, ones).any()
    assert not f.pushforward(U, ones).any()
