"""Any table at all: every fit in closed form ends in a right answer, or in a ValueError that says what is wrong.

Shapes, types, orders in memory, magnitudes and weights are drawn by Hypothesis. A right answer has no NaN, and is the
same for the same numbers in another type or order in memory. An error is a ValueError that skscore or scikit-learn
raises; numpy's own, a LinAlgError among them, is a fault, and so is a warning of numpy.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone

from skscore import (
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DensityOutlierDetector,
    ScoreMatchingDensity,
    ScoreMatchingICA,
    TabularDensity,
)
from skscore.models import Kernel
from skscore.models.catalog import MODELS

FEW_LEVELS = {"sigma_min": 0.1, "n_levels": 4, "n_likelihood_steps": 4, "random_state": 0}
NAMED = {"kernel": Kernel(8, bandwidth=1.0)}
ESTIMATORS = {
    **{name: ScoreMatchingDensity(NAMED.get(name, name), random_state=0) for name in MODELS},
    **{f"{name}, ridge": ScoreMatchingDensity(NAMED.get(name, name), alpha=0.1, random_state=0) for name in MODELS},
    "sparse": ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.9),
    "robust": ScoreMatchingDensity(robust=0.1),
    "inference": ScoreMatchingDensity(inference=True),
    "ladder": DenoisingScoreEstimator("gaussian", **FEW_LEVELS),
    "polynomial ladder": DenoisingScoreEstimator("polynomial", **FEW_LEVELS),
    "table": TabularDensity("gaussian", "tree", marginals="none", random_state=0),
    "conditional": ConditionalScoreDensity(6, bandwidth=1.0, input_bandwidth=1.0, alpha=0.1, cv=2, random_state=0),
    "components": ScoreMatchingICA(source="logcosh", max_iter=50, random_state=0),
    "outliers": DensityOutlierDetector(ScoreMatchingDensity()),
}


# ---- tables --------------------------------------------------------------------------------------


COLUMNS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "skewed": lambda rng, n: np.exp(3.0 * rng.standard_normal(n)),
    "constant": lambda rng, n: np.full(n, rng.choice([0.0, 1.0, -3e7, 1e-30])),
    "far": lambda rng, n: 1e8 + rng.standard_normal(n),
    "scaled": lambda rng, n: 10.0 ** rng.uniform(-300, 300) * rng.standard_normal(n),
    "moderate": lambda rng, n: 10.0 ** rng.uniform(-20, 20) * rng.standard_normal(n),
    "integers": lambda rng, n: rng.integers(-5, 90, n).astype(float),
    "binary": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "positive": lambda rng, n: rng.gamma(2.0, size=n),
    "one row": lambda rng, n: np.where(np.arange(n) == n // 2, 1.0, 0.0),
    "all magnitudes": lambda rng, n: 10.0 ** rng.uniform(-300, 300, n),
}
LIMITS = {dtype: (1e-3 * np.finfo(dtype).min, 1e-3 * np.finfo(dtype).max) for dtype in (np.float16, np.float32)}
TYPES = {
    "float64": lambda X: X,
    "float32": lambda X: np.clip(X, *LIMITS[np.float32]).astype(np.float32),
    "float16": lambda X: np.clip(X, *LIMITS[np.float16]).astype(np.float16),
    "int64": lambda X: np.clip(np.rint(X), -(2**53), 2**53).astype(np.int64),
    "int8": lambda X: np.clip(np.rint(X), -128, 127).astype(np.int8),
    "bool": lambda X: X > 0.0,
    "object": lambda X: X.astype(object),
    "pandas": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])]),
}
ORDERS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda X: np.lib.stride_tricks.as_strided(X.copy(), writeable=False),
}
WEIGHTS = {
    "none": lambda rng, n: None,
    "some": lambda rng, n: rng.uniform(0.5, 2.0, n),
    "zeros": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "counts": lambda rng, n: rng.integers(0, 5, n),
    "tiny": lambda rng, n: 1e-300 * rng.uniform(1.0, 2.0, n),
    "huge": lambda rng, n: 1e300 * rng.uniform(1.0, 2.0, n),
    "all magnitudes": lambda rng, n: 10.0 ** rng.uniform(-300, 300, n),
}


class Case(NamedTuple):
    """A table, and how it is passed."""

    n: int
    columns: tuple[str, ...]
    repeats: bool
    dtype: str
    order: str
    weight: str
    seed: int

    def rows(self):
        """The table in double precision, (n, d)."""
        rng = np.random.default_rng(self.seed)
        X = np.column_stack([COLUMNS[name](rng, self.n) for name in self.columns])
        if self.repeats:
            X[:, -1] = X[:, 0]
        return X

    def passed(self):
        """The table as it is passed, and its numbers in a plain array of double precision."""
        with np.errstate(all="ignore"):
            table = TYPES[self.dtype](self.rows())
        if isinstance(table, np.ndarray):
            return ORDERS[self.order](table), table.astype(np.float64)
        return table, table.to_numpy().astype(np.float64)

    def weights(self):
        """Of the rows, (n,) or None."""
        return WEIGHTS[self.weight](np.random.default_rng([self.seed, 1]), self.n)


def cases(most_rows, most_columns, columns=tuple(COLUMNS), fewest_rows=1, **fixed):
    """Strategy of cases, small ones as often as large ones."""
    few = min(most_rows, fewest_rows + 6)
    strategies = {
        "n": st.integers(fewest_rows, few) | st.integers(few, most_rows),
        "columns": st.lists(st.sampled_from(columns), min_size=1, max_size=most_columns).map(tuple),
        "repeats": st.booleans(),
        "dtype": st.sampled_from(list(TYPES)),
        "order": st.sampled_from(list(ORDERS)),
        "weight": st.sampled_from(list(WEIGHTS)),
        "seed": st.integers(0, 10**6),
    }
    return st.builds(Case, **{**strategies, **{name: st.just(value) for name, value in fixed.items()}})


# ---- what is asked of them -----------------------------------------------------------------------


READS_TYPES = {"table"}  # for which true and false, whole numbers and those with a fraction are different columns
PRECISION = {**dict.fromkeys(TYPES, 1e-9), "float32": 1e-3, "float16": 1e-3}  # Gaussians keep single precision


def answers(estimator, X, weight):
    """What a fit says of its rows, by name; a ValueError with its reason if it is refused."""
    if isinstance(estimator, ConditionalScoreDensity):
        y = np.asarray(X)[:, -1]
        fitted = estimator.fit(X, y, weight)
        return {"score_samples": fitted.score_samples(X, y), "predict": fitted.predict(X)}
    if isinstance(estimator, ScoreMatchingICA):
        return {"transform": estimator.fit(X, sample_weight=weight).transform(X)}
    fitted = estimator.fit(X, sample_weight=weight)
    found = {name: getattr(fitted, name)(X) for name in ("grad_log_density", "score_samples") if hasattr(fitted, name)}
    return {**found, "standard_errors": getattr(fitted, "standard_errors_", np.zeros(0))}


def outcome(estimator, X, weight):
    """The answers, or the reason of a refusal; any error or warning that is not one for users is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)  # numpy's own
        try:
            return answers(clone(estimator), X, weight)
        except ValueError as error:
            if _place(error).startswith(("skscore", "sklearn")):
                return str(error)
            raise


def _place(error):
    """The module that raised an error."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_globals.get("__name__", "")


def check(name, case):
    """Whether a case was answered; what is wrong with an answer is an AssertionError."""
    passed, plain = case.passed()
    found = outcome(ESTIMATORS[name], passed, case.weights())
    expected = found if name in READS_TYPES else outcome(ESTIMATORS[name], plain, case.weights())
    assert isinstance(found, str) == isinstance(expected, str), (found, expected)
    if isinstance(found, str):
        return False
    log_p = found.get("score_samples", np.zeros(case.n))
    assert (log_p < np.inf).all()
    for method, values in found.items():
        rows = slice(None) if len(values) != case.n or method == "score_samples" else log_p > -np.inf
        assert np.isfinite(values[rows]).all() or (method == "score_samples" and not np.isnan(values).any()), method
        if determines_a_covariance(plain, case.weights()):
            assert_allclose(values, expected[method], rtol=PRECISION[case.dtype], atol=PRECISION[case.dtype])
    return True


def determines_a_covariance(X, weight):
    """Whether no column is nearly constant or a sum of others, so that rounding is not all that is seen of it."""
    weight = np.ones(len(X)) if weight is None else weight / weight.max()
    with np.errstate(all="ignore"):
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
        spread = np.linalg.svdvals(np.nan_to_num(np.sqrt(weight / weight.sum())[:, None] * Z, posinf=0.0, neginf=0.0))
    return len(X) > X.shape[1] and spread[-1] > 1e-3 and (X.std(axis=0) > 1e-10 * np.abs(X).max(axis=0)).all()


# ---- the suites ----------------------------------------------------------------------------------


QUICK = [name for name in ESTIMATORS if not name.startswith(("kernel", "polynomial"))]  # they integrate by draws
quickly = settings(max_examples=30, deadline=None, derandomize=True, database=None)
thoroughly = settings(quickly, max_examples=300)


@pytest.mark.parametrize("name", QUICK)
@quickly
@given(case=cases(most_rows=40, most_columns=4))
def test_any_table_has_a_right_answer_or_a_reason(name, case):
    check(name, case)


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
@thoroughly
@given(case=cases(most_rows=300, most_columns=8))
def test_any_larger_table_has_a_right_answer_or_a_reason(name, case):
    check(name, case)


REGULAR = ("normal", "positive", "far", "moderate")
WITHOUT_UNITS = ["gaussian", "pairwise", "robust", "inference", "ladder", "outliers"]  # p of cx is that of x, moved
regular_cases = cases(40, 3, REGULAR, fewest_rows=15, repeats=False, dtype="float64", weight="some")


@pytest.mark.parametrize("name", WITHOUT_UNITS)
@quickly
@given(case=regular_cases, power=st.integers(-60, 60))
def test_units_and_order_of_rows_do_not_matter(name, case, power):
    X, weight = case.rows(), case.weights()
    order = np.random.default_rng([case.seed, 2]).permutation(len(X))
    expected = outcome(ESTIMATORS[name], X, weight)["score_samples"]
    found = outcome(ESTIMATORS[name], 2.0**power * X[order], weight[order])["score_samples"]
    assert_allclose(found + X.shape[1] * power * np.log(2.0), expected[order], rtol=1e-6, atol=1e-6)
