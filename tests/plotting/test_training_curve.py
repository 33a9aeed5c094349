"""The curve of a training: its points are what the estimator kept, and the best validation is marked."""

import pytest
from matplotlib import pyplot as plt

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.plotting import TrainingDisplay


@pytest.mark.torch
def test_curves_are_those_of_the_estimator(rng):
    from skscore.neural import NeuralEnergy, ScoreNetwork

    X = rng.standard_normal((120, 2))
    network = ScoreNetwork(hidden_layer_sizes=(8,), max_iter=60)
    noisy = DenoisingScoreEstimator(network, noise_levels=[1.0, 0.5], random_state=1).fit(X)
    energy = ScoreMatchingDensity(NeuralEnergy((8,), max_iter=60), random_state=1).fit(X)
    curves = [
        (noisy, noisy.train_loss_curve_, noisy.validation_loss_curve_, "nats"),
        (energy, energy.train_curve_, energy.validation_curve_, "objective"),
    ]
    for estimator, train, held_out, unit in curves:
        display = TrainingDisplay.from_estimator(estimator)
        assert [line.get_ydata().tolist() for line in display.lines_] == [list(train), list(held_out)]
        assert unit in display.ax_.get_ylabel()
        assert f"{estimator.n_iter_} steps" in display.ax_.get_xlabel()


def test_the_best_validation_is_marked():
    display = TrainingDisplay([3.0, 2.0, 1.0], [3.0, 1.5, 2.0], 60).plot()
    assert display.best_.get_xydata().tolist() == [[2.0, 1.5]]
    _, ax = plt.subplots()
    assert display.plot(ax=ax, linewidth=3.0).ax_ is ax
    assert [line.get_linewidth() for line in display.lines_] == [3.0, 3.0]


def test_a_training_without_rows_held_out_has_one_curve():
    display = TrainingDisplay([3.0, 2.0], [], 40).plot()
    assert (len(display.lines_), display.best, display.best_) == (1, None, None)


def test_an_estimator_that_trained_nothing_is_refused(wine):
    closed_form = DenoisingScoreEstimator("gaussian", noise_levels=[1.0], dequantize=False).fit(wine)
    for estimator in (closed_form, ScoreMatchingDensity().fit(wine), ScoreMatchingDensity()):
        with pytest.raises(ValueError, match="no curves of a training"):
            TrainingDisplay.from_estimator(estimator)
