"""What a user may pass by mistake or by habit: each gets a message with the remedy, or the right answer."""

import io
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from skscore import (
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TransformedDensity,
)
from skscore.domains import Box, Orthant
from skscore.models import ExponentialFamily, Gaussian, GaussianBase, Polynomial

GAUSSIANS = ["gaussian", "diag", "spherical"]
OBJECTIVES = ["implicit", "explicit", "sliced", "denoising"]


# ---- X -------------------------------------------------------------------------------------------


def with_entry(X, value):
    X = X.astype(object)
    X[3, 1] = value
    return X


BAD_TABLES = {
    "NaN": (lambda X: with_entry(X, np.nan), "contains NaN"),
    "None": (lambda X: with_entry(X, None), "contains NaN"),
    "missing": (lambda X: pd.DataFrame([[1, None], [2, 2], [3, 3]], dtype="Int64"), "contains NaN"),
    "inf": (lambda X: with_entry(X, np.inf), "contains infinity"),
    "minus inf": (lambda X: with_entry(X, -np.inf), "contains infinity"),
    "strings": (lambda X: with_entry(X, "x"), "could not convert string"),
    "complex": (lambda X: X.astype(complex), "Complex data not supported"),
    "no rows": (lambda X: X[:0], r"0 sample\(s\)"),
    "no columns": (lambda X: X[:, :0], r"0 feature\(s\)"),
    "a vector": (lambda X: X[:, 0], "Reshape your data"),
    "a number": (lambda X: 3.0, "Expected 2D array"),
    "three axes": (lambda X: X[None], "dim 3"),
}


@pytest.mark.parametrize(
    "method", ["fit", "partial_fit", "score_samples", "grad_log_density", "hyvarinen_score", "score"]
)
@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables(density, table, kind, method):
    spoil, message = BAD_TABLES[kind]
    for name in ("gaussian", "gamma"):
        with pytest.raises(ValueError, match=message):
            getattr(density(name).fit(table()), method)(spoil(table()))


@pytest.mark.parametrize("method", ["fit", "score_samples"])
def test_sparse_table(density, table, method):
    with pytest.raises(TypeError, match="dense data is required"):
        getattr(density().fit(table()), method)(csr_array(table()))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_row(density, table, method):
    with pytest.raises(ValueError, match=r"1 sample\(s\).*minimum of 2 is required"):
        getattr(density(), method)(table(n=1))


def test_one_row_more(density, table, model):
    X = table()
    one_by_one = density(model).partial_fit(X[:30])
    for row in X[30:]:
        one_by_one.partial_fit(row[None])
    assert_allclose(one_by_one.grad_log_density(X), density(model).fit(X).grad_log_density(X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["gaussian", "quadratic", "quartic"])
def test_a_first_chunk_that_does_not_determine_the_model(density, table, name):
    """Rows that come in small chunks: two rows say too little, sixty say enough, in any chunks."""
    X = table()
    fitted = density(name)
    with pytest.warns(ConvergenceWarning, match="collinear"):
        fitted.partial_fit(X[:2])
    assert hasattr(fitted, "precision_") == (name == "gaussian")
    fitted.partial_fit(X[2:])
    assert_allclose(fitted.grad_log_density(X), density(name).fit(X).grad_log_density(X), rtol=1e-8)


def test_one_column(density, table, model):
    X = table(d=1)
    if isinstance(model, Polynomial) and isinstance(model.base, GaussianBase):
        model = clone(model).set_params(base=GaussianBase(1.5, 2.0))
    fitted = density(model).fit(X)
    assert fitted.grad_log_density(X).shape == fitted.sample(60).shape == X.shape
    assert fitted.score_samples(X[:1]).shape == (1,)
    assert np.isfinite(fitted.score(X))


@pytest.mark.parametrize("method", ["score_samples", "score", "grad_log_density", "hyvarinen_score", "partial_fit"])
@pytest.mark.parametrize("d", [1, 3])
def test_wrong_width(density, table, method, d):
    with pytest.raises(ValueError, match=rf"X has {d} features, but ScoreMatchingDensity is expecting 2 features"):
        getattr(density().fit(table()), method)(table(d=3)[:, :d])


def test_a_refused_chunk_leaves_the_fit_as_it_was(density, table, model):
    X = table()
    fitted = density(model).fit(X)
    before = fitted.grad_log_density(X)
    for chunk, weight in ((table(d=3), None), (X, -np.ones(60)), (with_entry(X, np.nan), None)):
        with pytest.raises(ValueError, match=r"features|[Nn]egative|NaN"):
            fitted.partial_fit(chunk, sample_weight=weight)
    assert fitted.n_features_in_ == 2
    assert_array_equal(fitted.grad_log_density(X), before)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_data_frames_and_their_column_names(density, table, model, frame):
    X = table()
    named = frame({"a": X[:, 0], "b": X[:, 1]})
    fitted = density(model).fit(named)
    assert_array_equal(fitted.feature_names_in_, ["a", "b"])
    assert_allclose(fitted.grad_log_density(named), density(model).fit(X).grad_log_density(X), rtol=1e-11, atol=1e-11)
    for wrong in (frame({"b": X[:, 1], "a": X[:, 0]}), frame({"a": X[:, 0], "c": X[:, 1]})):
        for method in (fitted.score_samples, fitted.grad_log_density, fitted.partial_fit):
            with pytest.raises(ValueError, match="feature names"):
                method(wrong)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.grad_log_density(X)


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


FORMS = {
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed twice": lambda X: X[::-1].copy()[::-1],
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "other byte order": lambda X: X.astype(">f8"),
    "mixed frame": lambda X: pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(object)}).to_numpy(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("objective", ["implicit", "explicit"])
def test_forms_of_a_table(density, table, model, form, objective):
    """Any layout of rows, known scores and weights gives the same fit."""
    X, Y, weight = table(), -table(), np.arange(1.0, 61.0)
    expected = density(model, objective=objective).fit(X, Y, weight).grad_log_density(X)
    shaped_weight = np.ravel(FORMS[form](np.column_stack([weight, weight])))[::2]
    fitted = density(model, objective=objective).fit(FORMS[form](X), FORMS[form](Y), shaped_weight)
    assert_allclose(fitted.grad_log_density(FORMS[form](X)), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "int64", "uint64", "bool"])
def test_number_types(density, table, model, dtype):
    """The values of the table decide, in double precision; not the type that holds them."""
    X = (4.0 * table() - 4.0).astype(dtype) + np.ones((), dtype)
    X = np.random.default_rng(1).random((60, 2)) < 0.5 if dtype == "bool" else X
    if isinstance(model, ExponentialFamily):
        X = X if dtype != "bool" else X + np.float32(1.0)
        model.set_params(domain=Orthant())
    degenerate = dtype == "bool" and getattr(model, "degree", 2) > 2
    alpha = 0.1 if degenerate else 0.0  # two values in a column do not determine a quartic
    expected = density(model, alpha=alpha).fit(X.astype(float))
    fitted = density(model, alpha=alpha).fit(X)
    assert fitted.grad_log_density(X).dtype == np.float64
    assert_allclose(fitted.grad_log_density(X), expected.grad_log_density(X.astype(float)), rtol=1e-10, atol=1e-10)


def test_float32_keeps_its_digits_far_from_the_origin(density, table):
    X = (1e4 + table()).astype(np.float32)
    assert_allclose(density().fit(X).covariance_, np.cov(X.astype(float).T, ddof=0), rtol=1e-10)


# ---- sample_weight -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(60), "zero"),
        (np.r_[-1.0, np.ones(59)], "[Nn]egative values"),
        (np.r_[np.nan, np.ones(59)], "NaN"),
        (np.r_[np.inf, np.ones(59)], "infinity"),
        (np.ones(59), r"sample_weight.shape == \(59,\), expected \(60,\)"),
        (np.ones((60, 2)), "1D array"),
        (["heavy"] * 60, "could not convert string"),
    ],
)
def test_bad_weights(density, table, method, weight, message):
    X = table()
    with pytest.raises(ValueError, match=message):
        getattr(density().fit(X), method)(X, sample_weight=weight)


# ---- y -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, r"pass y of shape \(n_samples, n_features\), got y=None"),
        (np.ones((60, 1)), r"of shape \(60, 2\); got \(60, 1\)"),
        (np.ones((59, 2)), r"of shape \(60, 2\); got \(59, 2\)"),
        (np.ones(60), "Expected 2D array"),
        (np.full((60, 2), np.nan), "Input y contains NaN"),
        (np.full((60, 2), "a"), "could not convert string"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_known_scores(density, table, method, y, message):
    with pytest.raises(ValueError, match=message):
        getattr(density(objective="explicit"), method)(table(), y)


@pytest.mark.parametrize("objective", ["implicit", "sliced", "denoising"])
def test_y_is_ignored_elsewhere(density, table, objective):
    X = table()
    fitted = density(objective=objective).fit(X, y="a target of no interest")
    assert_array_equal(fitted.grad_log_density(X), density(objective=objective).fit(X).grad_log_density(X))


@pytest.mark.parametrize("name", ["gaussian", "diag", "spherical", "quartic"])
@pytest.mark.parametrize(
    "scores", [np.zeros_like, np.ones_like, lambda X: X - 2.0], ids=["zero", "constant", "repelling"]
)
def test_scores_of_no_density(density, table, name, scores):
    """Flat, tilted or repelling scores are matched as well as may be, and then found to have infinite mass."""
    fitted = density(name, objective="explicit").fit(table(), scores(table()))
    assert fitted.grad_log_density(table()).shape == (60, 2)
    for method in (lambda: fitted.score_samples(table()), fitted.sample):
        with pytest.raises(ValueError, match=r"no density.*grad_log_density"):
            method()


@pytest.mark.parametrize("seed", [4, 7, 8])
def test_terms_of_the_size_of_their_rounding_bound_no_mass(density, seed):
    """Zero scores leave quartic terms of some 1e-16, of either sign."""
    X = seed / 7 + np.random.default_rng(seed).beta(2.0, 2.0, (60, 2)) @ (np.eye(2) + 0.3 * np.eye(2, k=1))
    fitted = density("quartic", objective="explicit").fit(X, np.zeros_like(X))
    with pytest.raises(ValueError, match="not below zero by more than rounding"):
        fitted.score_samples(X)


# ---- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("model", ["no such model", None, 3, Gaussian]),
        ("objective", ["imp", None]),
        ("criterion", ["likelihood", None]),
        ("alpha", [-1.0, np.nan, np.inf, "a", None]),
        ("noise_level", [0.0, -1.0, np.nan, np.inf, None]),
        ("sampler", ["nuts"]),
        ("random_state", ["a", -1, 1.5]),
        ("verbose", [-1, "loud"]),
    ],
)
def test_bad_parameters(table, name, values):
    for value in values:
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of ScoreMatchingDensity must be"):
            ScoreMatchingDensity().set_params(**{name: value}).fit(table())


@pytest.mark.parametrize("bad", ["no such model", None, 3, Gaussian])
def test_a_bad_model_can_still_be_looked_at(bad):
    """A notebook displays an estimator before it is fitted, and so before its parameters are checked."""
    estimator = ScoreMatchingDensity(bad)
    assert "ScoreMatchingDensity" in repr(estimator)
    assert "ScoreMatchingDensity" in estimator._repr_html_()
    assert not hasattr(estimator, "mahalanobis")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Gaussian("tied"), "'covariance_type' parameter of Gaussian"),
        (Gaussian(assume_centered="no"), "'assume_centered' parameter of Gaussian"),
        (Polynomial(0), "'degree' parameter of Polynomial"),
        (Polynomial(1), "'degree' parameter of Polynomial"),
        (Polynomial(2.5), "'degree' parameter of Polynomial"),
        (Polynomial("4"), "'degree' parameter of Polynomial"),
        (Polynomial(interaction_degree=0), "'interaction_degree' parameter of Polynomial"),
        (Polynomial(base="student"), "'base' parameter of Polynomial"),
        (Polynomial(base=GaussianBase(scale=0.0)), "scale"),
        (Polynomial(base=GaussianBase(scale=-1.0)), "scale"),
        (Polynomial(base=GaussianBase(scale=np.nan)), "scale"),
        (Polynomial(base=GaussianBase(loc=[0.0, 0.0, 0.0])), r"loc.*\(3,\)"),
        (Polynomial(base=GaussianBase(scale=[1.0, 1.0, 1.0])), r"scale.*\(3,\)"),
    ],
    ids=repr,
)
def test_bad_models(density, table, model, message):
    with pytest.raises(ValueError, match=message):
        density(model).fit(table())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (lambda own: {"domain": Box(2.0, 1.0)}, "Box.*lower"),
        (lambda own: {"domain": Box([0.0, 0.0, 0.0], 9.0)}, r"lower.*\(3,\)"),
        (lambda own: {"domain": Box(0.0, np.nan)}, "Box.*upper"),
        (lambda own: {"jacobian": None}, "'jacobian' parameter of ExponentialFamily"),
        (lambda own: {"jacobian": own.laplacian}, "jacobian returned"),
        (lambda own: {"laplacian": own.jacobian}, "laplacian returned"),
        (lambda own: {"statistics": np.sum}, "statistics returned"),
        (lambda own: {"jacobian": lambda X: own.jacobian(X) * np.nan}, "jacobian.*NaN"),
        (lambda own: {"laplacian": lambda X: own.laplacian(X) * np.nan}, "laplacian.*NaN"),
    ],
)
def test_bad_statistics_of_a_user(gamma, density, table, parameters, message):
    with pytest.raises(ValueError, match=message):
        density(gamma(**parameters(gamma()))).fit(table())


def test_missing_curvature(gamma, density, table):
    blunt = gamma(curvature=None)
    with pytest.raises(ValueError, match="Pass curvature="):
        density(clone(blunt).set_params(domain=None), objective="sliced").fit(table())
    fitted = density(blunt, criterion="hyvarinen").fit(table())
    assert np.isfinite(fitted.hyvarinen_score(table())).all()
    with pytest.raises(ValueError, match="Pass curvature="):
        fitted.score(table())


@pytest.mark.parametrize("name", ["gamma", "gamma in a box"])
def test_rows_outside_the_domain(density, table, name):
    X = table()
    fitted = density(name).fit(X)
    outside = X.copy()
    outside[[4, 7]] = -1.0
    for method in (fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError, match=r"2 rows outside the domain.*the first at row 4.*Drop them"):
            method(outside)
    fitted.fit(X)
    log_density = fitted.score_samples(outside)
    assert_array_equal(np.flatnonzero(np.isneginf(log_density)), [4, 7])
    assert fitted.score(outside) == -np.inf
    assert fitted.score(outside, sample_weight=(outside[:, 0] > 0.0)) > -np.inf


@pytest.mark.parametrize("domain", [Orthant(), Box(0.0, 4.0)], ids=repr)
def test_objectives_at_a_boundary(gamma, density, domain):
    """The sliced objective carries the weight that vanishes there; noisy rows would cross it."""
    X = np.random.default_rng(0).gamma(1.5, 0.5, size=(2000, 1))
    X = np.hstack([X[::2], X[1::2]])
    X = X[(X < 4.0).all(axis=1)]
    implicit, sliced = (density(gamma(domain), objective=name).fit(X) for name in ("implicit", "sliced"))
    assert_allclose(sliced.theta_, implicit.theta_, rtol=1e-9)
    with pytest.raises(ValueError, match=r"objective.*denoising.*domain.*implicit"):
        density(gamma(domain), objective="denoising", noise_level=0.01).fit(X)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "3", None, np.nan, [3]])
def test_bad_number_of_samples(density, table, n_samples):
    with pytest.raises(ValueError, match=r"n_samples=.*integer of at least 1"):
        density().fit(table()).sample(n_samples)


def test_bad_random_state_of_sample(density, table):
    with pytest.raises(ValueError, match="cannot be used to seed"):
        density().fit(table()).sample(random_state="a")


@pytest.mark.parametrize("V", [np.ones(3), np.ones((59, 2)), 1.0, ["a", "b"], [np.nan, 1.0]], ids=repr)
def test_bad_directions(density, table, V):
    with pytest.raises(ValueError, match=r"V|could not convert"):
        density().fit(table()).curvature(table(), V)


# ---- before fit, and densities that are none -----------------------------------------------------


@pytest.mark.parametrize("method", ["score_samples", "score", "grad_log_density", "hyvarinen_score", "mahalanobis"])
def test_methods_before_fit(density, table, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(density(), method)(table())


def test_the_rest_before_fit(density, table):
    unfitted = density()
    for call in (unfitted.sample, unfitted.get_precision, lambda: unfitted.error_norm(np.eye(2))):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            call()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        unfitted.curvature(table(), np.ones(2))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = unfitted.log_normalizer_


@pytest.mark.parametrize("bad", [Polynomial(3), Polynomial(5)], ids=repr)
def test_infinite_mass_is_told_of_at_fit(density, table, bad):
    X = table()
    with pytest.warns(ConvergenceWarning, match="odd degree has infinite mass"):
        fitted = density(bad).fit(X)
    assert np.isfinite(fitted.grad_log_density(X)).all()
    assert np.isfinite(fitted.hyvarinen_score(X)).all()
    assert np.isfinite(density(bad, criterion="hyvarinen").fit(X).score(X))
    for call in (fitted.score_samples, fitted.score, lambda _: fitted.sample()):
        with pytest.raises(ValueError, match=r"(?s)mass is infinite.*grad_log_density.*alpha"):
            call(X)
    assert "ScoreMatchingDensity" in fitted._repr_html_()


# ---- the life of an estimator --------------------------------------------------------------------


def test_refit_leaves_nothing_of_the_last_model(density, table):
    X = table()
    fitted = density(Polynomial()).fit(pd.DataFrame(X, columns=["a", "b"]))
    fitted.sample(10)
    fitted.set_params(model="gaussian").fit(X)
    assert set(vars(fitted)) == set(vars(density().fit(X)))
    assert_array_equal(fitted.score_samples(X), density().fit(X).score_samples(X))
    fitted.set_params(model=Polynomial()).fit(X[:, :1])
    assert not hasattr(fitted, "covariance_")
    assert_array_equal(fitted.score_samples(X[:, :1]), density(Polynomial()).fit(X[:, :1]).score_samples(X[:, :1]))


def test_fit_changes_nothing_of_the_user(density, table, model):
    X, Y, weight = table(), -table(), np.arange(1.0, 61.0)
    copies = X.copy(), Y.copy(), weight.copy()
    bounded = isinstance(model, ExponentialFamily)
    for objective in ("implicit", "explicit", "sliced") if bounded else OBJECTIVES:
        estimator = density(model, objective=objective)
        before = repr(estimator.get_params(deep=True)), repr(clone(estimator))
        estimator.fit(X, Y, weight).partial_fit(X, Y, weight).hyvarinen_score(X)
        estimator.grad_log_density(X)
        assert (repr(estimator.get_params(deep=True)), repr(clone(estimator))) == before
        assert estimator.model is model
    for array, copied in zip((X, Y, weight), copies, strict=True):
        assert_array_equal(array, copied)


@pytest.mark.parametrize("random_state", [None, 0, np.random.RandomState(0)], ids=["none", "int", "instance"])
@pytest.mark.parametrize("name", ["gaussian", "quartic", "gamma in a box"])
def test_global_random_state_is_left_alone(density, table, name, random_state):
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    objective = "implicit" if name == "gamma in a box" else "sliced"
    fitted = density(name, objective=objective, random_state=random_state).fit(table())
    fitted.score_samples(table())
    fitted.sample(5)
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


def dumped_by_joblib(fitted):
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def dumped_by_skops(fitted):
    """With trust in skscore, and in the functions of a user, alone."""
    data = skops.io.dumps(fitted)
    unknown = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith(("skscore.", "tests.estimators.conftest.")) for name in unknown), unknown
    return skops.io.loads(data, trusted=unknown)


def test_round_trips(density, table, model):
    X = table()
    fitted = density(model).fit(X)
    restored = [dump(fitted) for dump in (lambda e: pickle.loads(pickle.dumps(e)), dumped_by_joblib, dumped_by_skops)]
    values = fitted.score_samples(X), fitted.sample(5), fitted.partial_fit(X).grad_log_density(X)
    for twin in restored:
        assert_array_equal(twin.score_samples(X), values[0])
        assert_array_equal(twin.sample(5), values[1])
        assert_array_equal(twin.partial_fit(X).grad_log_density(X), values[2])


def test_memory_maps(density, table, model, tmp_path):
    X = table()
    fitted = density(model).fit(X)
    joblib.dump((X, fitted), tmp_path / "both")
    mapped, restored = joblib.load(tmp_path / "both", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    assert_array_equal(density(model).fit(mapped).grad_log_density(mapped), fitted.grad_log_density(X))
    assert_array_equal(restored.partial_fit(mapped).grad_log_density(mapped), fitted.partial_fit(X).grad_log_density(X))


def test_clone_is_unfitted(density, table):
    fitted = density(alpha=0.5).fit(table())
    with pytest.raises(NotFittedError):
        clone(fitted).score_samples(table())
    assert clone(fitted).get_params(deep=False).keys() == fitted.get_params(deep=False).keys()
    assert clone(fitted).alpha == 0.5


@pytest.mark.parametrize(
    "change",
    [{"objective": "explicit"}, {"objective": "denoising"}, {"noise_level": 0.5}, {"model": Polynomial()}],
    ids=repr,
)
def test_parameters_changed_between_chunks(density, table, change):
    """Summary of one objective or model say nothing of another."""
    X, Y = table(), -table()
    fitted = density(objective="implicit" if "noise_level" not in change else "denoising").fit(X, Y)
    fitted.set_params(**change)
    with pytest.raises(ValueError, match=r"partial_fit.*call fit"):
        fitted.partial_fit(X, Y)
    assert_array_equal(fitted.fit(X, Y).grad_log_density(X), clone(fitted).fit(X, Y).grad_log_density(X))


# ---- tables that do not determine the model ------------------------------------------------------


@pytest.mark.parametrize("name", GAUSSIANS)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -3e8])
def test_constant_column_of_a_gaussian(density, table, name, value):
    X = np.column_stack([table(), np.full(60, value)])
    with pytest.warns(ConvergenceWarning, match=r"columns \[2\] are constant.*alpha > 0"):
        fitted = density(name).fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    assert np.isfinite(fitted.sample(5)).all()
    if name != "spherical":
        away = X + np.array([0.0, 0.0, max(1.0, abs(value))])
        assert (fitted.score_samples(away) < fitted.score_samples(X) - 1e3).all()


@pytest.mark.parametrize("name", ["quadratic", "quartic", "flat quartic", "additive quartic"])
def test_constant_column_of_a_polynomial(density, table, name):
    X = np.column_stack([table(), np.full(60, 3.0)])
    with pytest.raises(ValueError, match=r"unbounded.*constant columns: \[2\].*alpha > 0"):
        density(name).fit(X)
    fitted = density(name, alpha=0.1).fit(X)
    assert np.isfinite(fitted.grad_log_density(X)).all()


@pytest.mark.parametrize("name", ["gaussian", "quadratic", "quartic"])
def test_duplicate_columns(density, table, name):
    X = table()[:, [0, 0]]
    refused = pytest.raises(ValueError, match=r"unbounded.*collinear columns.*alpha > 0")
    with pytest.warns(ConvergenceWarning, match="collinear.*alpha > 0") if name == "gaussian" else refused:
        density(name).fit(X)
    assert np.isfinite(density(name, alpha=0.1).fit(X).grad_log_density(X)).all()


def test_fewer_rows_than_parameters(density, table):
    X = table(n=4, d=6)
    with pytest.warns(ConvergenceWarning, match="3 of 6 directions have no variance"):
        fitted = density().fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    with pytest.raises(ValueError, match=r"fewer rows than parameters.*alpha > 0"):
        density(Polynomial()).fit(X)
    assert np.isfinite(density(alpha=0.1).fit(X).score_samples(X)).all()


@pytest.mark.parametrize("case", ["few", "duplicate", "constant"])
def test_a_ridge_makes_a_polynomial_proper_and_its_normaliser_is_right(density, table, case):
    """A quadratic polynomial is a Gaussian: its normaliser is known, however wide the ridge makes it."""
    X = {"few": table(n=4, d=6), "duplicate": table()[:, [0, 0]], "constant": np.ones((9, 1))}[case]
    fitted = density(Polynomial(2, base=None), alpha=0.1).fit(X)
    K = -_hessian(fitted, X)
    centred = X - (X[0] + np.linalg.solve(K, fitted.grad_log_density(X[:1])[0]))
    expected = 0.5 * np.linalg.slogdet(K / (2 * np.pi))[1] - 0.5 * np.einsum("ij,jk,ik->i", centred, K, centred)
    assert_allclose(fitted.score_samples(X), expected, atol=0.1)


def _hessian(fitted, X):
    origin = X[:1]
    steps = np.vstack([origin + step for step in np.eye(X.shape[1])])
    return fitted.grad_log_density(steps) - fitted.grad_log_density(origin)


@pytest.mark.parametrize("name", GAUSSIANS)
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_table_of_one_value(density, name, value):
    X = np.full((10, 2), value)
    with pytest.warns(ConvergenceWarning, match=r"columns \[0, 1\] are constant"):
        fitted = density(name).fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    assert_allclose(fitted.sample(20), value, atol=1e-3)


FITS = {
    "closed form": ScoreMatchingDensity(),
    "a domain": ScoreMatchingDensity("truncated_gaussian"),
    "a path": ScoreMatchingDensityCV("pairwise"),
    "noise levels": DenoisingScoreEstimator("gaussian"),
    "noise path": DenoisingScoreEstimatorCV("gaussian"),
    "network": DenoisingScoreEstimator(),
    "energy": ScoreMatchingDensity("neural_energy"),
    "components": ScoreMatchingICA(),
    "transformed": TransformedDensity(ScoreMatchingDensity(), StandardScaler()),
}


@pytest.mark.parametrize("others", [0.0, 1e-50, 1e-20])
@pytest.mark.parametrize("kind", FITS)
def test_one_row_that_has_all_the_weight_is_refused(table, kind, others):
    """As a table of one row is."""
    X, weight = table(), np.full(60, others)
    weight[5] = 2.0
    with pytest.raises(ValueError, match=r"1 of 60 rows have all the weight|1 sample\(s\)"):
        clone(FITS[kind]).fit(X, sample_weight=weight)
    with pytest.raises(ValueError, match=r"1 sample\(s\)"):
        clone(FITS[kind]).fit(X[:1])


@pytest.mark.parametrize("exponent", [-307, -160, -151, 151, 160, 307])
@pytest.mark.parametrize("kind", FITS)
def test_a_spread_whose_square_is_no_double_is_refused(table, kind, exponent):
    X = table()
    X[:, 1] *= 2.0 * 10.0**exponent / np.ptp(X[:, 1])
    spread = re.escape(f"column 1, with a spread of 2e{exponent:+d}")
    with pytest.raises(ValueError, match=rf"{spread}: .*Rescale the column"):
        clone(FITS[kind]).fit(X)


@pytest.mark.parametrize("column", [0, 1])
def test_inputs_and_targets_of_such_a_spread_are_refused(table, column):
    X = table()
    X[:, column] *= 1e-160
    with pytest.raises(ValueError, match=rf"^{'Xy'[column]} has .* in column 0, with a spread .*e-16"):
        ConditionalScoreDensity().fit(X[:, :1], X[:, 1:])


def test_known_scores_of_such_a_spread_are_refused(density, table):
    with pytest.raises(ValueError, match=r"^y has .* in column 0"):
        density(objective="explicit").fit(table(), -table() * 1e160)


@pytest.mark.parametrize("exponent", [-149, -80, 80, 149])
@pytest.mark.parametrize("name", ["gaussian", "pairwise"])
def test_any_lesser_spread_is_a_change_of_units(density, table, name, exponent):
    X, units = table(), np.array([1.0, 10.0**exponent])
    expected = density(name).fit(X)
    found = density(name).fit(X * units)
    assert_allclose(found.score_samples(X * units) + np.log(units[1]), expected.score_samples(X), rtol=0.0, atol=1e-6)
    assert_allclose(found.grad_log_density(X * units) * units, expected.grad_log_density(X), rtol=1e-6, atol=1e-6)


def test_rows_of_negligible_weight_are_no_rows(density, table):
    X, weight = table(), np.where(np.arange(60) % 3, 1.0, 1e-50)
    expected = density(inference=True).fit(X[weight == 1.0])
    found = density(inference=True).fit(X, sample_weight=weight)
    assert_allclose(found.covariance_, expected.covariance_, rtol=1e-12)
    assert_allclose(found.standard_errors_, expected.standard_errors_, rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-260, 1e-160, 1e160, 1e250])
def test_standard_errors_follow_the_ratios_of_weights(density, table, factor):
    X, weight = table(), np.arange(1.0, 61.0)
    expected = density(inference=True).fit(X, sample_weight=weight)
    found = density(inference=True).fit(X, sample_weight=factor * weight)
    assert_allclose(found.standard_errors_, expected.standard_errors_, rtol=1e-9)


def test_array_api_dispatch_does_not_change_numpy_input(density, table, model):
    X = table()
    expected = density(model).fit(X).grad_log_density(X)
    with sklearn.config_context(array_api_dispatch=True):
        assert_array_equal(density(model).fit(X).grad_log_density(X), expected)
