"""Pairs of columns: panels show the rows of both tables, bars their shares, whatever a column holds."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.neighbors import KernelDensity

from skscore import TabularDensity
from skscore.plotting import PairDisplay

BLUE, ORANGE = (to_hex(name) for name in ("tab:blue", "tab:orange"))


def table_of(n, rng):
    """Rows of a number, a category, a date and a number that is sometimes missing."""
    return pd.DataFrame(
        {
            "x": rng.standard_normal(n),
            "kind": rng.choice(["cat", "dog", None], n, p=[0.5, 0.4, 0.1]),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, n), unit="D"),
            "y": np.where(rng.random(n) < 0.25, np.nan, rng.standard_normal(n)),
        }
    )


@pytest.fixture
def tables(rng):
    return table_of(80, rng), table_of(60, rng)


def test_real_rows_are_below_the_diagonal_and_synthetic_ones_above(tables):
    real, synthetic = tables
    display = PairDisplay.from_tables(real, synthetic, features=["x", "y"])
    for (i, j), table, colour in [((1, 0), real, BLUE), ((0, 1), synthetic, ORANGE)]:
        (dots,) = display.axes_[i, j].lines
        np.testing.assert_array_equal(dots.get_xydata(), table[["xy"[j], "xy"[i]]])
        assert to_hex(dots.get_color()) == colour
    below, above = display.axes_[1, 0], display.axes_[0, 1]
    assert (below.get_xlim(), below.get_ylim()) == (above.get_ylim(), above.get_xlim())
    said = [text.get_text() for text in display.legend_.get_texts()]
    assert said == ["real, below the diagonal: 80 rows", "synthetic, above the diagonal: 60 rows"]


def test_levels_have_bars_side_by_side_and_their_rows_are_scattered_around_their_places(tables):
    real, synthetic = tables
    display = PairDisplay.from_tables(real, synthetic, features=["kind", "x"])
    levels = display.columns[1].levels
    assert set(levels) == {"cat", "dog", "(missing)"}
    for bars, table in zip(display.axes_[0, 0].containers, tables, strict=True):
        share = table["kind"].fillna("(missing)").value_counts(normalize=True)
        np.testing.assert_allclose([bar.get_height() for bar in bars], share[levels])
    (dots,) = display.axes_[1, 0].lines
    place = real["kind"].fillna("(missing)").map({level: k for k, level in enumerate(levels)})
    assert np.abs(dots.get_xdata() - place).max() < 0.5
    assert [label.get_text() for label in display.axes_[1, 0].get_xticklabels()] == levels


def test_numbers_have_outlines_that_count_every_row(tables):
    display = PairDisplay.from_tables(*tables, features=["x"], max_rows=1)
    real, synthetic = (outline.get_data() for outline in display.axes_[0, 0].patches)
    np.testing.assert_array_equal(real.edges, synthetic.edges)
    for outline, table in zip((real, synthetic), tables, strict=True):
        np.testing.assert_allclose(outline.values * len(table), np.histogram(table["x"], real.edges)[0])
        assert outline.values.sum() == pytest.approx(1.0)


def test_what_is_missing_is_written(tables):
    display = PairDisplay.from_tables(*tables, features=["x", "y"])
    shares = [table["y"].isna().mean() for table in tables]
    assert display.axes_[1, 1].get_title() == "missing {:.1%}, {:.1%}".format(*shares)
    assert display.axes_[0, 0].get_title() == ""


def test_times_are_years_and_durations_days(tables):
    real = tables[0][["day"]].assign(wait=pd.to_timedelta(np.arange(80.0), unit="h"))
    display = PairDisplay(real, real)
    year = tables[0]["day"].dt.year + (tables[0]["day"].dt.day_of_year - 1) / 365.25
    np.testing.assert_allclose(display.columns[0].values["real"], year, atol=0.004)
    np.testing.assert_allclose(display.columns[1].values["real"], np.arange(80.0) / 24)
    assert [column.unit for column in display.columns] == ["year", "days"]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_one_far_row_does_not_hide_the_others(rng, scale):
    values = scale * rng.standard_normal(300)
    real, synthetic = (pd.DataFrame({"x": x, "n": np.round(x)}) for x in (values, np.append(values[1:], 1e6)))
    display = PairDisplay.from_tables(real, synthetic)
    for j, column in enumerate(display.columns):
        low, high = display.axes_[j, j].get_xlim()
        assert low < values.min()
        assert np.quantile(values, 0.99) < high < 6 * scale
        assert [column.shares(table).sum() for table in ("real", "synthetic")] == pytest.approx([1.0, 1.0])
    (dots,) = display.axes_[0, 1].lines
    assert dots.get_ydata().max() == display.columns[0].edges[-1]
    assert (display.distances > 0.0).all()


def test_constant_columns(rng):
    constant = pd.DataFrame({"a": np.full(9, 0.3), "b": np.full(9, np.nan), "c": np.full(9, 2)})
    display = PairDisplay.from_tables(constant, constant)
    assert display.distances.tolist() == [0.0, 0.0, 0.0]
    assert [column.shares("real").tolist() for column in display.columns] == [[1.0], [0.0], [1.0]]


def test_rare_levels_share_a_place(rng):
    real = pd.DataFrame({"city": [f"c{k}" for k in range(20)] + ["c0", "c1"]})
    (column,) = PairDisplay(real, real).columns
    assert (len(column.levels), set(column.levels[:2]), column.levels[-1]) == (8, {"c0", "c1"}, "(others)")
    assert (column.values["real"] == 7.0).sum() == 13


def test_distances_are_total_variations_and_choose_what_is_shown(rng):
    real = pd.DataFrame({"same": np.arange(40.0), "apart": np.zeros(40), "half": ["a"] * 40})
    synthetic = pd.DataFrame({"same": np.arange(40.0), "apart": np.full(40, 9.0), "half": ["a"] * 20 + ["b"] * 20})
    display = PairDisplay.from_tables(real, synthetic, max_columns=2)
    np.testing.assert_allclose(display.distances, [0.0, 1.0, 0.5])
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == ["apart", "half"]
    assert display.legend_.get_title().get_text() == "2 of 3 columns, whose shares differ most"


def test_draws_of_estimators(rng):
    X = rng.standard_normal((50, 2))
    display = PairDisplay.from_estimator(KernelDensity().fit(X), X, n_draws=30, random_state=3)
    np.testing.assert_array_equal(display.columns[0].values["synthetic"], KernelDensity().fit(X).sample(30, 3)[:, 0])
    frame = table_of(120, rng)
    density = TabularDensity("gaussian", "tree", random_state=1).fit(frame)
    display = PairDisplay.from_estimator(density, frame[["y", "kind", "day", "x"]])
    assert [column.name for column in display.columns] == ["y", "kind", "day", "x"]
    assert [len(values) for values in display.columns[0].values.values()] == [120, 120]
    assert [bool(column.levels) for column in display.columns] == [False, True, False, False]


def test_an_array_has_the_names_of_the_frame(rng):
    X = rng.standard_normal((20, 2))
    display = PairDisplay(pd.DataFrame(X, columns=["a", "b"]), X)
    assert [column.name for column in display.columns] == ["a", "b"]
    assert display.distances.tolist() == [0.0, 0.0]


def test_tables_that_do_not_match_are_refused(tables):
    real, synthetic = tables
    with pytest.raises(ValueError, match=r"synthetic has no columns \['x'\]"):
        PairDisplay(real, synthetic.drop(columns="x"))
    with pytest.raises(ValueError, match="the tables have the columns"):
        PairDisplay(real, synthetic).plot(features=["z"])
