"""What "auto" means for a table, and how the parameters of a network are set within an estimator."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.neural import NeuralEnergy, ScoreNetwork


@pytest.mark.parametrize(
    ("n", "d", "widths", "max_iter", "n_folds"),
    [
        (600, 8, (128,) * 3, 3375, 10),
        (600, 2, (128,) * 3, 3600, 10),
        (160, 8, (128,) * 3, 900, 10),
        (5, 8, (128,) * 3, 900, 5),
        (601, 3, (128,) * 3, 4000, 3),
        (601, 4, (256,) * 4, 3000, 1),
    ],
)
def test_auto_is_chosen_by_the_size_of_the_table(n, d, widths, max_iter, n_folds):
    chosen = ScoreNetwork().for_table(n, d)
    assert (chosen.hidden_layer_sizes, chosen.max_iter, chosen.n_folds) == (widths, max_iter, n_folds)


def test_what_the_user_gives_is_kept():
    given = {"hidden_layer_sizes": (8,), "dropout": 0.5, "learning_rate": 0.1, "batch_size": 7, "n_folds": 2}
    chosen = ScoreNetwork(**given, n_networks=3).for_table(100, 2)
    assert given.items() <= chosen.get_params().items()
    assert chosen.n_networks == 3


def test_epochs_replace_steps():
    assert ScoreNetwork(max_epochs=3, batch_size=48).for_table(120, 2).max_iter == 15  # 24 rows, each with two noises
    assert ScoreNetwork(max_epochs=3, batch_size=50).for_table(121, 2).max_iter == 15


def test_dropout_falls_smoothly_with_the_rows_of_each_column():
    rates = [ScoreNetwork().for_table(n, 8).dropout for n in (50, 96, 600, 601, 10_000, 1_000_000)]
    assert rates[:2] == [0.4, 0.4]
    assert (np.diff(rates[1:]) < 0.0).all()
    assert rates[2] - rates[3] < 1e-3
    assert rates[-1] < 2e-3


@pytest.mark.parametrize(
    ("estimator", "name", "remedy"),
    [
        (DenoisingScoreEstimator(), "model__max_iter", r"model=ScoreNetwork\(\)"),
        (ScoreMatchingDensity("neural_energy"), "model__max_iter", r"model=NeuralEnergy\(\)"),
        (ScoreMatchingDensity("polynomial"), "model__degree", r"model=Polynomial\(\)"),
    ],
)
def test_a_string_has_no_parameters(estimator, name, remedy):
    with pytest.raises(ValueError, match=f"{name} cannot be set.*{remedy}"):
        estimator.set_params(**{name: 4})


def test_an_object_and_its_parameters_are_set_together():
    density = DenoisingScoreEstimator().set_params(model=ScoreNetwork(), model__max_iter=4)
    assert density.model.max_iter == 4
    assert ScoreMatchingDensity(NeuralEnergy()).set_params(model__max_iter=4).model.max_iter == 4


@pytest.mark.torch
def test_a_grid_over_the_network():
    pytest.importorskip("torch")
    X = np.random.default_rng(0).standard_normal((60, 2))
    network = ScoreNetwork(hidden_layer_sizes=(4,), n_folds=1, device="cpu")
    grid = {"model__max_iter": [5, 10], "model": [network]}
    search = GridSearchCV(DenoisingScoreEstimator(n_likelihood_steps=2, random_state=0), grid, cv=2).fit(X)
    assert search.best_estimator_.n_iter_ == search.best_params_["model__max_iter"]
