"""A neural energy as a model of ScoreMatchingDensity: laws recovered, the public contract, and rows that come later."""

import pickle
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skscore import ScoreMatchingDensity
from skscore.datasets import Banana, Funnel
from skscore.samplers import ULA, Target, run_chains

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural import NeuralEnergy  # noqa: E402
from skscore.neural.state_bytes import from_bytes  # noqa: E402

MEAN, MIX = np.array([3.0, -1.0]), np.array([[2.0, 0.0], [1.0, 0.5]])
OBJECTIVES = ["implicit", "sliced", "explicit", "denoising"]
TINY = {"hidden_layer_sizes": (8,), "max_iter": 40, "device": "cpu"}


class Cosines(torch.nn.Module):
    """A network of somebody's own."""

    def __init__(self, n_features):
        super().__init__()
        self.layer, self.out = torch.nn.Linear(n_features, 32), torch.nn.Linear(32, 1)

    def forward(self, y):
        return self.out(self.layer(y).cos())


class TwoColumns(torch.nn.Module):
    """A network with one output too many."""

    def __init__(self, n_features):
        super().__init__()
        self.layer = torch.nn.Linear(n_features, 2)

    def forward(self, y):
        return self.layer(y)


def model(**parameters):
    return NeuralEnergy(
        **{"hidden_layer_sizes": (32, 32), "max_iter": 600, "learning_rate": 3e-3, "device": "cpu", **parameters}
    )


@pytest.fixture(scope="module")
def rows():
    return Banana().sample(600, random_state=0)


@pytest.fixture(scope="module")
def fitted(rows):
    return ScoreMatchingDensity(model(), random_state=0).fit(rows)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_gaussian_law_is_recovered(objective):
    """Its score, to a few per cent; the denoised one is that of the noisy rows."""
    sigma = 0.5
    X = np.random.default_rng(0).standard_normal((1500, 2)) @ MIX.T + MEAN
    covariance = MIX @ MIX.T + (sigma**2 * np.eye(2) if objective == "denoising" else 0.0)
    precision = np.linalg.inv(covariance)
    density = ScoreMatchingDensity(model(), objective=objective, noise_level=sigma)
    density.fit(X, (MEAN - X) @ np.linalg.inv(MIX @ MIX.T))
    truth = (MEAN - X) @ precision
    error = np.square(density.grad_log_density(X) - truth).sum() / np.square(truth).sum()
    assert error < (0.01 if objective == "explicit" else 0.05)
    expected = multivariate_normal(MEAN, covariance).logpdf(X).mean()
    assert density.score(X) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_beats_the_gaussian_on_a_banana(objective, rows):
    law, X_test = Banana(), Banana().sample(1000, random_state=1)
    density = ScoreMatchingDensity(model(), objective=objective, noise_level=0.2)
    density.fit(rows, law.grad_log_density(rows))
    assert density.score(X_test) > ScoreMatchingDensity().fit(rows).score(X_test) + 0.3


def test_scores_and_curvatures_are_derivatives_of_the_log_density(fitted, rows):
    X, V, h = rows[:20], np.array([0.3, -0.7]), 1e-4
    forward, here, back = (fitted.score_samples(X + t * V) for t in (h, 0.0, -h))
    np.testing.assert_allclose(fitted.grad_log_density(X) @ V, (forward - back) / (2 * h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fitted.curvature(X, V), (forward - 2 * here + back) / h**2, rtol=1e-3, atol=1e-3)
    axes = sum(fitted.curvature(X, axis) for axis in np.eye(2))
    square = 0.5 * np.square(fitted.grad_log_density(X)).sum(axis=1)
    np.testing.assert_allclose(fitted.hyvarinen_score(X), square + axes, rtol=1e-10)


def test_the_density_integrates_to_one_and_its_draws_are_its_own(fitted, rows):
    side = [np.linspace(column.min() - 6.0, column.max() + 6.0, 601) for column in rows.T]
    grid = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)
    p = np.exp(fitted.score_samples(grid)) * np.prod([s[1] - s[0] for s in side])
    assert p.sum() == pytest.approx(1.0, abs=1e-3)
    draws = fitted.sample(4000, random_state=0)
    error = draws.std(axis=0) / np.sqrt(4000 / 4)  # chains are correlated a little
    assert (np.abs(draws.mean(axis=0) - p @ grid) < 4.0 * error).all()


@pytest.mark.parametrize("law", ["fitted", "funnel"])
def test_single_precision_is_that_of_slopes_alone(law, request):
    """Of rows in float32, and of chains; values stay those of double precision."""
    density = request.getfixturevalue(law)
    X = density.sample(50, random_state=0).astype(np.float32)
    exact = density.grad_log_density(X.astype(float))
    for single in (
        density.grad_log_density(X),
        density._fit.family.proposal_score(density._fit.density.theta, X.astype(float)),
    ):
        assert single.dtype == np.float64
        np.testing.assert_allclose(single, exact, rtol=1e-4, atol=1e-5 * np.abs(exact).max())
        assert not np.array_equal(single, exact)
    np.testing.assert_array_equal(density.score_samples(X), density.score_samples(X.astype(float)))
    np.testing.assert_allclose(density.hyvarinen_score(X), density.hyvarinen_score(X.astype(float)), rtol=1e-3)


def test_chains_far_from_the_origin_lose_no_digits(fitted, rows):
    """Coordinates are found in double precision before the network sees them."""
    family, theta, far = fitted._fit.family, fitted._fit.density.theta, 1e7
    moved = copy(family)
    moved.f = replace(family.f, origin=family.f.origin + far)
    near = family.proposal_score(theta, rows)
    np.testing.assert_allclose(moved.proposal_score(theta, rows + far), near, atol=1e-5 * np.abs(near).max())


def test_langevin_chains_in_single_precision_follow_the_law_of_those_in_double(fitted, rows):
    """First and second moments of 2000 chains, within 5 standard errors of their difference; by their seed."""

    def ended(dtype, seed=0):
        start, rng = np.tile(rows[:500], (4, 1)).astype(dtype), np.random.default_rng(seed)
        target = Target(None, fitted.grad_log_density)
        return run_chains(ULA(0.05), target, start, n_warmup=0, n_draws=1, thin=100, rng=rng).draws[0]

    single, double = ended(np.float32), ended(np.float64, seed=1)
    np.testing.assert_array_equal(single, ended(np.float32))
    parts = [np.column_stack([x, x**2, x[:, :1] * x[:, 1:]]) for x in (single, double)]
    error = np.sqrt(sum(part.var(axis=0) for part in parts) / len(single))
    assert (np.abs(parts[0].mean(axis=0) - parts[1].mean(axis=0)) < 5.0 * error).all()


def test_an_affine_change_of_units_changes_nothing_but_the_volume(rows):
    A, b = np.diag([1e-3, 50.0]), np.array([7.0, -2.0])
    one, other = (ScoreMatchingDensity(model(max_iter=40)).fit(X) for X in (rows, rows @ A + b))
    moved = other.score_samples(rows @ A + b) + np.linalg.slogdet(A)[1]
    np.testing.assert_allclose(moved, one.score_samples(rows), atol=0.02)  # the training is in single precision


@pytest.fixture(scope="module")
def funnel():
    return ScoreMatchingDensity(model(max_iter=200), random_state=0).fit(Funnel().sample(1500, 0))


def test_a_funnel_is_learned_in_the_units_of_its_rows(funnel):
    """Normalised, with exact slopes and bends, and draws of its own; the neck is no wider than it is."""
    law, X = Funnel(), Funnel().sample(2000, random_state=1)
    assert law.score_samples(X).mean() - funnel.score(X) < 0.05
    truth = law.grad_log_density(X)
    assert np.square(funnel.grad_log_density(X) - truth).sum() < 0.15 * np.square(truth).sum()
    X, V, h = X[np.abs(X[:, 0]) < 3.0][:20], np.array([0.3, -0.7]), 1e-4
    forward, here, back = (funnel.score_samples(X + t * V) for t in (h, 0.0, -h))
    np.testing.assert_allclose(funnel.grad_log_density(X) @ V, (forward - back) / (2 * h), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(funnel.curvature(X, V), (forward - 2 * here + back) / h**2, rtol=1e-3, atol=1e-2)
    axes = sum(funnel.curvature(X, axis) for axis in np.eye(2))
    square = 0.5 * np.square(funnel.grad_log_density(X)).sum(axis=1)
    np.testing.assert_allclose(funnel.hyvarinen_score(X), square + axes, rtol=1e-10)


def test_draws_of_a_funnel_reach_its_neck(funnel):
    draws = funnel.sample(4000, random_state=0)
    assert (draws[:, 0] < -3.0).mean() == pytest.approx(0.1587, abs=0.03)
    assert np.std(draws[:, 1] * np.exp(-0.5 * draws[:, 0])) == pytest.approx(1.0, abs=0.06)


def test_pickle_keeps_every_value_and_holds_no_torch_object(fitted, rows):
    blob = pickle.dumps(fitted)
    assert b"torch.nn" not in blob
    assert b"torch._utils" not in blob
    np.testing.assert_array_equal(pickle.loads(blob).score_samples(rows), fitted.score_samples(rows))
    assert all(isinstance(array, np.ndarray) for array in fitted.weights_.values())


def test_a_fit_repeats_itself_and_partial_fit_goes_on(rows):
    density = ScoreMatchingDensity(model(max_iter=200))
    first, again = (clone(density).fit(rows) for _ in range(2))
    for name, array in first.weights_.items():
        np.testing.assert_array_equal(again.weights_[name], array)
    again.partial_fit(rows)
    assert again.n_iter_ > first.n_iter_
    assert again.objective_ <= first.objective_
    np.testing.assert_array_equal(again.validation_curve_[: first.validation_curve_.size], first.validation_curve_)


def test_the_seed_of_the_estimator_is_that_of_a_network_without_one(rows):
    one, same, other = (
        ScoreMatchingDensity(model(random_state=None, max_iter=20, validation_fraction=0.0), random_state=seed).fit(
            rows
        )
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.score_samples(rows), same.score_samples(rows))
    assert not np.array_equal(one.score_samples(rows), other.score_samples(rows))
    assert one.model.random_state is None


@pytest.mark.parametrize(("d", "name"), [(2, "implicit"), (9, "sliced")])
def test_auto_is_the_cheaper_objective(d, name, rng):
    X = rng.standard_normal((100, d)) ** 3
    auto, named = (
        ScoreMatchingDensity(NeuralEnergy(**TINY), objective=objective).fit(X) for objective in ("auto", name)
    )
    np.testing.assert_array_equal(auto.grad_log_density(X), named.grad_log_density(X))
    np.testing.assert_array_equal(auto.train_curve_, named.train_curve_)


def test_a_network_of_the_user(rows):
    density = ScoreMatchingDensity(model(network=Cosines), random_state=0).fit(rows)
    assert density.score(rows) > ScoreMatchingDensity().fit(rows).score(rows) + 0.2
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(density)).score_samples(rows), density.score_samples(rows))
    with pytest.raises(ValueError, match="to shape"):
        ScoreMatchingDensity(model(network=TwoColumns)).fit(rows)


def test_verbose_reports_the_training(rows, capsys):
    ScoreMatchingDensity(model(max_iter=40, verbose=2)).fit(rows)
    assert capsys.readouterr().out.count("[NeuralEnergy] step") == 2


class Killed(Exception):
    """Stands for a training that dies."""


def dies_at(last):
    def callback(step, objective, judgement):
        if step == last:
            raise Killed

    return callback


@pytest.mark.parametrize(("objective", "validation_fraction"), [("implicit", 0.1), ("sliced", 0.0)])
def test_a_killed_training_is_resumed_bit_for_bit(objective, validation_fraction, rows, tmp_path):
    """Killed on the plateau, and again while it is annealed."""
    file, seen = tmp_path / "training", []
    short = {"max_iter": 200, "validation_fraction": validation_fraction}
    whole = ScoreMatchingDensity(model(**short), objective=objective).fit(rows)
    for last in (100, 180):
        dying = model(**short, checkpoint=file, checkpoint_every=40, callback=dies_at(last))
        with pytest.raises(Killed):
            ScoreMatchingDensity(dying, objective=objective).fit(rows)
        assert from_bytes(file.read_bytes().split(b"\n", 2)[2])[-1]["step"] == last - 20
    resuming = model(**short, checkpoint=str(file), callback=lambda step, *values: seen.append(step))
    resumed = ScoreMatchingDensity(resuming, objective=objective).fit(rows)
    assert seen == [180, 200]
    assert not any(tmp_path.iterdir())
    for name, array in whole.weights_.items():
        np.testing.assert_array_equal(resumed.weights_[name], array)
    np.testing.assert_array_equal(resumed.train_curve_, whole.train_curve_)
    np.testing.assert_array_equal(resumed.validation_curve_, whole.validation_curve_)


def test_a_checkpoint_of_another_training_is_refused_and_kept(rows, tmp_path):
    file = tmp_path / "training"
    parameters = {**TINY, "checkpoint": file, "checkpoint_every": 1}
    with pytest.raises(Killed):
        ScoreMatchingDensity(NeuralEnergy(**parameters, callback=dies_at(40))).fit(rows)
    content = file.read_bytes()
    for other, X in [({}, 2.0 * rows + rows**2), ({"learning_rate": 0.1}, rows), ({"network": Cosines}, rows)]:
        with pytest.raises(ValueError, match="other rows or with other parameters"):
            ScoreMatchingDensity(NeuralEnergy(**parameters, **other)).fit(X)
        assert file.read_bytes() == content


def test_a_callback_sees_the_curves_and_ends_the_training(rows):
    seen = []

    def callback(step, objective, judgement):
        seen.append((objective, judgement))
        return step == 60

    density = ScoreMatchingDensity(model(callback=callback)).fit(rows)
    assert density.n_iter_ == 60
    np.testing.assert_array_equal(np.transpose(seen), [density.train_curve_, density.validation_curve_])


def test_no_rows_held_out(rows):
    density = ScoreMatchingDensity(model(max_iter=40, validation_fraction=0.0)).fit(rows)
    assert density.n_iter_ == 40
    assert density.validation_curve_.size == 0


@pytest.mark.gpu
def test_an_energy_of_a_gpu_scores_on_the_cpu(rows):
    density = ScoreMatchingDensity(model(device="auto", max_iter=10)).fit(rows)
    copy = pickle.loads(pickle.dumps(density))
    np.testing.assert_allclose(copy.score_samples(rows), density.score_samples(rows), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("value", [1.0, 1e5, -1e8])
def test_a_constant_column_counts_the_same_wherever_it_lies(rng, value):
    X = rng.standard_normal((200, 2))
    at_zero, there = (
        ScoreMatchingDensity(NeuralEnergy(**TINY)).fit(table).score(table)
        for table in (np.column_stack([X, np.full(200, constant)]) for constant in (0.0, value))
    )
    assert there == pytest.approx(at_zero, abs=0.05)


@parametrize_with_checks([ScoreMatchingDensity(NeuralEnergy(**{**TINY, "max_iter": 5}))])
def test_scikit_learn_checks(estimator, check):
    check(estimator)
