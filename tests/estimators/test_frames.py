"""Frames of any library: names of columns are seen in fit, and rows are those of an array."""

import dask.dataframe as dd
import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, ScoreMatchingICA, TransformedDensity

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
