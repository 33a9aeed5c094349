"""Statistics are values: computed anywhere, added in any order, sent, forgotten; they fit what all rows fit."""

import pickle
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV, ScoreMatchingDensity
from skscore.domains import Orthant
from skscore.models import Kernel, PairwiseInteraction, TruncatedGaussian

KERNELS = Kernel(n_landmarks=20, bandwidth=0.8)
BY_PLAN = {
    "kernels": ScoreMatchingDensity(KERNELS, alpha=1e-3, random_state=0),
    "kernels with noise": ScoreMatchingDensity(KERNELS, objective="denoising", noise_level=0.2, alpha=1e-3),
    "chosen kernels": ScoreMatchingDensity(Kernel(n_landmarks=15), random_state=0),
    "on the orthant": ScoreMatchingDensity(PairwiseInteraction(domain=Orthant())),
    "truncated": ScoreMatchingDensity(TruncatedGaussian()),
}
LADDER = {
    "noise_levels": [2.0, 0.5, 0.1],
    "n_likelihood_steps": 2,
    "dequantize": False,
    "tail": None,
    "random_state": 0,
}
LADDERS = {
    "ladder of gaussians": DenoisingScoreEstimator("gaussian", **LADDER),
    "ladder of quartics": DenoisingScoreEstimator("polynomial", **LADDER),
    "ladder of kernels": DenoisingScoreEstimator(KERNELS, alpha=1e-3, **LADDER),
    "one level": DenoisingScoreEstimator("polynomial", noise_levels=[0.3], random_state=0),
    "whitened": DenoisingScoreEstimator("gaussian", preconditioning="whiten", **LADDER),
}
WITHOUT = {
    "gaussian": ScoreMatchingDensity(),
    "noisy gaussian": ScoreMatchingDensity(objective="denoising", noise_level=0.3),
    "interactions": ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    "quartic": ScoreMatchingDensity("polynomial", random_state=0),
}


def answers(density, X):
    return np.column_stack([density.score_samples(X), density.grad_log_density(X)])


def parts(X):
    return X[:7], X[7:40], X[40:]


def sums(density, X, plan=None):
    return [pickle.loads(pickle.dumps(density.compute_statistics(part, plan=plan))) for part in parts(X)]


@pytest.mark.parametrize("density", WITHOUT.values(), ids=WITHOUT)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_parts_add_up_to_the_fit_of_all_rows(density, order, table):
    X = table(60)
    merged = reduce(add, (sums(density, X)[k] for k in order))
    assert merged.n_rows == len(X)
    assert_allclose(answers(clone(density).fit_statistics(merged), X), answers(clone(density).fit(X), X), rtol=1e-8)


BY_PLAN |= LADDERS


@pytest.mark.parametrize("density", BY_PLAN.values(), ids=BY_PLAN)
def test_parts_of_one_plan_add_up_to_the_fit_of_all_rows(density, table):
    X = table(60)
    merged = reduce(add, sums(density, X, pickle.loads(pickle.dumps(density.plan(X)))))
    assert_allclose(answers(clone(density).fit_statistics(merged), X), answers(clone(density).fit(X), X), rtol=1e-6)


@pytest.mark.parametrize("density", BY_PLAN.values(), ids=BY_PLAN)
def test_parts_of_several_plans_do_not_add_up(density, table):
    first, second, _ = sums(density, table(60))
    with pytest.raises(ValueError, match=r"add up only under one plan.*compute_statistics\(X, plan=plan\)"):
        first + second


def test_plans_of_equal_rows_are_one(table):
    X, density = table(60), BY_PLAN["kernels"]
    plans = density.plan(X), clone(density).plan(np.asfortranarray(X))
    assert plans[0].key == plans[1].key != density.plan(X[1:]).key
    both = [density.compute_statistics(X, plan=plan) for plan in plans]
    assert (both[0] + both[1]).n_rows == 120.0


@pytest.mark.parametrize("density", [WITHOUT["gaussian"], WITHOUT["quartic"]], ids=["gaussian", "quartic"])
def test_an_offset_of_a_hundred_million_leaves_the_shape(density, table):
    X = table(60)
    far = clone(density).fit_statistics(reduce(add, sums(density, X + 1e8)))
    assert_allclose(far.score_samples(X + 1e8), clone(density).fit(X).score_samples(X), rtol=1e-8)
    assert_allclose(answers(far, X + 1e8), answers(clone(density).fit(X + 1e8), X + 1e8), rtol=1e-10, atol=1e-10)


def test_weights_are_repeated_rows_and_partial_fit_is_the_same_sum(table):
    X, weight = table(60), np.random.default_rng(3).integers(1, 4, 60)
    density = WITHOUT["quartic"]
    merged = density.compute_statistics(X[:30], weight[:30]) + density.compute_statistics(X[30:], weight[30:])
    repeated = clone(density).fit(np.repeat(X, weight, axis=0))
    in_turn = clone(density).partial_fit(X[:30], sample_weight=weight[:30]).partial_fit(X[30:], None, weight[30:])
    assert merged.n_rows == weight.sum()
    assert_allclose(answers(clone(density).fit_statistics(merged), X), answers(repeated, X), rtol=1e-8)
    assert_allclose(answers(clone(density).fit_statistics(merged), X), answers(in_turn, X), rtol=1e-8)


@pytest.mark.parametrize("name", ["gaussian", "quartic"])
def test_what_is_forgotten_counts_for_less(name, table):
    X, density = table(60), WITHOUT[name]
    old, new = density.compute_statistics(X[:30]), density.compute_statistics(X[30:])
    weighted = clone(density).fit(X, sample_weight=np.repeat([0.25, 1.0], 30))
    forgetful = clone(density).fit_statistics(old.forget(0.5).forget(0.5) + new)
    assert old.n_rows == 30.0
    assert_allclose(answers(forgetful, X), answers(weighted, X), rtol=1e-8)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5, np.nan, "half", None])
def test_a_factor_is_a_share(factor, table):
    with pytest.raises(ValueError, match=r"factor=.*above 0 and at most 1"):
        WITHOUT["gaussian"].compute_statistics(table()).forget(factor)


def test_one_pass_serves_many_penalties(table):
    X = table(60)
    statistics = ScoreMatchingDensity("pairwise", alpha=0.1).compute_statistics(X)
    for alpha, l1_ratio in [(0.3, 0.0), (0.3, 1.0), (0.01, 0.5)]:
        density = ScoreMatchingDensity("pairwise", alpha=alpha, l1_ratio=l1_ratio)
        expected = clone(density).fit(X).interaction_
        assert_allclose(density.fit_statistics(statistics).interaction_, expected, rtol=1e-10)


def test_known_scores_go_with_their_rows(table):
    X = table(60)
    Y, density = 2.0 - X, ScoreMatchingDensity("polynomial", objective="explicit")
    merged = density.compute_statistics(X[:20], y=Y[:20]) + density.compute_statistics(X[20:], y=Y[20:])
    assert_allclose(
        clone(density).fit_statistics(merged).grad_log_density(X), clone(density).fit(X, Y).grad_log_density(X), 1e-8
    )


def test_names_and_dtypes_of_a_frame_go_with_the_statistics(table):
    frame = pd.DataFrame(table(60), columns=["a", "b"])
    density = ScoreMatchingDensity(random_state=0)
    fitted = clone(density).fit_statistics(sum_of(density, frame))
    assert list(fitted.feature_names_in_) == ["a", "b"]
    pd.testing.assert_frame_equal(fitted.sample(3), clone(density).fit(frame).sample(3))
    with pytest.raises(ValueError, match="feature names"):
        density.compute_statistics(frame[["b", "a"]], plan=density.plan(frame))
    with pytest.raises(ValueError, match=r"do not add up.*same columns"):
        density.compute_statistics(frame) + density.compute_statistics(frame.rename(columns={"a": "c"}))


def sum_of(density, frame):
    return density.compute_statistics(frame[:25]) + density.compute_statistics(frame[25:])


def test_statistics_leave_the_estimator_as_it_was(table):
    density = ScoreMatchingDensity("kernel")
    density.compute_statistics(table(), plan=density.plan(table()))
    assert vars(density) == vars(ScoreMatchingDensity("kernel"))


def test_one_row_is_enough_under_a_plan(table):
    X, density = table(30), BY_PLAN["kernels"]
    plan = density.plan(X)
    merged = reduce(add, (density.compute_statistics(row[None], plan=plan) for row in X))
    expected = density.compute_statistics(X, plan=plan)
    assert_allclose(merged.summary.form.Gamma, expected.summary.form.Gamma, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (ScoreMatchingDensity("polynomial"), "not what the rows seen so far were gathered for"),
        (ScoreMatchingDensity(objective="denoising"), "not what the rows seen so far were gathered for"),
        (ScoreMatchingDensity(inference=True), "inference=True needs all rows at once"),
        (ScoreMatchingDensity(robust=0.1), "robust weights need all rows at once"),
    ],
)
def test_statistics_of_other_parameters_are_refused(other, message, table):
    with pytest.raises(ValueError, match=message):
        other.fit_statistics(ScoreMatchingDensity().compute_statistics(table()))


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (ScoreMatchingDensity(inference=True), "inference=True needs all rows at once"),
        (ScoreMatchingDensity(robust=0.1), "robust weights need all rows at once"),
        (ScoreMatchingDensity(alpha=-1.0), "'alpha' parameter"),
    ],
)
def test_what_no_sum_can_hold_is_refused(density, message, table):
    with pytest.raises(ValueError, match=message):
        density.compute_statistics(table())


@pytest.mark.torch
def test_networks_keep_no_statistics(table):
    with pytest.raises(ValueError, match=r"is a network.*keeps no statistics"):
        ScoreMatchingDensity("neural_energy").compute_statistics(table())


def test_something_else_is_no_statistics(table):
    with pytest.raises(ValueError, match="takes what compute_statistics"):
        ScoreMatchingDensity().fit_statistics(table())


def test_rows_that_determine_nothing_are_kept_for_those_that_follow(table):
    X, density = table(20), ScoreMatchingDensity("polynomial", alpha=0.0, criterion="hyvarinen")
    first = density.compute_statistics(X[:3])
    with pytest.raises(ValueError, match="unbounded below"):
        clone(density).fit_statistics(first)
    both = clone(density).fit_statistics(first + density.compute_statistics(X[3:]))
    assert_allclose(both.theta_, clone(density).fit(X).theta_, rtol=1e-6)


def test_fitting_twice_is_fitting_once(table):
    statistics = WITHOUT["quartic"].compute_statistics(table())
    once, twice = clone(WITHOUT["quartic"]), clone(WITHOUT["quartic"])
    once.fit_statistics(statistics)
    twice.fit_statistics(statistics).fit_statistics(statistics)
    assert_array_equal(once.theta_, twice.theta_)


@pytest.mark.parametrize("density", LADDERS.values(), ids=LADDERS)
def test_a_ladder_goes_on_with_partial_fit_where_statistics_end(density, table):
    X = table(60)
    plan = density.plan(X[:30])
    in_turn = clone(density).partial_fit(X[:30]).partial_fit(X[30:])
    merged = density.compute_statistics(X[:30], plan=plan) + density.compute_statistics(X[30:], plan=plan)
    fitted = clone(density).fit_statistics(merged)
    assert_allclose(fitted.grad_log_density(X), in_turn.grad_log_density(X), rtol=1e-6)
    assert fitted._seen.plan.rows is None  # a fit in closed form keeps sums


def test_a_ladder_forgets(table):
    X, density = table(60), LADDERS["ladder of gaussians"]
    plan, weight = density.plan(X), np.repeat([0.25, 1.0], 30)
    old, new = (density.compute_statistics(part, plan=plan) for part in (X[:30], X[30:]))
    merged = old.forget(0.25) + new
    assert merged.n_rows == 37.5
    expected = clone(density).fit(X, sample_weight=weight).grad_log_density(X)
    assert_allclose(clone(density).fit_statistics(merged).grad_log_density(X), expected, rtol=1e-8)


def test_values_of_a_discrete_column_are_those_of_the_plan():
    codes = np.random.default_rng(5).choice([0.0, 1.0, 5.0], size=(60, 1))
    density = DenoisingScoreEstimator("gaussian", random_state=0)
    plan = density.plan(codes)
    whole = density.compute_statistics(codes[:30], plan=plan) + density.compute_statistics(codes[30:], plan=plan)
    fitted = clone(density).fit_statistics(whole)
    assert_allclose(np.exp(fitted.score_samples([[0.0], [1.0], [5.0]])).sum(), 1.0, rtol=1e-4)
    with pytest.raises(ValueError, match="did not have in the first fit"):
        density.compute_statistics(codes + 1.0, plan=plan)


@pytest.mark.parametrize("changed", [{"noise_levels": [2.0, 0.1]}, {"model": "polynomial"}, {"bounds": (0.0, 9.0)}])
def test_statistics_of_another_ladder_are_refused(changed, table):
    density = LADDERS["ladder of gaussians"]
    statistics = density.compute_statistics(table())
    with pytest.raises(ValueError, match="not what the rows seen so far were gathered for"):
        clone(density).set_params(**changed).fit_statistics(statistics)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (DenoisingScoreEstimator(), "keeps no statistics"),
        (DenoisingScoreEstimatorCV("gaussian"), "rows held out, which statistics do not hold"),
    ],
)
def test_what_rows_choose_has_no_statistics(density, message, table):
    with pytest.raises(ValueError, match=message):
        density.compute_statistics(table())
