"""Contributions of cells: bars are those of the estimator, and the odd cell is on top whatever its units are."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KernelDensity

from skscore import DensityOutlierDetector, TabularDensity
from skscore.plotting import ContributionsDisplay


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    kind = rng.choice(["cat", "dog"], 150)
    size = np.where(kind == "cat", 4.0, 20.0) + rng.standard_normal(150)
    return pd.DataFrame({"kind": kind, "size": size, "grams": 1e4 * rng.standard_normal(150)})


@pytest.fixture(scope="module")
def density(table):
    return TabularDensity("gaussian", "tree", random_state=0).fit(table)


@pytest.fixture
def odd():
    return pd.DataFrame({"kind": ["cat"], "size": [20.0], "grams": [0.0]})


def test_bars_are_the_contributions_and_name_their_cells(density, odd):
    display = ContributionsDisplay.from_estimator(density, odd)
    expected = density.feature_contributions(odd).iloc[0].sort_values()
    assert [bar.get_width() for bar in display.bars_] == expected.tolist()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    cells = {"kind": "cat", "size": "20", "grams": "0"}
    assert labels == [f"{name} = {cells[name]}" for name in expected.index]
    assert display.total == pytest.approx(-density.score_samples(odd)[0])
    assert display.ax_.get_xlabel().endswith("nats")


def test_above_a_reference_units_do_not_matter(density, table, odd):
    assert ContributionsDisplay.from_estimator(density, odd).contributions.argmax() == 2  # grams vary over many units
    display = ContributionsDisplay.from_estimator(density, odd, reference=table)
    medians = density.feature_contributions(table).median()
    np.testing.assert_allclose(display.contributions, density.feature_contributions(odd).iloc[0] - medians)
    assert display.names[display.contributions.argmax()] != "grams"


def test_a_detector_of_a_density_tells_why(table, odd):
    detector = DensityOutlierDetector(TabularDensity("gaussian", "tree", random_state=0)).fit(table)
    display = ContributionsDisplay.from_estimator(detector, odd)
    np.testing.assert_allclose(display.contributions, detector.feature_contributions(odd).iloc[0])


def test_columns_beyond_the_first_share_a_bar():
    display = ContributionsDisplay([1.0, -5.0, 0.5, 3.0, 0.25], list("abcde"), range(5)).plot(max_columns=2)
    assert [bar.get_width() for bar in display.bars_] == [1.75, -5.0, 3.0]
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["3 other columns", "b = 1", "d = 3"]


def test_arrays_and_other_frames():
    polars = pytest.importorskip("polars")
    X = np.random.default_rng(1).standard_normal((100, 2))
    density = TabularDensity("gaussian", "tree", random_state=0).fit(X)
    assert ContributionsDisplay.from_estimator(density, X[:1]).cells == X[0].tolist()
    frame = polars.DataFrame(X, schema=["a", "b"])
    display = ContributionsDisplay.from_estimator(density.fit(frame), frame[:1], reference=frame)
    assert (display.names, display.cells) == (["a", "b"], X[0].tolist())


def test_what_cannot_be_split_is_refused(density, table, wine):
    with pytest.raises(ValueError, match="no feature_contributions"):
        ContributionsDisplay.from_estimator(KernelDensity().fit(wine), wine[:1])
    for row in (table, table.iloc[0]):
        with pytest.raises(ValueError, match="give a table of one row"):
            ContributionsDisplay.from_estimator(density, row)
