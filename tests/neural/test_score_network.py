"""What "auto" means for a table, and how the parameters of a network are set within an estimator."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.neural import NeuralEnergy, ScoreNetwork


@pytest.mark.parametrize(
    ("n", "d", "widths", "max_iter", "n_folds"),
    [
        (500, 8, (128,) * 3, 1000, 10),
        (5, 8, (128,) * 3, 1000, 5),
        (501, 3, (128,) * 3, 8000, 3),
        (501, 4, (256,) * 3, 4200, 1),
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
    assert ScoreNetwork(max_epochs=3, batch_size=50).for_table(101, 2).max_iter == 9


@pytest.mark.parametrize(("n", "dropout"), [(399, 0.2), (400, 0.1), (3999, 0.1), (4000, 0.0)])
def test_dropout_falls_with_the_number_of_rows(n, dropout):
    assert ScoreNetwork().for_table(n, 1).dropout == dropout


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
