"""Marginals and regions of highest density, from draws, are those of the Gaussian in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline

from skscore import ScoreMatchingDensity, TabularDensity
from skscore.plotting import DensityDisplay
from skscore.plotting.drawn import log_density_at, smoothed

SHARES = (0.5, 0.8, 0.95)


@pytest.fixture
def gaussian(rng):
    """A density of three columns in different units, and its rows."""
    X = rng.multivariate_normal([1.0, -2.0, 0.0], [[1.0, 0.7, 0.5], [0.7, 1.0, 0.0], [0.5, 0.0, 1.0]], 400)
    X = X * [1.0, 100.0, 0.01]
    return ScoreMatchingDensity().fit(X), X


def test_the_marginal_is_that_of_the_two_columns(gaussian):
    density, X = gaussian
    display = DensityDisplay.from_estimator(density, X, features=(0, 1), kind="marginal", n_draws=40_000)
    exact = multivariate_normal(density.location_[:2], density.covariance_[:2, :2])
    expected = exact.pdf(np.dstack(np.meshgrid(*display.axes)))
    assert np.abs(np.exp(display.log_density) - expected).max() < 0.08 * expected.max()
    assert display.ax_.get_title() == "marginal over 1 other column"
    sliced = DensityDisplay.from_estimator(density, X, features=(0, 1))
    assert np.abs(np.exp(sliced.log_density) - expected).max() > 0.5 * expected.max()


def test_regions_of_a_slice_are_those_of_all_columns(gaussian):
    density, X = gaussian
    display = DensityDisplay.from_estimator(density, X, features=(0, 1), regions=SHARES, n_draws=20_000)
    _, log_det = np.linalg.slogdet(2 * np.pi * density.covariance_)
    for share, level in display.levels.items():
        assert level == pytest.approx(-0.5 * (chi2(3).ppf(share) + log_det), abs=0.12)
    relative = np.exp(np.sort(list(display.levels.values())) - display.log_density.max())
    np.testing.assert_allclose(display.regions_.levels, relative)
    said = [text.get_text().replace("−", "-") for text in display.ax_.get_legend().get_texts()]
    assert said == [f"{100 * a:g} % of the mass: log p ≥ {display.levels[a]:.3g} nats" for a in SHARES]


def test_regions_of_a_marginal_hold_their_shares(gaussian):
    density, X = gaussian
    display = DensityDisplay.from_estimator(
        density, X, features=(0, 1), kind="marginal", regions=SHARES, n_draws=20_000, eps=0.5
    )
    exact = multivariate_normal(density.location_[:2], density.covariance_[:2, :2])
    mass = exact.pdf(np.dstack(np.meshgrid(*display.axes))) * np.prod([axis[1] - axis[0] for axis in display.axes])
    for share, level in display.levels.items():
        assert mass[display.log_density >= level].sum() == pytest.approx(share, abs=0.015)


def test_the_smoothed_draws_have_mass_one_also_with_narrow_columns(rng):
    axes = [np.linspace(-8.0, 8.0, 81), np.linspace(-3.0, 3.0, 61)]
    cell = 0.2 * 0.1
    for draws in (rng.standard_normal((500, 2)), np.column_stack([np.zeros(500), rng.standard_normal(500)])):
        assert np.exp(smoothed(draws, axes)).sum() * cell == pytest.approx(1.0, abs=0.01)
    assert np.exp(smoothed(100.0 + rng.standard_normal((500, 2)), axes)).sum() == 0.0


def test_between_grid_points_a_density_is_interpolated():
    axes = [np.array([0.0, 1.0]), np.array([0.0, 2.0])]
    with np.errstate(divide="ignore"):
        at = log_density_at(np.array([[0.5, 2.0], [1.0, 0.0], [3.0, 0.0]]), axes, np.log([[1.0, 2.0], [4.0, 6.0]]))
    np.testing.assert_allclose(at, [np.log(5.0), np.log(2.0), -np.inf])


def test_other_estimators_and_frames_with_categories(rng):
    X = rng.standard_normal((200, 3))
    for estimator in (KernelDensity(), GaussianMixture(2, random_state=3)):
        display = DensityDisplay.from_estimator(
            estimator.fit(X), X, features=(0, 2), kind="marginal", regions=[0.5], n_draws=500, grid_resolution=9
        )
        assert np.isfinite(display.levels[0.5])
    frame = pd.DataFrame({"kind": rng.choice(["a", "b"], 200), "x": X[:, 0], "y": X[:, 1]})
    table = TabularDensity("gaussian", "tree", random_state=3).fit(frame)
    display = DensityDisplay.from_estimator(table, frame, features=("y", "x"), kind="marginal", n_draws=500)
    assert (display.names, len(display.rows)) == (["y", "x"], 200)


def test_frames_keep_their_names_on_the_way_to_regions(wine):
    density = ScoreMatchingDensity().fit(wine)
    display = DensityDisplay.from_estimator(density, wine, features=("alcohol", "ash"), regions=[0.9], n_draws=300)
    draws = pd.DataFrame(density.sample(300, random_state=0), columns=wine.columns)
    expected = np.quantile(density.score_samples(draws), 0.1)
    assert display.levels[0.9] == pytest.approx(expected)


def test_what_cannot_be_drawn_is_said(gaussian):
    density, X = gaussian
    for wrong, message in [
        ({"kind": "conditional"}, "choose 'slice' or 'marginal'"),
        ({"regions": (0.5, 95)}, "give shares between 0 and 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            DensityDisplay.from_estimator(density, X, features=(0, 1), **wrong)
    with pytest.raises(ValueError, match="has no sample"):
        DensityDisplay.from_estimator(make_pipeline(KernelDensity()).fit(X), X, features=(0, 1), kind="marginal")
