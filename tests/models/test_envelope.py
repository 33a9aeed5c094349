"""Densities in place of polynomials that are none: what is asked of them, and what may not change it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.datasets import Banana
from skscore.formulas.moments import moments
from skscore.models import GaussianBase, Polynomial
from skscore.models.envelope import n_terms
from skscore.models.monomials import MonomialBasis
from skscore.models.objectives import Denoising, Implicit, Sliced
from skscore.models.polynomial import PolynomialFamily

MODELS = [Polynomial(4), Polynomial(4, interaction_degree=1, base=None), Polynomial(4, base=GaussianBase(1.0, 2.0))]
every_model = pytest.mark.parametrize("model", MODELS, ids=repr)


def heavy(d=2, n=200, seed=0):
    """Rows whose tails turn the terms of the highest degree upwards."""
    return 3.0 * np.random.default_rng(seed).standard_t(4, size=(n, d)) + 1.0


def free(density):
    """θ without the bound, in standardised columns."""
    fit = density._fit
    return fit.family.solve(fit.summary, fit.objective, fit.choice.alpha).theta


def is_moved(density):
    return density._fit.density.theta.is_moved


@pytest.mark.parametrize(
    ("model", "objective"),
    [*((m, "implicit") for m in MODELS), (MODELS[0], "sliced"), (MODELS[0], "denoising")],
    ids=repr,
)
def test_heavy_tails_have_a_density(model, objective):
    X = heavy()
    density = ScoreMatchingDensity(model, alpha=1e-3, objective=objective).fit(X)
    assert density._fit.family.infinite_mass(free(density)) is not None
    assert is_moved(density)
    gaussian = ScoreMatchingDensity("gaussian").fit(X).score(X)
    assert density.score(X) > gaussian - 0.2
    assert density.log_normalizer_stderr_ < 0.02
    assert np.isfinite(density.sample(10)).all()


def test_the_mass_is_one_and_the_highest_value_near_the_mean():
    X = heavy(1)
    density = ScoreMatchingDensity("polynomial").fit(X)
    assert is_moved(density)
    mass, _ = quad(lambda x: np.exp(density.score_samples([[x]])[0]), -200.0, 200.0, points=[0.0], limit=200)
    assert mass == pytest.approx(1.0, abs=1e-6)
    grid = np.linspace(-1e3, 1e3, 20_001)[:, None]
    assert density.score_samples(grid).max() - density.score(X) < 1.0 + 1e-6


@every_model
def test_rows_are_never_implausible(model):
    """log Z ≤ f̄ + d + (c/2)E‖u‖² + (d/2)log(2π/c), here with c ≥ 1/(2d)."""
    X, d = heavy(2), 2
    for alpha in (1e-6, 1.0, 1e3):
        density = ScoreMatchingDensity(model, alpha=alpha).fit(X)
        if is_moved(density):
            units = np.log(X.std(axis=0)).sum()
            assert density.score(X) > -d - 0.5 - 0.5 * d * np.log(4 * np.pi * d) - units


@pytest.mark.parametrize(
    ("model", "alpha"), [(Polynomial(4), 0.0), (Polynomial(4), 1e-3), (Polynomial(2, base=None), 100.0)], ids=repr
)
def test_a_proved_density_is_the_free_fit_to_the_last_bit(model, alpha):
    density = ScoreMatchingDensity(model, alpha=alpha).fit(Banana().sample(3000, random_state=0))
    assert not is_moved(density)
    assert_array_equal(density._fit.density.theta.flat, free(density).flat)


def test_weights_are_repeated_rows():
    X, weight = heavy(n=120), np.random.default_rng(1).integers(1, 4, 120)
    weighted = ScoreMatchingDensity("polynomial").fit(X, sample_weight=weight)
    repeated = ScoreMatchingDensity("polynomial").fit(np.repeat(X, weight, axis=0))
    assert is_moved(weighted)
    assert_allclose(weighted.grad_log_density(X), repeated.grad_log_density(X), rtol=1e-6, atol=1e-6)
    assert_allclose(weighted.score_samples(X), repeated.score_samples(X), atol=1e-6)


def test_chunks_are_the_whole():
    X = heavy()
    whole, chunks = ScoreMatchingDensity("polynomial").fit(X), ScoreMatchingDensity("polynomial")
    for part in np.array_split(X, 3):
        chunks.partial_fit(part)
    assert is_moved(whole)
    assert_allclose(chunks.grad_log_density(X), whole.grad_log_density(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_units_do_not_matter(factor):
    X = heavy()
    one, other = (ScoreMatchingDensity("polynomial").fit(table) for table in (X, factor * X - 7.0))
    assert_allclose(other.score_samples(factor * X - 7.0) + 2 * np.log(factor), one.score_samples(X), atol=1e-5)


def test_known_scores_need_not_be_those_of_the_rows():
    """log p = 200x² − x⁴ at rows on the hill between its modes: their scores are met, as before."""
    X = 0.05 * np.random.default_rng(0).standard_normal((400, 1))
    density = ScoreMatchingDensity("polynomial", objective="explicit").fit(X, 400.0 * X - 4.0 * X**3)
    assert_allclose(density.grad_log_density(X), 400.0 * X - 4.0 * X**3, atol=1e-6)


@pytest.mark.parametrize("objective", [Implicit(), Sliced(), Denoising(0.5)], ids=repr)
def test_means_of_the_monomials_are_entries_of_the_form(objective):
    X, weight = heavy(3, 4000), np.random.default_rng(1).uniform(size=4000)
    family = Polynomial(4).family(moments(X, weight))
    means = family._means(family.assemble(X, None, weight, objective))
    sigma = getattr(objective, "sigma", 0.0)
    noisy = family.basis.smoothed_moments(family._moments(X, weight)[0][: len(family.basis)], 0.0, family.scale)
    if sigma == 0.0:
        assert_allclose(means, np.average(family.statistics(X), axis=0, weights=weight), rtol=1e-9, atol=1e-9)
    assert_allclose(means[:3], noisy[1:4], atol=1e-9)
    squares = family.basis.index(2 * np.eye(3, dtype=np.int64)) - 1
    assert_allclose(means[squares], 1.0 + (sigma / family.scale) ** 2, rtol=1e-9)


def test_one_noise_level_serves_as_a_density():
    X = heavy()
    density = DenoisingScoreEstimator("polynomial", noise_levels=[0.5]).fit(X)
    assert density.score(X) == pytest.approx(ScoreMatchingDensity().fit(X).score(X), abs=0.3)


def test_searches_and_pipelines_never_meet_a_refusal():
    X, grid = load_iris().data, {"scorematchingdensity__alpha": [1e-3, 1.0]}
    folds = KFold(2, shuffle=True, random_state=0)
    pipeline = make_pipeline(StandardScaler(), ScoreMatchingDensity("polynomial"))
    search = GridSearchCV(pipeline, grid, cv=folds).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    gaussian = make_pipeline(StandardScaler(), ScoreMatchingDensity())
    assert search.best_score_ > cross_val_score(gaussian, X, cv=folds).mean() - 0.3


def test_the_penalty_of_a_path_has_a_density():
    X = heavy()
    path = ScoreMatchingDensityCV("polynomial", l1_ratio=0.0, alphas=[1e-4]).fit(X)
    single = ScoreMatchingDensity("polynomial", alpha=1e-4).fit(X)
    assert is_moved(path)
    assert_allclose(path.theta_, single.theta_)


def test_errors_of_a_moved_fit_are_told_of():
    with pytest.warns(ConvergenceWarning, match="moved to the nearest one.*take no account"):
        ScoreMatchingDensity("polynomial", inference=True).fit(heavy())


# ---- what cannot be mended -----------------------------------------------------------------------


def test_terms_are_counted():
    for d, degree, together in [(3, 4, 2), (5, 6, 3), (2, 4, 5)]:
        assert n_terms(d, degree, together) == len(MonomialBasis(d, degree, together)) - 1


@pytest.mark.parametrize(
    ("model", "says"), [(Polynomial(4), "7550 terms in 50 columns"), (Polynomial(3), "odd degree")]
)
def test_what_cannot_be_mended_is_told_of_before_the_work(model, says, monkeypatch):
    class Worked(Exception):
        pass

    def work(*_):
        raise Worked

    monkeypatch.setattr(PolynomialFamily, "_moments", work)
    X = np.random.default_rng(0).standard_normal((60, 50 if model.degree == 4 else 2))
    with pytest.warns(ConvergenceWarning, match=says), pytest.raises(Worked):
        ScoreMatchingDensity(model).fit(X)
    with pytest.raises(Worked):
        ScoreMatchingDensity(model, criterion="hyvarinen").fit(X)
