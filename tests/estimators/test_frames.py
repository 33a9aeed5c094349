"""Frames of any library: names of columns are seen in fit, rows are those of an array, and draws are such frames."""

import pickle

import dask.dataframe as dd
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skscore import (
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TabularDensity,
    TransformedDensity,
)
from skscore.estimators.frames import frame_kind, frame_of_kind

NAMES = ["mass", "length"]
BY_NAME = ColumnTransformer([("scaled", StandardScaler(), ["length"])], remainder=MinMaxScaler())
ESTIMATORS = [
    ScoreMatchingDensity(),
    DenoisingScoreEstimator("gaussian", sigma_min=0.1, n_levels=5, n_likelihood_steps=4),
    TransformedDensity(ScoreMatchingDensity(), BY_NAME),
    ScoreMatchingICA(source="logcosh"),
]


FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "narwhals": lambda X: nw.from_native(pd.DataFrame(X, columns=NAMES)),
    "dask": lambda X: dd.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=3),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_a_frame_gives_its_names_and_the_numbers_of_its_array(estimator, frame, rng):
    X = np.abs(rng.laplace(size=(90, 2)))
    table = FRAMES[frame](X)
    fitted = estimator.fit(table)
    assert list(fitted.feature_names_in_) == NAMES
    method = "transform" if hasattr(fitted, "transform") else "score_samples"
    found = getattr(fitted, method)(table)
    assert_array_equal(found, getattr(fitted, method)(pd.DataFrame(X, columns=NAMES)))
    with pytest.raises(ValueError, match="feature names should match"):
        getattr(fitted, method)(FRAMES[frame](X)[NAMES[::-1]])


# ---- draws ---------------------------------------------------------------------------------------

LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
LADDER = {"n_levels": 5, "n_likelihood_steps": 4, "random_state": 1}
SAMPLERS = {
    "score matching": ScoreMatchingDensity(random_state=1),
    "score matching, chosen penalty": ScoreMatchingDensityCV(n_alphas=3, cv=2, random_state=1),
    "denoising": DenoisingScoreEstimator("gaussian", sigma_min=0.1, **LADDER),
    "denoising, chosen level": DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.1], cv=2, **LADDER),
    "transformed": TransformedDensity(ScoreMatchingDensity(), StandardScaler()),
    "table": TabularDensity("gaussian", "tree", random_state=1),
}


def animals(n=120):
    """Columns by name: whole numbers, true or false, single and double precision."""
    rng = np.random.default_rng(0)
    columns = {"legs": rng.choice([2, 4, 6], n).astype(np.int16), "tame": rng.random(n) < 0.5}
    return columns | {"mass": rng.gamma(3.0, size=n).astype(np.float32), "length": rng.gamma(3.0, size=n)}


def dtypes_of(frame):
    return nw.from_native(frame, eager_only=True).schema


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_are_a_frame_of_the_kind_that_fit_saw(name, library):
    frame = LIBRARIES[library](animals())
    fitted = clone(SAMPLERS[name]).fit(frame)
    drawn = fitted.sample(7, random_state=2)
    assert type(drawn) is type(frame)
    knows_whole_numbers = name == "table" or name.startswith("denoising")
    of_whole = {} if knows_whole_numbers else dict.fromkeys(("legs", "tame"), nw.Float64())
    assert dtypes_of(drawn) == dtypes_of(frame) | of_whole
    assert fitted.score_samples(drawn).shape == (7,)
    copied = pickle.loads(pickle.dumps(fitted)).sample(7, random_state=2)
    assert nw.from_native(copied).rows() == nw.from_native(drawn).rows()


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_of_an_array_are_an_array_and_the_numbers_of_those_of_a_frame(name):
    X = np.column_stack([column for key, column in animals().items() if key != "tame"]).astype(float)
    of_array, of_frame = (clone(SAMPLERS[name]).fit(rows) for rows in (X, pd.DataFrame(X, columns=["a", "b", "c"])))
    drawn = of_array.sample(5, random_state=3)
    assert type(drawn) is np.ndarray
    assert_allclose(of_frame.sample(5, random_state=3).to_numpy(), drawn, rtol=1e-12)
    of_frame.fit(X)
    assert type(of_frame.sample(5)) is np.ndarray  # the last fit decides


def test_draws_within_a_pipeline_are_frames_of_what_reaches_the_density():
    frame = pd.DataFrame(animals())
    scaler = StandardScaler().set_output(transform="pandas")
    density = make_pipeline(scaler, ScoreMatchingDensity(random_state=1)).fit(frame)[-1]
    assert list(density.sample(3).columns) == list(frame)
    assert dtypes_of(density.sample(3)) == dict.fromkeys(frame, nw.Float64())
    assert type(make_pipeline(StandardScaler(), density).fit(frame)[-1].sample(3)) is np.ndarray


def test_whole_numbers_beyond_their_dtype_and_numbers_stored_as_others_are_floats():
    kind = frame_kind(pd.DataFrame({"legs": np.array([2, 4], dtype=np.int8), "price": pd.Categorical([1, 2])}))
    drawn = frame_of_kind(np.array([[4.0, 1.0], [300.0, 2.0]]), kind)
    assert drawn.dtypes.tolist() == [np.float64, np.float64]
    assert frame_of_kind(np.array([[4.0, 1.0]]), kind).dtypes.tolist() == [np.int8, np.float64]
    assert frame_kind(pd.DataFrame([[1, 2]], columns=["twice", "twice"])) is None
