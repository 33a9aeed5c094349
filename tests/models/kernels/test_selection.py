"""What a kernel density chooses by rows held out, against refits, and that it chooses well."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.datasets import Banana, Funnel, Moons, Rings
from skscore.formulas.moments import moments
from skscore.models import GaussianBase, Kernel
from skscore.models.family import Sample
from skscore.models.fitted_density import FittedDensity
from skscore.models.folds import deal, group_rows
from skscore.models.kernels import setup as kernel_setup
from skscore.models.kernels.family import assemble_over_bases
from skscore.models.kernels.held_out import N_DRAWS
from skscore.models.kernels.kernel import _at_the_edge
from skscore.models.kernels.rkhs import orthonormal_basis
from skscore.models.kernels.selection import (
    CandidateScores,
    Doubt,
    FoldScorer,
    LeaveOneOutScorer,
    choose,
    explore,
    tabulate,
)
from skscore.models.kernels.setup import KernelSetup
from skscore.models.objectives import Implicit


def density(model=None, **parameters):
    return ScoreMatchingDensity(Kernel(20) if model is None else model, **{"random_state": 0, **parameters})


def sample(X, weight=None):
    return Sample(X, None, weight, moments(X, weight))


def banana(n, seed=0):
    return Banana().sample(n, random_state=seed)


# ---- judges against refits -----------------------------------------------------------------------

ALPHAS = np.array([1e-2, 1e-1])


@pytest.mark.parametrize("by_likelihood", [True, False])
def test_folds_judge_as_refits_do(by_likelihood):
    X = banana(120)
    model = Kernel(10)
    site = KernelSetup(model, sample(X))
    folds = deal(site.sample, group_rows(site.coordinates.forward(X)), 3, 1000)
    scales = np.array([1.0, 2.5])
    judge = FoldScorer(site.families, folds, Implicit(), scales, ALPHAS, site.draws(scales) if by_likelihood else None)
    trial = judge(0.8)
    for (i, j), score in np.ndenumerate(trial.scores):
        family, scores = site.family(0.8, scales[i]), []
        for k, fold in enumerate(folds):
            rest = np.concatenate([other.X for m, other in enumerate(folds) if m != k])
            form = family.assemble(rest, None, None, Implicit())
            theta = np.linalg.solve(form.Gamma + ALPHAS[j] * np.eye(len(form.g)), form.g)
            if by_likelihood:
                law = FittedDensity(family, theta, site.sample.moments, 0, "Kernel")
                scores.append(law.log_density(fold.X).mean())
            else:
                scores.append(-family.assemble(fold.X, None, None, Implicit()).value(theta))
        expected = np.average(scores, weights=[len(fold.X) for fold in folds])
        noise = 5 * np.sqrt((1 / trial.ess[i, j] - 1) / N_DRAWS) if by_likelihood else 0.0
        assert score == pytest.approx(expected, rel=1e-9, abs=noise)


@pytest.mark.parametrize(("base", "smoothing"), [("gaussian", 0.0), ("gaussian", 0.4), ("student", 0.0)])
@pytest.mark.parametrize("n", [30, 400])
def test_forms_over_several_bases_are_those_of_each(rng, assert_same_form, base, smoothing, n):
    """Γ is assembled once; for few rows by functions, for many by kernels."""
    X, weight = rng.standard_normal((n, 3)), rng.random(n)
    families = KernelSetup(Kernel(12, base=base), sample(X, weight)).families(1.2, [1.0, 1.5, 4.0], smoothing)
    forms = assemble_over_bases(families, X, None, weight, Implicit())
    for family, form in zip(families, forms, strict=True):
        assert_same_form(form, family.assemble(X, None, weight, Implicit()), rtol=1e-9)


@pytest.mark.parametrize("whiten", [True, False])
def test_draws_reach_the_tails_of_a_base_of_the_users_own(whiten):
    """Without kernels the density is the base measure, whose log Z is 0."""
    X = banana(100)
    base = GaussianBase([30.0, -5.0], [100.0, 2.0])
    site = KernelSetup(Kernel(10, base=base, whiten=whiten), sample(X))
    folds = deal(site.sample, group_rows(site.coordinates.forward(X)), 3, 1000)
    trial = FoldScorer(site.families, folds, Implicit(), np.ones(1), np.array([1e12]), site.draws([1.0]))(0.8)
    noise = 5 * np.sqrt((1 / trial.ess.item() - 1) / N_DRAWS)
    assert trial.score == pytest.approx(base.log_density(X).mean(), abs=noise)


@pytest.mark.parametrize("parameters", [{}, {"cv": "loo"}, {"smoothing": 0.0}], ids=str)
def test_without_a_ridge_the_bandwidth_is_chosen_too(parameters):
    """Of wide kernels some are rounding: the least θ is judged."""
    with pytest.warns(ConvergenceWarning, match="alpha=0"):
        fitted = density(Kernel(40, base_scale=1.0, **parameters), alpha=0.0).fit(banana(120))
    assert not np.isnan(fitted.cv_results_["mean_test_score"]).any()


@pytest.mark.parametrize("weighted", [False, True])
def test_leaving_out_one_row_is_refitting_without_it(rng, weighted):
    X = banana(25)
    weight = rng.random(25) + 0.5 if weighted else None
    site = KernelSetup(Kernel(6), sample(X, weight))
    trial = LeaveOneOutScorer(site.families, site.sample, Implicit(), np.array([1.5]), ALPHAS)(0.9)
    family = site.family(0.9, 1.5)
    w = np.ones(25) if weight is None else weight
    for j, alpha in enumerate(ALPHAS):
        values = []
        for row in range(25):
            others = np.arange(25) != row
            form = family.assemble(X[others], None, w[others], Implicit())
            theta = np.linalg.solve(form.Gamma + alpha * np.eye(len(form.g)), form.g)
            values.append(family.assemble(X[[row]], None, w[[row]], Implicit()).value(theta))
        assert trial.scores[0, j] == pytest.approx(-np.average(values, weights=w), rel=1e-9)


# ---- the search ----------------------------------------------------------------------------------


def trial(bandwidth, score):
    return CandidateScores(bandwidth, 0.0, np.ones(1), np.ones(1), np.array([[score]]), np.ones((1, 1)))


@pytest.mark.parametrize("peak", [-5, -1, 0, 3])
def test_the_search_ends_at_the_peak_with_both_neighbours_tried(peak):
    tried = []

    def judge(bandwidth):
        tried.append(bandwidth)
        return trial(bandwidth, -abs(np.log2(bandwidth) - peak / 2))

    trials = explore(judge, 1.0, (-4, -2, 0, 2), (-10, 6))
    best = max(trials, key=lambda one: one.score)
    assert best.bandwidth == pytest.approx(2 ** (peak / 2))
    bandwidths = [one.bandwidth for one in trials]
    assert bandwidths == sorted(tried)
    assert 0 < bandwidths.index(best.bandwidth) < len(bandwidths) - 1


@pytest.mark.parametrize("noise", [0.0, 2**-4, 2**-2.5, 1.0])
def test_the_search_goes_along_noise_as_well(noise):
    """From none to the faintest is one step; the peak is off the coarse grid, at a bandwidth of 2^-½."""

    def judge(bandwidth, smoothing=0.0):
        steps = 2.0 * np.log2([max(smoothing, 2**-4.5), max(noise, 2**-4.5)])
        score = -abs(2.0 * np.log2(bandwidth) + 1.0) - abs(steps[0] - steps[1])
        return trial(bandwidth, score)._replace(smoothing=smoothing)

    trials = explore(judge, 1.0, (-4, -2, 0, 2), (-10, 6), smooth=True)
    best = max(trials, key=lambda one: one.score)
    assert (best.bandwidth, best.smoothing) == pytest.approx((2**-0.5, noise))
    assert len(trials) == len({(one.bandwidth, one.smoothing) for one in trials}) < 30


def test_the_search_stops_at_its_limits():
    trials = explore(lambda bandwidth: trial(bandwidth, -bandwidth), 1.0, (0,), (-3, 2))
    assert [one.bandwidth for one in trials] == pytest.approx([2**-1.5, 2**-1.0, 2**-0.5, 1.0, 2**0.5])


def test_fits_without_noise_are_tried_beside_the_best_coarse_bandwidth_alone():
    tried = []

    def judge(bandwidth, smoothing=0.0):
        tried.append((np.log2(bandwidth) * 2, smoothing))
        return trial(bandwidth, -abs(2.0 * np.log2(bandwidth) - 2.0))._replace(smoothing=smoothing)

    explore(judge, 1.0, (-6, -4, -2, 0, 2), (-12, 6), smooth=True)
    assert sorted(bandwidth for bandwidth, smoothing in tried if not smoothing) == pytest.approx([0.0, 2.0])


def test_one_basis_serves_all_noises_of_a_bandwidth(monkeypatch):
    n_calls = []

    def counted(K, cut):
        n_calls.append(len(K))
        return orthonormal_basis(K, cut)

    monkeypatch.setattr(kernel_setup, "orthonormal_basis", counted)
    setup = KernelSetup(Kernel(10), sample(banana(60)))
    bases = [setup.family(0.7, 1.0, noise).inner.basis for noise in (0.0, 0.1, 0.5)]
    assert n_calls == [10]
    fresh = KernelSetup(Kernel(10), sample(banana(60))).family(0.7, 1.0, 0.5).inner.basis
    np.testing.assert_array_equal(bases[-1], fresh)
    for bandwidth in (0.1, 0.2, 0.3, 0.4, 0.7):  # the last few are kept
        setup.family(bandwidth, 1.0)
    assert n_calls == [10] * 7


def test_no_kernels_are_tried_that_are_bumps_apart():
    X = banana(300)
    fitted = density(Kernel(12)).fit(X)
    least = KernelSetup(Kernel(12), sample(X)).least
    tried = fitted.cv_results_["param_bandwidth"]
    assert least <= tried.min() < 2.1 * least  # coarse bandwidths are a factor of 2 apart


class _Doubter:
    """A judge whose draws miss the mass of every fit with less than some ridge."""

    def __init__(self, least):
        self.least, self.asked = least, []

    def doubt(self, trial):
        self.asked.append(trial.choice)
        return Doubt(0.0, 1.0 if trial.choice[-1] < self.least else 0.0, 0.1)


def test_the_best_stands_only_if_its_normaliser_is_confirmed():
    def trials():
        scores = np.array([[3.0, 2.0, 0.0]]), np.array([[2.5, 1.0, 0.5]])
        return [
            CandidateScores(b, 0.0, np.ones(1), np.array([0.1, 0.2, 0.3]), s, np.zeros((1, 3)))
            for b, s in enumerate(scores)
        ]

    tried, judge = trials(), _Doubter(0.2)
    best, (remark,) = choose(judge, tried)
    assert best.choice == (0, 1.0, 0.0, 0.2)
    assert "has 2 nats a row where its score on rows held out is 3" in remark
    assert judge.asked == [(0, 1.0, 0.0, 0.1), (1, 1.0, 0.0, 0.1), (0, 1.0, 0.0, 0.2)]
    assert [np.isneginf(trial.scores).sum() for trial in tried] == [1, 1]
    assert np.isfinite(choose(_Doubter(9.0), trials())[0].score)
    assert choose(_Doubter(0.0), trials())[1] == ()


def test_draws_and_annealing_find_the_same_normaliser(rng):
    X = rng.standard_normal((200, 5)) @ (np.eye(5) + 0.5 * np.eye(5, k=1))
    site = KernelSetup(Kernel(20), sample(X))
    folds = deal(site.sample, group_rows(site.coordinates.forward(X)), 3, 1000)
    judge = FoldScorer(site.families, folds, Implicit(), np.ones(1), ALPHAS, site.draws(np.ones(1)), moments(X))
    trial = judge(3.0)
    doubt = judge.doubt(trial)
    assert doubt.missed == pytest.approx(0.0, abs=0.08)
    assert doubt.shortfall < doubt.missed + 0.05
    assert not doubt.is_serious


def test_mass_that_no_draw_meets_is_doubted(rng):
    """With draws of which a share e⁻¹ of the mass is missing, both log Z and the score are off by one nat."""
    X = rng.standard_normal((200, 2))
    site = KernelSetup(Kernel(20), sample(X))
    position, log_density = site.draws(np.ones(1))
    judge = FoldScorer(site.families, site.folds(3, 1000), Implicit(), np.ones(1), ALPHAS, None, moments(X))
    sound, blind = (replace(judge, draws=(position, log_density + missing)) for missing in (0.0, 1.0))
    doubts = sound.doubt(sound(3.0)), blind.doubt(blind(3.0))
    assert not doubts[0].is_serious
    assert doubts[0].missed == pytest.approx(0.0, abs=0.05)
    assert doubts[1].is_serious
    assert doubts[1].missed == pytest.approx(doubts[0].missed + 1.0, abs=1e-6)
    assert doubts[1].shortfall == pytest.approx(1.0, abs=0.2)


def test_what_was_tried_is_a_table():
    one = CandidateScores(
        0.5, 0.25, np.array([1.0, 2.0]), np.array([0.1, 0.2, 0.3]), np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    )
    table = tabulate([one, one])
    assert {len(column) for column in table.values()} == {12}
    best = np.argmax(table["mean_test_score"])
    chosen = tuple(table[f"param_{name}"][best] for name in ("bandwidth", "base_scale", "smoothing", "alpha"))
    assert chosen == one.choice == (0.5, 2.0, 0.25, 0.3)


# ---- through the estimator -----------------------------------------------------------------------


def test_the_defaults_choose_everything_and_say_what():
    X = banana(200)
    fitted = density("kernel").fit(X)
    table = fitted.cv_results_
    best = np.argmax(table["mean_test_score"])
    assert fitted.bandwidth_ == table["param_bandwidth"][best]
    assert fitted.base_scale_ == table["param_base_scale"][best]
    assert fitted.alpha_ == table["param_alpha"][best]
    assert fitted.get_params()["alpha"] == "auto"
    assert fitted.score(banana(2000, seed=1)) > ScoreMatchingDensity().fit(X).score(banana(2000, seed=1)) + 0.3


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Kernel(20, bandwidth=0.7, base_scale=1.5), {"alpha": 0.01}),
        (Kernel(20, bandwidth="median", base_scale=1.0), {"alpha": 0.01}),
        (Kernel(20, bandwidth="median", base=None), {"alpha": 0.01}),
    ],
    ids=repr,
)
def test_nothing_is_tried_where_all_is_given(model, parameters):
    fitted = density(model, **parameters).fit(banana(100))
    assert not hasattr(fitted, "cv_results_")
    assert fitted.alpha_ == 0.01


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Kernel(20, base="student"), {}),
        (Kernel(20, base=None), {}),
        (Kernel(20, cv="loo", base_scale=1.0), {}),
        (Kernel(20, whiten=False), {}),
        (Kernel(20, bandwidth=[1.0, 2.0], whiten=False), {}),
        (Kernel(10, basis="nystrom"), {}),
        (Kernel(60, basis="fourier"), {}),
        (Kernel(20), {"criterion": "hyvarinen"}),
        (Kernel(20), {"objective": "denoising", "noise_level": 0.2}),
        (Kernel(20), {"alpha": 0.01}),
        (Kernel(20, regularizer="identity"), {}),
        (Kernel(20, dtype="float32"), {}),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_kind_is_chosen_among(model, parameters):
    fitted = density(model, **parameters).fit(banana(150))
    assert np.isfinite(fitted.grad_log_density(banana(20, seed=1))).all()
    assert np.isfinite(fitted.cv_results_["mean_test_score"].max())


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_rules_of_thumb_are_those_of_a_kernel_density(rng, rule):
    X = 3.0 * rng.standard_normal((50, 3))
    expected = KernelDensity(bandwidth=rule).fit(X).bandwidth_
    model = Kernel(10, bandwidth=rule, base_scale=1.0)
    whitened = density(model, alpha=0.1).fit(X, sample_weight=np.full(50, 7.0))
    assert whitened.bandwidth_ == pytest.approx(expected)
    in_units_of_X = density(clone(model).set_params(whiten=False), alpha=0.1).fit(X)
    assert in_units_of_X.bandwidth_ == pytest.approx(expected * np.exp(np.log(X.std(axis=0)).mean()))


@pytest.mark.parametrize("whiten", [True, False])
def test_bandwidths_in_the_units_of_the_columns(rng, whiten):
    """Along a column a kernel falls to e^-½ at its bandwidth, if the other columns go where the kernel is greatest."""
    X = rng.standard_normal((60, 2)) @ np.array([[3.0, 1.0], [0.0, 0.02]])
    fitted = density(Kernel(landmarks=[[0.5, 0.2]], bandwidth=0.7, base_scale=1.0, whiten=whiten), alpha=0.1).fit(X)
    family, (a, b) = fitted._fit.family, fitted.column_bandwidths_
    line = np.linspace(-5.0, 5.0, 20001)
    along = (
        np.column_stack([np.full_like(line, 0.5 + a), 0.2 + line]),
        np.column_stack([0.5 + line, np.full_like(line, 0.2 + b)]),
    )
    centre = family.statistics(np.array([[0.5, 0.2]])).item()
    for rows in along:
        assert (family.statistics(rows) / centre).max() == pytest.approx(np.exp(-0.5), rel=1e-3)


def test_weights_are_repetition_and_order_is_nothing(rng):
    X, weight = banana(80), rng.integers(0, 3, 80)
    repeated = np.repeat(X, weight, axis=0)
    fits = [density().fit(X, sample_weight=weight), density().fit(repeated), density().fit(rng.permutation(repeated))]
    for other in fits[1:]:
        assert other.alpha_ == pytest.approx(fits[0].alpha_, rel=1e-9)
        assert other.bandwidth_ == pytest.approx(fits[0].bandwidth_, rel=1e-9)
        np.testing.assert_allclose(other.grad_log_density(X), fits[0].grad_log_density(X), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_table_of_many_repetitions_is_its_weighted_twin(rng):
    """Whitened rows are rounded by their place in the table, and a small ridge magnified what little that changes."""
    X, fresh = rng.random((30, 2)), rng.random((200, 2))
    weight = 1 + (10 * X.sum(axis=1)).astype(int)
    repeated = np.repeat(X, weight, axis=0)
    tables = [(X, weight), (X, 0.37 * weight), (repeated, None), (rng.permutation(repeated), None)]
    fits = [density(Kernel(40)).fit(*table[:1], sample_weight=table[1]).score_samples(fresh) for table in tables]
    for other in fits[1:]:
        np.testing.assert_allclose(other, fits[0], atol=1e-5)


def test_neither_threads_nor_memory_order_move_log_densities(rng):
    """A banana beside a column of noise, on which wide kernels at a ridge of 1e-8 gave 1 nat more or less."""
    X = np.column_stack([banana(1500, seed=1), rng.standard_normal(1500)])
    found = []
    for n_threads, table in [(1, X), (2, X), (1, np.asfortranarray(X))]:
        with threadpool_limits(n_threads):
            found.append(density(Kernel(60)).fit(table).score_samples(X))
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)


def test_the_neck_of_a_funnel_is_found():
    """Functions of small norm make it: without them a row has .13 nats less."""
    law, rng = Funnel(), np.random.default_rng(3)
    X, fresh = law.sample(300, rng), law.sample(4000, rng)
    fitted = density(Kernel()).fit((X - X.mean(axis=0)) / X.std(axis=0))
    assert fitted.score((fresh - X.mean(axis=0)) / X.std(axis=0)) > -1.08


def test_kernels_that_cancel_do_not_show_their_rounding():
    """Without a ridge on their coefficients memory order moved log-densities by 9e-6."""
    X, fresh = Moons().sample(150, random_state=1), Moons().sample(2000, random_state=99)
    found = [density(Kernel()).fit(table).score_samples(fresh) for table in (X, np.asfortranarray(X))]
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)


def test_ridges_that_rounding_outweighs_are_not_chosen():
    setup = KernelSetup(Kernel(), sample(Rings().sample(300, random_state=1)))
    alphas, scales = np.array([1e-8, 1e-3, 1.0]), np.ones(1)
    judge = FoldScorer(setup.families, setup.folds(3, 1000), Implicit(), scales, alphas, setup.draws(scales))
    assert np.isfinite(judge(0.7 * setup.median, 0.12).scores).tolist() == [[False, True, True]]


def test_columns_may_change_places_and_units():
    X = banana(100)
    A = np.array([[0.0, 3.0], [1e-3, 0.0]])
    before, after = (density(Kernel(20, base_scale=1.5)).fit(rows) for rows in (X, X @ A))
    assert after.smoothing_ == before.smoothing_ > 0.0
    assert after.alpha_ == pytest.approx(before.alpha_, rel=1e-6)
    np.testing.assert_allclose(after.grad_log_density(X @ A) @ A.T, before.grad_log_density(X), rtol=1e-4, atol=1e-5)


def test_later_rows_keep_what_the_first_chose():
    X = banana(300)
    fitted = density().fit(X[:150])
    chosen = fitted.alpha_, fitted.bandwidth_, fitted.base_scale_
    fitted.partial_fit(X[150:])
    assert (fitted.alpha_, fitted.bandwidth_, fitted.base_scale_) == chosen
    assert fitted._fit.summary.form.n == 300


def test_a_ladder_takes_what_was_chosen():
    fitted = DenoisingScoreEstimator(
        Kernel(15), noise_levels=[2.0, 0.5], dequantize=False, tail=None, n_likelihood_steps=4
    ).fit(banana(100))
    assert fitted.alpha_ > 0.0
    np.testing.assert_array_equal(fitted.partial_fit(banana(50, seed=1)).noise_levels_, [2.0, 0.5])


def test_a_grid_reaches_the_model():
    grid = {"model__n_landmarks": [5, 20], "alpha": [0.01, "auto"]}
    search = GridSearchCV(density(Kernel(bandwidth=1.0, base_scale=1.5)), grid, cv=2).fit(banana(100))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_handful_of_rows_fits(n):
    assert np.isfinite(density().fit(banana(n)).score_samples(banana(5, seed=1))).all()


def test_an_edge_is_remarked():
    def judge(bandwidth):
        return CandidateScores(bandwidth, 0.0, np.ones(1), ALPHAS, np.array([[bandwidth, 0.0]]), np.ones((1, 2)))

    trials = [judge(1.0), judge(2.0)]
    bandwidth, alpha = _at_the_edge(trials, trials[1], 1.0)
    assert "greatest of those tried" in bandwidth
    assert "alpha 0.01 is the least" in alpha
    inner = CandidateScores(1.5, 0.0, np.ones(1), ALPHAS, np.array([[0.0, 3.0]]), np.ones((1, 2)))
    assert not list(_at_the_edge([judge(1.0), inner, judge(2.0)], inner, 1.0))


def test_bandwidths_of_each_coordinate_tell_columns_without_structure(rng):
    """A ring beside two columns of noise: kernels grow long along these, and rows held out like it."""
    law = Rings(radii=(2.0,))
    X, T = (np.column_stack([law.sample(n, random_state=n), rng.standard_normal((n, 2))]) for n in (300, 2000))
    common, own = (density(Kernel(60, bandwidth=kind, base_scale=1.5, whiten=False)).fit(X) for kind in ("cv", "ard"))
    assert own.bandwidth_.shape == (4,)
    assert own.bandwidth_[2:].min() > 2 * own.bandwidth_[:2].max()
    assert own.score(T) > common.score(T) + 0.3
    with pytest.raises(ValueError, match='"ard" is for basis="lite"'):
        density(Kernel(bandwidth="ard", basis="nystrom")).fit(X)


def test_only_kernels_have_a_path(rng):
    with pytest.raises(ValueError, match='alpha="cv" is for kernel models'):
        ScoreMatchingDensity("gaussian", alpha="cv").fit(rng.standard_normal((20, 2)))
    assert clone(density(alpha="cv")).alpha == "cv"
