"""Where no tree is right, frequencies of combinations of levels are taken; where one is, they are not."""

import numpy as np
import pandas as pd
import pytest

from skscore import TabularDensity


@pytest.fixture
def columns(rng):
    """Two columns that say nothing of a third but together, and one that follows the first."""
    a, b = rng.integers(2, size=(2, 1200))
    return {"a": a, "b": b, "sum": np.where(rng.random(1200) < 0.95, a ^ b, 1 - (a ^ b)), "like a": a ^ (b & (a < 0))}


def frame_of(columns):
    return pd.DataFrame({name: np.array(["no", "yes"])[values] for name, values in columns.items()})


def test_a_sum_is_known_from_its_terms(columns):
    frame = frame_of(columns)
    density = TabularDensity("gaussian", "tree", max_classes=1, random_state=0).fit(frame)
    p = density.predict_proba(frame[["a", "b"]], "sum")
    is_yes = (columns["a"] ^ columns["b"]) == 1
    assert p[is_yes, 1].min() > 0.9
    assert p[~is_yes, 1].max() < 0.1
    truth = -2 * np.log(2) + 0.95 * np.log(0.95) + 0.05 * np.log(0.05)
    assert density.score(frame) > truth - 0.05


def test_a_tree_alone_where_it_is_right(columns, rng):
    frame = frame_of({"a": columns["a"], "b": columns["b"], "c": columns["a"] ^ (rng.random(1200) < 0.1)})
    density = TabularDensity("gaussian", "tree", max_classes=1, random_state=0).fit(frame)
    assert type(density._density.inner.parts[0].levels).__name__ == "Tree"
