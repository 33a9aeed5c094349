"""A table through DenoisingScoreEstimator's door: cells, bounds, degenerate columns, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from skscore import DenoisingScoreEstimator
from skscore.datasets import Funnel
from skscore.estimators.preprocessing import read_preprocessing
from skscore.formulas.moments import moments
from skscore.neural import ScoreNetwork


def density(**parameters):
    return DenoisingScoreEstimator(**{"model": "gaussian", "random_state": 0, **parameters})


def rows(n=200, d=2):
    return np.random.default_rng(0).standard_normal((n, d)) @ (np.eye(d) + 0.5 * np.eye(d, k=1))


def test_columns_in_which_values_recur_come_back_to_their_values():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 2, 300), rng.normal(size=300).round(1), rng.normal(size=300)])
    draws = density().fit(X).sample(500)
    assert set(draws[:, 0]) == {0.0, 1.0}
    assert_array_equal(draws[:, 1], draws[:, 1].round(1))
    assert len(set(draws[:, 2])) == 500


@pytest.mark.parametrize("bounds", [(0, [1, 9]), ([0.0, 0.0], [1.0, 9.0])])
def test_cells_and_bounds_together(bounds):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 2, 300), rng.poisson(2.0, 300)])
    draws = density(bounds=bounds).fit(X).sample(500)
    assert set(draws[:, 0]) == {0.0, 1.0}
    assert set(draws[:, 1]) <= set(range(10))


def test_a_table_in_which_values_recur_has_one_density_for_every_noise_level():
    X = np.column_stack([np.random.default_rng(0).integers(0, 2, 300), rows(300)])
    scores = [density(sigma_min=s).fit(X).score(X) for s in (0.001, 0.01, 0.03)]
    assert np.ptp(scores) < 0.02


@pytest.mark.parametrize(("scale", "offset"), [(1e-8, 0.0), (1.0, 1e8), (1e8, -1e10)])
def test_units_change_the_density_by_their_jacobian(scale, offset):
    X = rows()
    plain, moved = density(dequantize=False).fit(X), density(dequantize=False).fit(offset + scale * X)
    difference = plain.score_samples(X) - moved.score_samples(offset + scale * X)
    assert_allclose(difference, 2 * np.log(scale), atol=1e-4)
    assert_allclose(moved.grad_log_density(offset + scale * X) * scale, plain.grad_log_density(X), atol=1e-4)


DEGENERATE = {
    "constant": (np.column_stack([rows(), np.full(200, 3.0)]), r"columns \[2\] are constant"),
    "duplicate": (rows()[:, [0, 1, 0]], r"columns \[0, 2\] are correlated beyond"),
    "sum": (np.column_stack([rows(), rows().sum(axis=1)]), "1 directions have no variance"),
    "few": (rows(4, 6), "correlated beyond|have no variance"),
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_tables_fit_with_a_warning(kind):
    X, message = DEGENERATE[kind]
    with pytest.warns(ConvergenceWarning, match=message):
        fitted = density().fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    assert np.isfinite(fitted.sample(10)).all()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((1,), r"give \(lower, upper\)"),
        ((-9, [9, 9, 9]), r"give \(lower, upper\)"),
        (("a", 2), r"give \(lower, upper\)"),
        ((1, 0), "every lower limit"),
        ((np.nan, 1), "every lower limit"),
        ((-0.1, 9.0), r"rows of X lie outside, the first at row \d+"),
    ],
)
def test_bounds_that_cannot_be(bounds, message):
    with pytest.raises(ValueError, match=f"bounds=.*{message}"):
        density(bounds=bounds).fit(rows())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise_levels": []}, "noise_levels=.*positive levels"),
        ({"noise_levels": [0.0, 1.0]}, "noise_levels=.*positive levels"),
        ({"noise_levels": [1.0, 1.0]}, "noise_levels=.*positive levels"),
        ({"noise_levels": [np.nan]}, "noise_levels=.*positive levels"),
        ({"noise_levels": ["a"]}, "noise_levels=.*positive levels"),
        ({"sigma_max": 0.01}, "sigma_max=0.01 is not above sigma_min=0.01"),
        ({"sigma_max": 0.5, "sigma_min": 2.0}, "sigma_max=0.5 is not above"),
        ({"sigma_min": 0.0}, "'sigma_min' parameter"),
        ({"model": "networks"}, "'model' parameter"),
        ({"sampler": "euler"}, "'sampler' parameter"),
        ({"criterion": "bic"}, "'criterion' parameter"),
        ({"weighting": "unit"}, "'weighting' parameter"),
        ({"model": ScoreNetwork(dropout=1.0)}, "'dropout' parameter"),
    ],
)
def test_parameters_that_cannot_be(parameters, message):
    with pytest.raises(ValueError, match=message):
        density(**parameters).fit(rows())


@pytest.mark.torch
@pytest.mark.parametrize("sizes", [(), (0,), (-1,), (16.5,), "wide", ("a",)])
def test_widths_that_cannot_be(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        density(model=ScoreNetwork(hidden_layer_sizes=sizes, max_iter=5, n_folds=1, device="cpu")).fit(rows())


@pytest.mark.torch
def test_widths_as_an_array():
    network = ScoreNetwork(hidden_layer_sizes=np.array([8, 8]), max_iter=5, n_folds=1, device="cpu")
    fitted = density(model=network).fit(rows())
    assert np.isfinite(fitted.score(rows()))


@pytest.mark.parametrize("value", [np.nan, np.inf, "x"])
def test_entries_that_are_no_numbers(value):
    X = rows().astype(object)
    X[3, 1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity|could not convert"):
        density().fit(X)


def test_one_row_and_one_column():
    with pytest.raises(ValueError, match="minimum of 2"):
        density().fit(rows(1))
    assert density().fit(rows(d=1)).sample(3).shape == (3, 1)


def test_a_level_for_the_score_that_cannot_be():
    fitted = density().fit(rows())
    for sigma in (0.0, -1.0, np.inf, "a"):
        with pytest.raises(ValueError, match=r"sigma=.*positive number"):
            fitted.grad_log_density(rows(), sigma=sigma)


def test_column_names():
    X = pd.DataFrame(rows(), columns=["a", "b"])
    fitted = density().fit(X)
    assert_array_equal(fitted.feature_names_in_, ["a", "b"])
    assert_allclose(fitted.score_samples(X), density().fit(X.to_numpy()).score_samples(X.to_numpy()))
    with pytest.raises(ValueError, match="feature names"):
        fitted.score_samples(X[["b", "a"]])


def with_scales(X):
    table = read_preprocessing(X, None, False, None).isotropic(X, moments(X), "per_direction")
    return table.with_scales(X, None, "per_direction")


def test_columns_that_set_the_scale_of_others_give_each_row_its_own():
    found = with_scales(Funnel(3).sample(2000, 0))
    assert not found.map.is_affine
    assert (found.scale_slopes[0, 1:] > 0.2).all()
    assert (np.abs(found.scale_slopes[1:]) < 0.02).all()


@pytest.mark.parametrize(
    "X", [rows(500, 3), Funnel().sample(500, 0)[:, [0, 1, 1]]], ids=["a Gaussian", "columns that repeat others"]
)
@pytest.mark.filterwarnings("ignore:columns .* are correlated")
def test_other_tables_keep_one_scale(X):
    found = with_scales(X)
    assert found.map.is_affine
    assert not found.scale_slopes.any()


def test_draws_that_never_fall_within_the_bounds():
    table = read_preprocessing(rows(), None, False, (-9, 9))
    with pytest.raises(ValueError, match=r"draws stayed outside.*Widen"):
        table.draw(lambda n: np.full((n, 2), 1e6), 3)
