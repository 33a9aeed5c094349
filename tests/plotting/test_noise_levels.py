"""The noise-level display: the area under its line is what the bound gains, and errors name the remedy."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.neighbors import KernelDensity

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV, ScoreMatchingDensity
from skscore.models import Gaussian
from skscore.plotting import NoiseLevelDisplay


@pytest.fixture
def noisy_gaussian(wine):
    """Gaussian at every noise level, over a reference of independent columns."""
    return DenoisingScoreEstimator("gaussian", dequantize=False, tail=None, sigma_min=1e-3).fit(wine)


def test_the_area_under_the_gains_is_what_correlations_are_worth(wine, noisy_gaussian):
    display = NoiseLevelDisplay.from_estimator(noisy_gaussian, wine)
    assert display.line_.get_xydata().tolist() == np.column_stack([display.levels, display.gain]).tolist()
    correlated, independent = (ScoreMatchingDensity(Gaussian(kind)).fit(wine).score(wine) for kind in ("full", "diag"))
    draws = 2 * len(wine)  # of the bound, which has fewest
    assert display.area == pytest.approx(correlated - independent, abs=4 * wine.shape[1] / np.sqrt(draws))
    bound = noisy_gaussian.set_params(criterion="elbo").score(wine)
    assert display.area == pytest.approx(bound - independent, abs=4 * wine.shape[1] / np.sqrt(draws))


def test_the_area_is_written_in_nats():
    levels = np.geomspace(1.0, np.exp(-2.0), 5)
    display = NoiseLevelDisplay(levels, np.full(5, 0.75)).plot()
    assert [text.get_text() for text in display.legend_.get_texts()] == ["1.50 nats above the Gaussian"]


def test_gains_are_drawn_again_elsewhere(wine, noisy_gaussian):
    display = NoiseLevelDisplay.from_estimator(noisy_gaussian, wine, n_levels=5)
    _, ax = plt.subplots()
    assert display.plot(ax=ax, label="here").ax_ is ax
    assert display.line_.get_label() == "here"


def test_what_levels_lose_in_folds_is_drawn(wine, noisy_gaussian):
    folds = DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.05, 0.5, 2.0], cv=2, dequantize=False, tail=None)
    display = NoiseLevelDisplay.from_estimator(folds.fit(wine), wine)
    levels, lost = display.path_line_.get_xydata().T
    assert levels.tolist() == [0.05, 0.5, 2.0]
    assert lost.tolist() == (folds.best_score_ - folds.cv_results_["mean_test_score"]).tolist()
    assert display.path_line_.axes is not display.ax_
    assert display.levels[-1] == pytest.approx(folds.sigma_min_)
    assert NoiseLevelDisplay.from_estimator(noisy_gaussian, wine).path_line_ is None


@pytest.mark.parametrize("density", [KernelDensity(), DenoisingScoreEstimator("gaussian", noise_levels=[0.5])])
def test_gains_need_several_noise_levels(wine, density):
    with pytest.raises(ValueError, match="fit one with several"):
        NoiseLevelDisplay.from_estimator(density.fit(wine), wine)
