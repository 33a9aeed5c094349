"""Kernels of rows seen through noise: the closed form against quadrature, its two limits, what is chosen."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import softmax

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.datasets import Moons
from skscore.formulas.moments import moments
from skscore.maps.affine import Affine
from skscore.models import GaussianBase, Kernel
from skscore.models.base import MappedBase, resolve_base
from skscore.models.family import Family, Sample
from skscore.models.fitted_density import FittedDensity
from skscore.models.folds import deal, group_rows
from skscore.models.kernels.held_out import N_DRAWS
from skscore.models.kernels.lite import LiteFamily
from skscore.models.kernels.selection import FoldScorer
from skscore.models.kernels.setup import KernelSetup
from skscore.models.kernels.smoothed import SmoothedFamily
from skscore.models.objectives import Explicit, Implicit

BASES = {
    "flat": lambda d: resolve_base(None, None),
    "by column": lambda d: GaussianBase(0.5, np.linspace(1, 2, d)),
    "full": lambda d: MappedBase(GaussianBase(0.5, 1.2), Affine(np.ones(d), np.tri(d), np.ones(d))),
}


def pair(rng, rows, metric, base="full", noise=0.36, m=7, nugget=0.0, **parameters):
    """A family with noise, and the same without."""
    d = rows.shape[1]
    parts = rows[:m] + 0.1, metric(d), rng.standard_normal((m, m - 2)), BASES[base](d)
    return SmoothedFamily(*parts, noise=noise, nugget=nugget, **parameters), LiteFamily(*parts, **parameters)


# ---- the closed form -----------------------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("d", [1, 2])
def test_the_form_is_the_mean_over_noise(rng, skew_rows, assert_same_form, d, metric, base):
    X, weight = skew_rows(rng, 30, d), rng.random(30)
    smoothed, plain = pair(rng, X, metric, base)
    nodes, share = np.polynomial.hermite_e.hermegauss(24)
    z = np.stack(np.meshgrid(*[nodes] * d), axis=-1).reshape(-1, d)
    share = np.prod(np.stack(np.meshgrid(*[share / share.sum()] * d), axis=-1).reshape(-1, d), axis=1)
    noise = z @ np.linalg.cholesky(0.36 * np.linalg.inv(plain.metric)).T
    noisy, weights = (X[:, None] + noise).reshape(-1, d), (weight[:, None] * share).reshape(-1)
    mean = Family.assemble(plain, noisy, None, weights, Implicit())
    assert_same_form(smoothed.assemble(X, None, weight, Implicit()), mean, rtol=1e-11)


@pytest.mark.parametrize("d", [2, 5])
def test_without_noise_it_is_the_form_of_the_rows(rng, skew_rows, assert_same_form, metric, d):
    X, weight = skew_rows(rng, 50, d), rng.random(50)
    smoothed, plain = pair(rng, X, metric, noise=1e-13)
    assert_same_form(smoothed.assemble(X, None, weight, Implicit()), plain.implicit_form(X, weight), rtol=1e-10)


def test_gradients_of_rows_sum_to_that_of_the_form(rng, skew_rows, metric):
    X, weight = skew_rows(rng, 40, 3), rng.random(40)
    family, _ = pair(rng, X, metric, nugget=0.1)
    phi, form = rng.standard_normal(family.n_parameters), family.assemble(X, None, weight, Implicit())
    mean = weight @ family.row_gradients(phi, X, None, Implicit()) / weight.sum()
    np.testing.assert_allclose(mean, form.gradient(phi), rtol=1e-11, atol=1e-12)


def test_a_nugget_is_a_ridge_on_the_coefficients_of_kernels(skew_rows, metric):
    X, families = skew_rows(np.random.default_rng(0), 40, 3), []
    for nugget in (0.0, 0.3):
        families.append(pair(np.random.default_rng(1), X, metric, nugget=nugget)[0])
    without, form = (family.assemble(X, None, None, Implicit()) for family in families)
    phi = np.linspace(-1.0, 1.0, len(form.g))
    theta = families[0].basis @ phi
    assert form.value(phi) - without.value(phi) == pytest.approx(0.5 * 0.3 * theta @ theta)


def test_blocks_weights_and_precision(rng, skew_rows, assert_same_form, metric):
    X, counts = skew_rows(rng, 100, 3), rng.integers(0, 4, 100)
    form = pair(np.random.default_rng(1), X, metric)[0].assemble(X, None, counts.astype(float), Implicit())
    by_blocks = pair(np.random.default_rng(1), X, metric, block_rows=7)[0]
    assert_same_form(by_blocks.assemble(np.repeat(X, counts, axis=0), None, None, Implicit()), form, rtol=1e-12)
    single = pair(np.random.default_rng(1), X, metric, dtype=np.float32)[0]
    assert_same_form(single.assemble(X, None, counts.astype(float), Implicit()), form, rtol=3e-6)


def test_known_scores_are_those_of_the_rows(rng, skew_rows, assert_same_form, metric):
    X, Y = skew_rows(rng, 20, 2), rng.standard_normal((20, 2))
    smoothed, plain = pair(rng, X, metric)
    assert_same_form(smoothed.assemble(X, Y, None, Explicit()), plain.assemble(X, Y, None, Explicit()), rtol=1e-14)
    phi = np.ones(smoothed.n_parameters)
    gradients = (family.row_gradients(phi, X, Y, Explicit()) for family in (smoothed, plain))
    np.testing.assert_allclose(*gradients)


def test_kernels_enough_and_no_ridge_end_at_the_kernel_density():
    """The minimiser over all functions is the Parzen density of the rows, whose score is a mean shift."""
    X, Z = np.array([[-1.0], [0.2], [1.5]]), np.linspace(-3.0, 3.5, 40)[:, None]
    tau, bandwidth = 0.5, 0.6
    model = Kernel(landmarks=Z, bandwidth=bandwidth, smoothing=tau / bandwidth, base_scale=1.0, whiten=False)
    fitted = ScoreMatchingDensity(model, alpha=1e-9, random_state=0).fit(X)
    grid = np.linspace(-1.5, 2.0, 50)[:, None]
    share = softmax(-0.5 * cdist(grid, X, "sqeuclidean") / tau**2, axis=1)
    np.testing.assert_allclose(fitted.grad_log_density(grid), (share @ X - grid) / tau**2, atol=0.02)


# ---- the choice ----------------------------------------------------------------------------------

ALPHAS = np.array([1e-3, 1e-1])


@pytest.mark.parametrize("by_likelihood", [True, False])
def test_folds_judge_by_rows_without_noise(by_likelihood):
    X = Moons().sample(90, random_state=0)
    sample, scales = Sample(X, None, None, moments(X)), np.array([1.0, 1.5])
    site = KernelSetup(Kernel(10), sample)
    folds = deal(sample, group_rows(site.coordinates.forward(X)), 3, 1000)
    judge = FoldScorer(site.families, folds, Implicit(), scales, ALPHAS, site.draws(scales) if by_likelihood else None)
    trial = judge(0.7, 0.4)
    for (i, j), score in np.ndenumerate(trial.scores):
        noisy, plain, scores = site.family(0.7, scales[i], 0.4), site.family(0.7, scales[i]), []
        for fold in folds:
            rest = np.concatenate([other.X for other in folds if other is not fold])
            form = noisy.assemble(rest, None, None, Implicit())
            theta = np.linalg.solve(form.Gamma + ALPHAS[j] * np.eye(len(form.g)), form.g)
            law = FittedDensity(plain, theta, sample.moments, 0, "Kernel")
            likelihood = law.log_density(fold.X).mean() if by_likelihood else 0.0
            scores.append(likelihood or -plain.assemble(fold.X, None, None, Implicit()).value(theta))
        noise = 5 * np.sqrt((1 / trial.ess[i, j] - 1) / N_DRAWS) if by_likelihood else 0.0
        assert score == pytest.approx(np.mean(scores), rel=1e-8, abs=noise)


def test_few_rows_are_smoothed_and_judged_better():
    law = Moons()
    X, T = law.sample(150, random_state=0), law.sample(2000, random_state=1)
    chosen, plain = (
        ScoreMatchingDensity(Kernel(60, smoothing=smoothing), random_state=0).fit(X) for smoothing in ("auto", 0.0)
    )
    assert chosen.smoothing_ > 0.0 == plain.smoothing_
    assert chosen.score(T) > plain.score(T) + 0.02
    assert set(plain.cv_results_["param_smoothing"]) == {0.0}
    best = np.argmax(chosen.cv_results_["mean_test_score"])
    assert chosen.cv_results_["param_smoothing"][best] == chosen.smoothing_


def test_a_given_bandwidth_is_not_smoothed_unless_asked_for(rng):
    X = Moons().sample(60, random_state=0)
    fitted = ScoreMatchingDensity(Kernel(20, bandwidth=0.5, base_scale=1.0), alpha=0.01).fit(X)
    assert fitted.smoothing_ == 0.0
    asked = Kernel(20, bandwidth=0.5, base_scale=1.0, smoothing=0.3)
    whole = ScoreMatchingDensity(asked, alpha=0.01, inference=True).fit(X)
    assert whole.smoothing_ == 0.3
    assert (whole.standard_errors_ > 0.0).all()
    model = asked.set_params(landmarks=X[:10], whiten=False)
    parts = ScoreMatchingDensity(model, alpha=0.01).fit(X[:30]).partial_fit(X[30:])
    # the base measure is that of the first rows
    fixed = asked.set_params(base=GaussianBase(X[:30].mean(axis=0), X[:30].std(axis=0)))
    once = ScoreMatchingDensity(fixed, alpha=0.01).fit(X)
    np.testing.assert_allclose(parts.grad_log_density(X), once.grad_log_density(X), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "parameters",
    [{"basis": "nystrom"}, {"base": "student"}, {"cv": "loo"}, {"bandwidth": "ard"}],
    ids=lambda parameters: next(iter(parameters)),
)
def test_what_has_no_closed_form_refuses_noise(parameters):
    X = Moons().sample(40, random_state=0)
    with pytest.raises(ValueError, match=r"smoothing=0\.3 is for the implicit objective.*Set smoothing=0"):
        ScoreMatchingDensity(Kernel(40, smoothing=0.3, **parameters)).fit(X)
    assert ScoreMatchingDensity(Kernel(40, **parameters), random_state=0).fit(X).smoothing_ == 0.0


def test_noisy_objectives_have_noise_of_their_own():
    X = Moons().sample(60, random_state=0)
    with pytest.raises(ValueError, match="denoising score matching"):
        ScoreMatchingDensity(Kernel(10, smoothing=0.3), objective="denoising", noise_level=0.1).fit(X)
    with pytest.raises(ValueError, match="adds noise"):
        DenoisingScoreEstimator(Kernel(10, smoothing=0.3)).fit(X)
