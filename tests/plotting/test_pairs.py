"""Displays of two columns: the numbers on the grid are the estimator's, the labels the table's, errors named."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import PowerTransformer

from skscore import ScoreMatchingDensity, TransformedDensity
from skscore.plotting import DensityDisplay, ScoreFieldDisplay

DISPLAYS = [DensityDisplay, ScoreFieldDisplay]


@pytest.mark.parametrize("estimator", [ScoreMatchingDensity(), KernelDensity(), GaussianMixture(random_state=0)])
def test_density_on_the_grid_is_the_estimators(wine, estimator):
    X = wine.to_numpy()[:, :2]
    display = DensityDisplay.from_estimator(estimator.fit(X), X, grid_resolution=7)
    first, second = display.axes
    points = [[first[4], second[2]]]
    assert display.log_density[2, 4] == pytest.approx(estimator.score_samples(points)[0])


def test_score_on_the_grid_is_the_estimators(wine):
    X = wine.to_numpy()[:, :2]
    density = ScoreMatchingDensity().fit(X)
    display = ScoreFieldDisplay.from_estimator(density, X, grid_resolution=7)
    points = [[display.axes[0][4], display.axes[1][2]]]
    np.testing.assert_allclose(display.score[2, 4], density.grad_log_density(points)[0])


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("features", [(1, 4), ("malic_acid", "magnesium"), (1, "magnesium")])
def test_other_columns_are_held_at_their_medians(wine, display, features):
    density = ScoreMatchingDensity().fit(wine)
    shown = display.from_estimator(density, wine, features=features, grid_resolution=5)
    assert shown.ax_.get_xlabel() == "malic_acid"
    assert shown.ax_.get_ylabel() == "magnesium"
    assert "11 other columns at the median" in shown.ax_.get_title()
    row = wine.median().to_frame().T
    row[["malic_acid", "magnesium"]] = [[shown.axes[0][3], shown.axes[1][1]]]
    if display is DensityDisplay:
        assert shown.log_density[1, 3] == pytest.approx(density.score_samples(row)[0])
    else:
        np.testing.assert_allclose(shown.score[1, 3], density.grad_log_density(row)[0, [1, 4]])


@pytest.mark.parametrize("display", DISPLAYS)
def test_plot_again_elsewhere(wine, display):
    X = wine.to_numpy()[:, :2]
    shown = display.from_estimator(ScoreMatchingDensity().fit(X), X, grid_resolution=5)
    _, ax = plt.subplots()
    assert shown.plot(ax=ax, xlabel="here", ylabel="there").ax_ is ax
    assert shown.figure_ is ax.figure
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("here", "there")


@pytest.mark.parametrize("method", ["contour", "contourf", "pcolormesh"])
@pytest.mark.parametrize("log", [False, True])
def test_surfaces(wine, method, log):
    X = wine.to_numpy()[:, :2]
    display = DensityDisplay.from_estimator(ScoreMatchingDensity().fit(X), X, plot_method=method, log=log)
    values = display.surface_.get_array()
    assert values is not None
    assert display.surface_.axes is display.ax_


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (None, "name the two to show"),
        ((0,), "give two different columns"),
        (3, "give two different"),
        ((2, 2), "give two different"),
        ((0, 99), "X has the columns"),
        ((0, "nose"), "X has"),
    ],
)
def test_wrong_features(wine, display, features, message):
    density = ScoreMatchingDensity().fit(wine)
    with pytest.raises(ValueError, match=message):
        display.from_estimator(density, wine, features=features)


@pytest.mark.parametrize(("log", "unit"), [(False, "density, per unit of each column"), (True, "log-density, nats")])
def test_a_figure_of_its_own_has_a_colour_bar_with_its_unit(wine, log, unit):
    X = wine.to_numpy()[:, :2]
    display = DensityDisplay.from_estimator(ScoreMatchingDensity().fit(X), X, grid_resolution=5, log=log)
    assert display.colorbar_.ax.get_ylabel() == unit
    assert display.plot(ax=plt.subplots()[1]).colorbar_ is None
    assert display.plot(ax=plt.subplots()[1], colorbar=True).colorbar_ is not None


def test_colours_of_arrows_are_nats_from_one_to_the_next(wine):
    X = wine.to_numpy()[:, :2]
    display = ScoreFieldDisplay.from_estimator(ScoreMatchingDensity().fit(X), X, grid_resolution=5)
    step = [axis[1] - axis[0] for axis in display.axes]
    np.testing.assert_allclose(display.quiver_.get_array(), np.linalg.norm(display.score * step, axis=2).ravel())
    assert "nats" in display.colorbar_.ax.get_ylabel()
    assert display.plot(color="k").colorbar_ is None


def test_what_an_estimator_lacks_is_said(wine):
    X = wine.to_numpy()[:, :2]
    with pytest.raises(ValueError, match="no grad_log_density"):
        ScoreFieldDisplay.from_estimator(KernelDensity().fit(X), X)
    with pytest.raises(ValueError, match="plot_method='surface'"):
        DensityDisplay.from_estimator(KernelDensity().fit(X), X, plot_method="surface")


def test_frames_of_any_kind(wine):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: wine[name].to_numpy() for name in wine.columns[:3]})
    density = ScoreMatchingDensity().fit(frame)
    shown = DensityDisplay.from_estimator(density, frame, features=("alcohol", "ash"), grid_resolution=5)
    assert shown.names == ["alcohol", "ash"]


def test_a_score_field_beyond_the_support_keeps_its_arrows(wine):
    X = wine.to_numpy()[:, :2]
    density = TransformedDensity(ScoreMatchingDensity(), PowerTransformer("box-cox")).fit(X)
    display = ScoreFieldDisplay.from_estimator(density, X, eps=1.0, grid_resolution=9)
    outside = (display.axes[1] <= 0.0).sum() * 9
    assert 0 < outside < 81
    assert np.isnan(display.score[..., 0]).sum() == outside
    assert np.sum(display.quiver_.Umask) == outside  # the others are drawn


@pytest.mark.parametrize("display", DISPLAYS)
def test_one_far_row_does_not_hide_the_density(display, rng):
    X = rng.standard_normal((300, 2))
    density = ScoreMatchingDensity().fit(X)
    near, far = (display.from_estimator(density, rows) for rows in (X, np.vstack([X, [[1e4, 0.0]]])))
    low, high = X.min(axis=0), X.max(axis=0)
    np.testing.assert_allclose([axis[0] for axis in near.axes], low - 0.1 * (high - low))
    np.testing.assert_allclose([axis[-1] for axis in near.axes], high + 0.1 * (high - low))
    assert abs(far.axes[0][0] - near.axes[0][0]) < 0.1
    assert far.axes[0][-1] < 5.0
    assert far.rows.max() < 5.0


@pytest.mark.parametrize("display", DISPLAYS)
def test_limits_are_the_ends_of_the_grid(wine, display):
    X = wine.to_numpy()[:, :2]
    shown = display.from_estimator(ScoreMatchingDensity().fit(X), X, limits=((12.0, 13.0), (1.0, 3.0)))
    assert [(axis[0], axis[-1]) for axis in shown.axes] == [(12.0, 13.0), (1.0, 3.0)]
    assert 0 < len(shown.rows) < len(X)


@pytest.mark.parametrize("limits", [(0.0, 1.0), ((1.0, 0.0), (0.0, 1.0)), "wide", ((0.0, np.inf), (0.0, 1.0))])
@pytest.mark.parametrize("display", DISPLAYS)
def test_wrong_limits(wine, display, limits):
    X = wine.to_numpy()[:, :2]
    with pytest.raises(ValueError, match=r"limits=.*give \(\(low, high\)"):
        display.from_estimator(ScoreMatchingDensity().fit(X), X, limits=limits)
