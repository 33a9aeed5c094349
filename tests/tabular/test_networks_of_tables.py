"""TabularDensity with networks: a law that neither a tree nor a Gaussian knows, and the manners of the default."""

import pickle
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from fit_rounds import RoundCallback
from scipy.stats import norm
from sklearn.pipeline import make_pipeline

from skscore import TabularDensity
from skscore.neural import ScoreNetwork

pytestmark = pytest.mark.torch


def sums(n, seed):
    """Three coins, the third of which tells whether the others differ; a number whose spread the first one sets."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2, (2, n))
    x = np.where(a == 1, 3.0, 0.3) * rng.standard_normal(n)
    y = x**2 / 3.0 + 0.3 * rng.standard_normal(n)
    names = np.array(["no", "yes"])
    return pd.DataFrame({"a": names[a], "b": names[b], "c": names[a ^ b], "x": x, "y": y})


def true_log_density(frame):
    """Of `sums`."""
    x, y = frame["x"], frame["y"]
    return (
        2.0 * np.log(0.5)
        + norm.logpdf(x, 0.0, np.where(frame["a"] == "yes", 3.0, 0.3))
        + norm.logpdf(y, x**2 / 3.0, 0.3)
    )


@pytest.fixture(scope="module")
def network():
    return ScoreNetwork(hidden_layer_sizes=(32, 32), max_iter=300, device="cpu")


@pytest.fixture(scope="module")
def verbose_fit(network):
    """The fitted density, and what it printed."""
    with redirect_stdout(StringIO()) as told:
        fitted = TabularDensity(network, random_state=0, verbose=1).fit(sums(2500, 1))
    return fitted, told.getvalue()


@pytest.fixture
def density(verbose_fit):
    return verbose_fit[0]


def test_networks_find_what_closed_forms_do_not(density):
    fresh = sums(3000, 2)
    plain = TabularDensity("gaussian", "tree", random_state=0).fit(sums(2500, 1))
    gap = true_log_density(fresh).mean() - density.score(fresh)
    assert 0.0 < gap < true_log_density(fresh).mean() - plain.score(fresh)
    assert 0.0 < abs(density.consistency_) < 1.0
    assert plain.consistency_ == 0.0
    p = density.predict_proba(fresh, "c")
    assert (p.argmax(axis=1) == (fresh["c"] == "yes")).mean() > 0.99


def test_a_row_does_not_depend_on_its_batch(density):
    fresh = sums(40, 3)
    np.testing.assert_allclose(density.score_samples(fresh)[7:8], density.score_samples(fresh.iloc[7:8]), rtol=1e-6)


def test_draws_keep_the_rule_of_the_levels_and_what_is_given(density):
    drawn = density.sample(500, random_state=4)
    assert ((drawn["a"] != drawn["b"]) == (drawn["c"] == "yes")).mean() > 0.97
    given = density.sample(400, given={"x": 6.0}, random_state=5)
    assert (given["x"] == 6.0).all()
    assert (given["a"] == "yes").mean() > 0.97
    assert abs(given["y"].median() - 12.0) < 2.0


def test_missing_cells_are_filled_and_contributions_sum(density):
    frame = sums(6, 6)
    parts = density.feature_contributions(frame)
    np.testing.assert_allclose(parts.sum(axis=1), -density.score_samples(frame), atol=1e-6)


def test_a_pickle_and_a_second_fit_are_the_same(density, network):
    fresh = sums(20, 7)
    copy = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(copy.score_samples(fresh), density.score_samples(fresh))


def test_a_verbose_fit_tells_of_both_trainings(verbose_fit):
    told = verbose_fit[1]
    assert "levels: step" in told
    assert "numbers: step" in told


class Rounds(RoundCallback):
    """A callback that counts the rounds of a fit, ends each training after one, and keeps the score of the last."""

    def __init__(self):
        self.counted, self.score = 0, None

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        self.counted += 1
        if fitted_estimator is not None:
            self.score = fitted_estimator.score(X)
        return True


def test_callbacks_follow_both_trainings_and_see_the_density_at_the_end():
    pytest.importorskip("sklearn.callback")
    network, rounds, frame = (
        ScoreNetwork(hidden_layer_sizes=(8,), max_iter=1000, device="cpu"),
        Rounds(),
        sums(2100, 11),
    )
    fitted = TabularDensity(network, random_state=0).set_callbacks(rounds).fit(frame)
    assert rounds.counted == 4  # one of the levels, one of the numbers, the density, the whole fit
    assert rounds.score == fitted.score(frame)
    of_a_pipeline = make_pipeline("passthrough", TabularDensity("gaussian", "tree", random_state=0))
    monitored = Rounds()
    of_a_pipeline[-1].set_callbacks(monitored)
    assert of_a_pipeline.fit(frame).score(frame) == monitored.score


def test_a_single_number_has_conditionals_that_agree():
    network = ScoreNetwork(hidden_layer_sizes=(8,), max_iter=50, device="cpu")
    assert TabularDensity(network, "tree", random_state=0).fit(sums(2100, 10)[["a", "x"]]).consistency_ == 0.0


def test_a_network_that_cannot_know_levels_is_refused():
    with pytest.raises(ValueError, match="parametrization"):
        TabularDensity(ScoreNetwork(parametrization="energy"), "tree", random_state=0).fit(sums(50, 9))
