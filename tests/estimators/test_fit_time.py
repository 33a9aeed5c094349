"""A training leaves the time that validation and refit need; and a fit takes no longer than it may."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from skscore import DenoisingScoreEstimator
from skscore.estimators import fit_time
from skscore.estimators.fit_time import FEW, seconds_of_validation, trained_in_time
from skscore.neural import ScoreNetwork

FOLDS = [np.arange(0, 1000, 2), np.arange(1, 1000, 2)]
MAX_TIME, N_SCORED = 100.0, 800


@pytest.fixture
def clock(monkeypatch):
    """Time that passes as a test says."""
    clock = SimpleNamespace(now=7.0)
    monkeypatch.setattr(fit_time, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def trained(clock, seconds_each, share=None, fixed=0.0):
    """Seconds of a training up to its deadline, and how many validation rows there is time for afterwards."""

    def train(deadline, watch):
        state = SimpleNamespace(deadline=deadline)
        watch(state)
        clock.now = state.deadline
        return state

    seconds = [lambda n: fixed + seconds_each * n]
    begun = clock.now
    _, folds = trained_in_time(train, lambda state: seconds[0], FOLDS, N_SCORED, begun, MAX_TIME, share)
    return clock.now - begun, folds and sum(map(len, folds))


def test_a_training_leaves_what_validation_takes(clock):
    """All rows of the folds, of which it takes its own choice."""
    assert trained(clock, 0.025) == pytest.approx((80.0, 1000))
    assert trained(clock, 0.025, fixed=10.0) == pytest.approx((70.0, 1000))


def test_fewer_rows_serve_if_they_would_take_more_than_half(clock):
    assert trained(clock, 0.2) == (50.0, 200)
    assert trained(clock, 0.7) == (50.0, 50)


def test_none_serve_if_the_fewest_would_take_more_than_half(clock):
    assert trained(clock, 0.0, fixed=50.1) == (100.0, None)
    assert trained(clock, 50.1 / FEW) == (100.0, None)


def test_a_refit_takes_its_share_of_what_is_left(clock):
    """As many passes over all rows as the training makes over 2/3 of them."""
    assert trained(clock, 0.025, share=2.0 / 3.0)[0] == pytest.approx(80.0 / 2.5)
    assert trained(clock, 0.2, share=0.9) == (pytest.approx(50.0 / (1.0 + 1.0 / 0.9)), 200)


def test_validation_is_predicted_from_single_steps(clock):
    """A step takes 1 second, and .01 for each row, each first one 5 more."""
    begun = set()

    def take_step(n):
        clock.now += 1.0 + 0.01 * n + 5.0 * (n not in begun)
        begun.add(n)

    seconds = seconds_of_validation(take_step, n_steps=32, n_folds=1)
    for n in (64, 1000):
        tried, others = (1.0 + 0.01 * rows for rows in (min(n, 256), n))
        assert seconds(n) == pytest.approx(32 * 1.5 * (tried + others))
    assert seconds_of_validation(take_step, 32, n_folds=4)(1000) == pytest.approx(32 * 1.5 * (1.0 + 2.56 + 1.0 + 2.5))


def fit_within(max_time, d, **parameters):
    """A fit whose training would go on for ever, and its seconds."""
    network = ScoreNetwork(max_iter=10**7, max_time=max_time, device="cpu", **parameters)
    X = np.random.default_rng(0).gamma(2.0, size=(800, d))
    DenoisingScoreEstimator(ScoreNetwork(max_iter=1, n_folds=1, device="cpu")).fit(X[:20])  # loads what torch needs
    begun = time.monotonic()
    return DenoisingScoreEstimator(network, random_state=0).fit(X), time.monotonic() - begun


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:max_time=.* leaves no time:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("parameters", [{"d": 4}, {"d": 2, "refit": True, "n_folds": 2}], ids=["large", "refit"])
def test_a_fit_takes_no_longer_than_it_may(parameters):
    fitted, seconds = fit_within(3.0, hidden_layer_sizes=(32, 32), **parameters)
    assert seconds < 1.15 * 3.0 + 1.0
    assert fitted.n_iter_ > 1


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:max_time=.* leaves no time:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("max_time", [5.0, 15.0])
@pytest.mark.parametrize("d", [3, 8])
def test_a_fit_of_usual_networks_takes_no_longer_than_it_may(d, max_time, refit):
    _, seconds = fit_within(max_time, d, refit=refit)
    assert seconds < 1.15 * max_time + 1.0


@pytest.mark.torch
def test_a_fit_without_time_says_what_it_left_out():
    with pytest.warns(match=r"max_time=1e-06 leaves no time for validation rows .* Raise max_time"):
        fitted, _ = fit_within(1e-6, 2, hidden_layer_sizes=(8,))
    assert fitted.n_iter_ == 1
    assert fitted.likelihood_report_ is None
    assert fitted.tail_weight_ == fitted.parzen_weight_ == 0.0
    assert np.isfinite(fitted.score_samples(np.ones((3, 2)))).all()


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:max_time=.* leaves no time:sklearn.exceptions.ConvergenceWarning")
def test_a_refit_without_time_is_left_out():
    kept, again = (fit_within(1e-6, 2, hidden_layer_sizes=(8,), refit=refit)[0] for refit in (False, True))
    rows = np.ones((3, 2))
    np.testing.assert_array_equal(again.score_samples(rows), kept.score_samples(rows))
