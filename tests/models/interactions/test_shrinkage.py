"""Shrunk correlations: a multiplier that the rows choose, which leaves diagonals where they are."""

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore.domains import Capped, Orthant, Power
from skscore.formulas.quadratic import QuadraticForm
from skscore.models import PairwiseInteraction, TruncatedGaussian
from skscore.models.interactions.form import default_multiplier
from skscore.models.interactions.shrinkage import adaptive_multiplier, shrunk
from skscore.models.objectives import Implicit

MODELS = {
    "gaussian": PairwiseInteraction(diagonal_multiplier="adaptive"),
    "truncated": TruncatedGaussian(),
    "centred": TruncatedGaussian(centered=True),
    "square roots": PairwiseInteraction(0.5, 0.5, domain=Orthant(), diagonal_multiplier="adaptive"),
}


def rows(rng, n=60, p=5):
    return rng.gamma(2.0, 1.0, (n, p)) @ (np.eye(p) + 0.3 * np.eye(p, k=1))


def of_correlations(r, n, p=4, blocks=3):
    """A form whose blocks have the variances of their number, and one correlation."""
    variances = np.arange(1.0, blocks + 1.0)[:, None, None]
    return QuadraticForm(variances * (np.eye(p) + r * ~np.eye(p, dtype=bool)), np.zeros((blocks, p)), 0.0, n)


def fit(model, X, alpha, **options):
    return ScoreMatchingDensity(model, alpha=alpha, **options).fit(X)


@pytest.mark.parametrize("name", MODELS)
def test_the_path_is_that_of_the_multiplier(name, rng):
    """K of the shrunk form is δ times that of the form with the multiplier δ, at the same penalty."""
    X, model = rows(rng), MODELS[name]
    settled = fit(model, X, 0.1, l1_ratio=1.0)
    plain = settled._fit.family.without_multiplier()
    own = plain.interactions_form(plain.blocks(settled._fit.summary, Implicit()))
    delta = adaptive_multiplier(own)
    assert delta > 1.0
    multiplied = type(model)(**{**model.get_params(), "diagonal_multiplier": delta})
    for alpha in (0.3, 0.1, 0.03):
        shrunken, other = (fit(m, X, alpha, l1_ratio=1.0) for m in (model, multiplied))
        np.testing.assert_allclose(shrunken.interaction_, delta * other.interaction_, rtol=1e-8, atol=1e-9)


def test_without_a_sparse_penalty_nothing_is_shrunk(rng):
    X = rows(rng)
    for alpha in (0.0, 0.5):
        adaptive, plain = (fit(TruncatedGaussian(diagonal_multiplier=m), X, alpha) for m in ("adaptive", 1.0))
        np.testing.assert_array_equal(adaptive.theta_, plain.theta_)


@pytest.mark.parametrize("r", [0.2, -0.3, 0.9])
def test_the_share_of_noise(r):
    form = of_correlations(r, n=400.0)
    share = (1.0 - r**2) ** 2 / 400.0 / r**2
    assert adaptive_multiplier(form) == pytest.approx(1.0 / (1.0 - share), rel=1e-12)
    Gamma = shrunk(form).Gamma
    np.testing.assert_allclose(Gamma[:, 0, 1], (1.0 - share) * form.Gamma[:, 0, 1], rtol=1e-12)
    np.testing.assert_allclose(np.diagonal(Gamma, axis1=1, axis2=2), np.diagonal(form.Gamma, axis1=1, axis2=2))


def test_the_theory_bounds_the_multiplier():
    assert adaptive_multiplier(of_correlations(0.01, n=100.0)) == default_multiplier(100.0, 4)
    assert adaptive_multiplier(of_correlations(0.0, n=100.0)) == default_multiplier(100.0, 4)
    assert adaptive_multiplier(of_correlations(1.0, n=100.0)) == 1.0
    assert adaptive_multiplier(of_correlations(0.0, n=100.0, p=1)) == 1.0


def test_shrunk_correlations_are_nearer_to_those_of_the_law(rng):
    """In mean square, for what the multiplier is chosen: rows of a chain, few of them."""
    C = np.linalg.inv(np.eye(12) + 0.3 * (np.eye(12, k=1) + np.eye(12, k=-1)))
    law = C / np.sqrt(np.outer(np.diag(C), np.diag(C)))
    errors = []
    for _ in range(20):
        R = np.corrcoef(rng.multivariate_normal(np.zeros(12), C, 60).T)
        form = QuadraticForm(R, np.eye(12), 0.0, 60.0)
        errors.append([np.square(S - law).sum() for S in (R, shrunk(form).Gamma)])
    plain, shrunken = np.mean(errors, axis=0)
    assert shrunken < 0.9 * plain


def test_a_constant_column_is_still_refused(rng):
    X = rows(rng)
    X[:, 2] = 1.0
    with pytest.raises(ValueError, match=r"constant columns: \[2\]"):
        fit(TruncatedGaussian(), X, 0.1, l1_ratio=1.0)


def test_fewer_rows_than_columns_have_an_estimate(rng):
    X = rows(rng, n=8, p=12)
    assert np.isfinite(fit(TruncatedGaussian(), X, 0.02, l1_ratio=1.0).interaction_).all()


def test_a_weight_of_your_own_comes_with_no_multiplier(rng):
    X = rows(rng)
    for weight, multiplier in ((Capped(Power(), 1.0), 1.0), (None, "adaptive")):
        default, explicit = (
            fit(TruncatedGaussian(weight=weight, diagonal_multiplier=given), X, 0.05, l1_ratio=1.0).theta_
            for given in (None, multiplier)
        )
        np.testing.assert_array_equal(default, explicit)
