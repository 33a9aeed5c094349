"""The public contract of ScoreMatchingDensity."""

import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest
from sklearn.covariance import EmpiricalCovariance
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skscore import ScoreMatchingDensity
from skscore.datasets import Banana
from skscore.domains import Box, Orthant
from skscore.likelihood import LogNormalizer, annealed_importance_sampling
from skscore.metrics import classifier_two_sample_auc, hyvarinen_scorer, log_likelihood_scorer
from skscore.models import ExponentialFamily, Gaussian, GaussianBase, Polynomial


def bell(domain=None, base=None):
    """T = (x, x²) for each column of a table: a normal law, truncated to the domain."""

    def jacobian(X):
        eye = np.eye(X.shape[1])
        return np.concatenate([np.broadcast_to(eye, (len(X), *eye.shape)), 2 * X[:, :, None] * eye], axis=1)

    return ExponentialFamily(
        statistics=lambda X: np.hstack([X, X**2]),
        jacobian=jacobian,
        laplacian=lambda X: np.hstack([np.zeros_like(X), np.full_like(X, 2.0)]),
        domain=domain,
        base=base,
    )


def skew(d, n, seed=0):
    """Rows with skew, bounded and correlated columns."""
    rng = np.random.default_rng(seed)
    first = rng.beta(2.0, 5.0, size=(n, 1))
    return np.hstack([first, 0.5 * first + rng.beta(3.0, 1.5, size=(n, d - 1))]) if d > 1 else first


MODELS = {
    "gaussian": ScoreMatchingDensity(),
    "gaussian diag": ScoreMatchingDensity(Gaussian("diag")),
    "gaussian denoising": ScoreMatchingDensity(objective="denoising"),
    "polynomial 2": ScoreMatchingDensity(Polynomial(2)),
    "polynomial 4": ScoreMatchingDensity("polynomial"),
    "polynomial 4 additive": ScoreMatchingDensity(Polynomial(4, interaction_degree=1)),
    "polynomial denoising": ScoreMatchingDensity("polynomial", objective="denoising", noise_level=0.05),
    "bell": ScoreMatchingDensity(bell()),
    "bell with base": ScoreMatchingDensity(bell(base=GaussianBase(0.0, 2.0)), objective="implicit"),
    "bell on the orthant": ScoreMatchingDensity(bell(Orthant())),
    "bell in a box": ScoreMatchingDensity(bell(Box(0.0, 1.5))),
}


def table(name, d, n=3000):
    X = skew(d, n)
    return np.clip(np.abs(X), 1e-3, 1.45) if "on the" in name or "box" in name else X


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_density_integrates_to_one(name, d):
    density = MODELS[name].set_params(random_state=0).fit(table(name, d))
    bounded = density._fit.family.domain.has_boundary
    low, high = (0.0, 1.5) if "box" in name else (0.0 if bounded else -8.0, 8.0)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = low + (high - low) * (nodes + 1) / 2
    grid = np.stack(np.meshgrid(*[x] * d, indexing="ij"), axis=-1).reshape(-1, d)
    weight = np.prod(
        np.stack(np.meshgrid(*[weights * (high - low) / 2] * d, indexing="ij"), axis=-1).reshape(-1, d), axis=1
    )
    assert weight @ np.exp(density.score_samples(grid)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_samples_follow_the_density_in_one_dimension(name):
    """Kolmogorov-Smirnov at n = 20,000 against the integral of the density."""
    density = MODELS[name].set_params(random_state=0).fit(table(name, 1))
    draws = density.sample(20_000, random_state=1)
    low, high = draws.min() - 0.2 * np.ptp(draws), draws.max() + 0.2 * np.ptp(draws)
    x = np.linspace(low, high, 20_001)[:, None]
    p = np.exp(density.score_samples(x))
    cdf = np.concatenate([[0.0], np.cumsum((p[1:] + p[:-1]) / 2) * (x[1, 0] - x[0, 0])])
    assert kstest(draws[:, 0], lambda v: np.interp(v, x[:, 0], cdf)).pvalue > 1e-3


@pytest.mark.parametrize("name", [name for name in MODELS if "on the" not in name and "box" not in name])
def test_samples_satisfy_the_stein_identity(name):
    """E[s(x) φ(x) + ∇φ(x)] = 0 for φ = x and x², under the fitted density: the sampler and the score meet."""
    density = MODELS[name].set_params(random_state=0).fit(table(name, 2))
    draws = density.sample(20_000, random_state=2)
    s = density.grad_log_density(draws)
    for values in (s, s * draws + 1.0, s * draws**2 + 2.0 * draws):
        assert (np.abs(values.mean(axis=0)) < 4.5 * values.std(axis=0) / np.sqrt(len(draws) / 4)).all()


def test_a_classifier_cannot_tell_samples_from_rows_of_the_model():
    """Rows of a banana and samples of the polynomial of degree 4, in which the banana lies."""
    X = Banana().sample(3000, random_state=0)
    density = ScoreMatchingDensity("polynomial", random_state=0).fit(X)
    boundary = make_pipeline(StandardScaler(), PolynomialFeatures(4), LogisticRegression(C=0.1, max_iter=5000))
    rows, draws = Banana().sample(5000, random_state=1), density.sample(5000)
    auc = classifier_two_sample_auc(rows, draws, classifier=boundary, random_state=0)
    assert auc == pytest.approx(0.5, abs=0.04)
    assert density.score(X) == pytest.approx(Banana().score_samples(X).mean(), abs=0.02)


@pytest.mark.parametrize("sampler", ["hmc", "mala"])
def test_sampling_diagnostics(sampler):
    density = ScoreMatchingDensity("polynomial", sampler=sampler, random_state=0).fit(skew(2, 2000))
    density.sample(2000)
    diagnostics = density.sampling_diagnostics_
    assert diagnostics["sampler"] == sampler
    assert 0.4 < diagnostics["acceptance"] < 0.95
    assert diagnostics["rhat"] < 1.2
    assert diagnostics["ess"] > 100


def test_normalizer_of_a_higher_dimension_agrees_with_the_product_of_its_columns():
    """An additive polynomial in five columns: annealing against five quadratures."""
    X = np.hstack([skew(1, 2000, seed) for seed in range(5)])
    additive = Polynomial(4, interaction_degree=1)
    joint = ScoreMatchingDensity(additive, random_state=0).fit(X)
    singles = [ScoreMatchingDensity(additive).fit(X[:, [j]]) for j in range(5)]
    product = sum(single.score_samples(X[:, [j]]) for j, single in enumerate(singles))
    assert 0.0 < joint.log_normalizer_stderr_ < 0.1
    assert joint.log_normalizer_ess_ > 0.05
    assert np.abs(joint.score_samples(X) - product).max() < 4 * joint.log_normalizer_stderr_


@pytest.mark.parametrize("name", [name for name in MODELS if "gaussian" not in name])
def test_annealing_agrees_with_quadrature(name, rng):
    density = MODELS[name].set_params(random_state=0).fit(table(name, 2))
    annealed = annealed_importance_sampling(density._fit.density.target(), 2, rng=rng)
    assert density.log_normalizer_stderr_ < 1e-3  # by quadrature
    assert abs(annealed.log_z - density._fit.density.log_normalizer().log_z) < 3 * annealed.stderr + 1e-3


def test_reported_parameters_give_the_reported_normalizer():
    X = skew(1, 500)
    density = ScoreMatchingDensity(Polynomial(4, base=None)).fit(X)

    def unnormalised(x):
        return np.exp(density.theta_ @ x ** density.exponents_[:, 0])

    assert np.log(quad(unnormalised, -2.0, 3.0)[0]) == pytest.approx(density.log_normalizer_, abs=1e-8)


@pytest.fixture(scope="module")
def hill():
    """Rows and scores of log p = 200x² − x⁴ in six columns: modes at ±10, all rows on the hill between them."""
    X = 0.05 * np.random.default_rng(0).standard_normal((400, 6))
    return X, 400.0 * X - 4.0 * X**3


@pytest.mark.parametrize("estimate", [(0.0, 0.3, 0.5), (0.0, 0.01, 0.02)])
def test_doubtful_normalizer_warns_with_its_figures(monkeypatch, estimate):
    monkeypatch.setattr("skscore.models.fitted_density.normalizer", lambda *_: LogNormalizer(*estimate))
    density = ScoreMatchingDensity("polynomial").fit(skew(2, 500))
    with pytest.warns(
        ConvergenceWarning, match=f"standard error {estimate[1]} nat, effective sample size {estimate[2]:.1%}"
    ):
        density.score_samples(skew(2, 5))
    assert density.log_normalizer_ess_ == estimate[2]


def test_mass_far_from_the_rows_warns(hill):
    X, scores = (part[:, :2] for part in hill)
    quartic = ExponentialFamily(
        statistics=lambda X: np.hstack([X**2, X**4]),
        jacobian=lambda X: np.concatenate([2 * X[:, :, None] * np.eye(2), 4 * X[:, :, None] ** 3 * np.eye(2)], axis=1),
        laplacian=lambda X: np.hstack([np.full_like(X, 2.0), 12 * X**2]),
    )
    density = ScoreMatchingDensity(quartic, objective="explicit").fit(X, scores)
    with pytest.warns(ConvergenceWarning, match="mass far from the rows: log Z exceeds .* by 2e\\+04 nats"):
        density.score_samples(X)


def test_spurious_far_modes_are_refused(hill):
    X, scores = hill
    density = ScoreMatchingDensity(Polynomial(4, interaction_degree=1), objective="explicit").fit(X, scores)
    np.testing.assert_allclose(density.grad_log_density(X), scores, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="spurious mode 12 or more standard deviations"):
        density.score_samples(X)
    with pytest.raises(ValueError, match="spurious mode"):
        density.sample()


def test_score_is_the_mean_log_density_and_takes_weights():
    X = load_iris().data
    density, weight = ScoreMatchingDensity().fit(X), np.arange(150.0)
    assert density.score(X) == pytest.approx(density.score_samples(X).mean())
    assert density.score(X, sample_weight=weight) == pytest.approx(np.average(density.score_samples(X), weights=weight))


def test_hyvarinen_criterion_is_free_of_units():
    X, units = load_iris().data, np.array([1e-3, 1.0, 10.0, 1e4])
    scores = [
        ScoreMatchingDensity(criterion="hyvarinen").fit(table).score(table) for table in (X, X * units, X * units + 1e3)
    ]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-7)
    density = ScoreMatchingDensity().fit(X)
    assert density.hyvarinen_score(X).mean() == pytest.approx(density.objective_, rel=1e-10)


def test_gaussian_is_the_drop_in_for_empirical_covariance():
    X = load_iris().data
    ours, theirs = ScoreMatchingDensity().fit(X), EmpiricalCovariance().fit(X)
    np.testing.assert_allclose(ours.covariance_, theirs.covariance_, rtol=1e-10)
    np.testing.assert_allclose(ours.get_precision(), theirs.get_precision(), rtol=1e-9)
    np.testing.assert_allclose(ours.mahalanobis(X), theirs.mahalanobis(X), rtol=1e-9)
    assert ours.error_norm(np.eye(4)) == pytest.approx(theirs.error_norm(np.eye(4)))
    assert ours.score(X) == pytest.approx(theirs.score(X))
    assert not hasattr(ScoreMatchingDensity("polynomial").fit(X[:, :2]), "mahalanobis")


def test_explicit_scores_recover_the_density_they_come_from(rng):
    A, mean = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([3.0, -1.0])
    X = rng.uniform(-4, 4, size=(50, 2))  # not drawn from the density: known scores need no law of the rows
    density = ScoreMatchingDensity(objective="explicit").fit(X, -(X - mean) @ A)
    np.testing.assert_allclose(density.precision_, A, rtol=1e-10)
    np.testing.assert_allclose(density.location_, mean, rtol=1e-10)


def test_grid_search_over_model_parameters_and_pipelines():
    X = load_iris().data
    grid = {"scorematchingdensity__model__covariance_type": ["full", "diag"], "scorematchingdensity__alpha": [0.0, 0.1]}
    pipeline = make_pipeline(StandardScaler(), ScoreMatchingDensity(Gaussian()))
    search = GridSearchCV(pipeline, grid, cv=3).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["scorematchingdensity__model__covariance_type"] == "full"
    assert search.score_samples(X).shape == (150,)


@pytest.mark.parametrize("scorer", [log_likelihood_scorer, hyvarinen_scorer])
def test_scorers_choose_the_better_model(scorer):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3)) @ np.array([[1.0, 0.8, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    grid = {"model__covariance_type": ["full", "diag", "spherical"]}
    search = GridSearchCV(ScoreMatchingDensity(Gaussian()), grid, scoring=scorer, cv=3).fit(X)
    assert search.best_params_ == {"model__covariance_type": "full"}
    criterion = "hyvarinen" if scorer is hyvarinen_scorer else "log_likelihood"
    assert scorer(search.best_estimator_, X) == pytest.approx(
        search.best_estimator_.set_params(criterion=criterion).score(X), rel=1e-12
    )


def test_score_has_the_sign_and_scale_of_kernel_density():
    X = load_iris().data
    ours = cross_val_score(ScoreMatchingDensity(), X, cv=3)
    theirs = cross_val_score(KernelDensity(bandwidth=0.4), X, cv=3) / 50  # KernelDensity sums
    assert (np.abs(ours - theirs) < 5.0).all()


def test_sample_stream():
    X = load_iris().data
    density = ScoreMatchingDensity(random_state=3).fit(X)
    first, second = density.sample(4), density.sample(4)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(density.fit(X).sample(4), first)
    np.testing.assert_array_equal(density.sample(4, random_state=5), density.sample(4, random_state=5))


def test_normalizer_does_not_depend_on_chance():
    X = np.hstack([skew(1, 300, seed) for seed in range(3)])
    model = Polynomial(4, interaction_degree=1)
    values = [ScoreMatchingDensity(model).fit(X).score(X) for _ in range(2)]
    assert values[0] == values[1]


def test_verbose_prints_one_line(capsys):
    ScoreMatchingDensity(verbose=1).fit(load_iris().data)
    assert capsys.readouterr().out.count("\n") == 1


def test_gaussian_floor_warns_and_stays_finite(rng):
    X = rng.standard_normal((50, 3))
    for columns, message in (
        (X[:, [0, 1, 1]], "collinear"),
        (np.hstack([X, np.ones((50, 1))]), r"columns \[3\] are constant"),
    ):
        with pytest.warns(ConvergenceWarning, match=message):
            density = ScoreMatchingDensity().fit(columns)
        assert np.isfinite(density.score_samples(columns)).all()
        assert np.isfinite(density.sample(3)).all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ScoreMatchingDensity(alpha=0.1).fit(columns)
