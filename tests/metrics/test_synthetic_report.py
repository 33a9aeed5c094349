"""The report on synthetic rows: perfect ones are like real ones, each flaw is found by its quantity, by hand counts."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import wasserstein_distance
from sklearn.neighbors import KernelDensity

from skscore.metrics import synthetic_report, synthetic_rows, table_distances
from skscore.metrics.table_cells import read_tables
from skscore.metrics.table_distances import associations, gower_distance, nearest_distance


def table(n, seed):
    """Numbers that depend on a level, with missing cells."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    x = rng.standard_normal(n) + 3.0 * (kind == "b")
    y = np.where(rng.random(n) < 0.2, np.nan, 0.7 * x + rng.standard_normal(n))
    return pd.DataFrame({"kind": kind, "x": x, "y": y, "old": rng.random(n) < 0.4})


REAL, FRESH, HELD = table(200, 11), table(200, 12), table(200, 13)


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_rows, "TREES", 8)
        yield


@pytest.fixture(scope="module")
def perfect(few_trees):
    return synthetic_report(REAL, FRESH, HELD)


def at(report, quantity, column="all"):
    (found,) = (each for each in report.quantities if (each.quantity, each.column) == (quantity, column))
    return found


def test_rows_of_the_same_law_are_as_good_as_real_ones(perfect):
    frame = perfect.frame
    assert list(frame.columns) == ["quantity", "column", "value", "low", "high", "real", "best"]
    assert len(frame) == 4 + 1 + 6 + 2 + 4 + 2
    assert (frame["value"] - frame["real"]).abs().max() < 0.2
    near = at(perfect, "nearer to real than to hold-out")
    assert near.low < 0.5 < near.high
    assert at(perfect, "exact copies").value == 0.0


FLAWS = {
    "moved": (lambda t: t.assign(x=t["x"] + 2.0), "Wasserstein distance", "x"),
    "levels": (lambda t: t.assign(kind="a"), "total variation", "kind"),
    "missing": (lambda t: t.assign(y=t["y"].fillna(0.0)), "missing cells", "y"),
    "sign": (lambda t: t.assign(y=-t["y"]), "association", "x × y"),
    "shuffled": (lambda t: t.assign(x=t["x"].to_numpy()[::-1]), "association", "kind × x"),
}


@pytest.mark.parametrize(("spoil", "quantity", "column"), FLAWS.values(), ids=FLAWS)
def test_a_flaw_is_found_by_its_quantity(spoil, quantity, column):
    found = synthetic_report(REAL, spoil(FRESH), HELD)
    assert at(found, quantity, column).value > at(found, quantity, column).real + 0.15
    assert at(found, "two-sample AUC").value > 0.6


def test_copies_are_found(perfect):
    copied = synthetic_report(REAL, REAL.sample(frac=1.0, random_state=1), HELD)
    assert at(copied, "exact copies").value == 1.0
    assert at(copied, "exact copies").real == 0.0
    assert at(copied, "nearer to real than to hold-out").low > 0.9
    assert "A pass is no proof of privacy." in repr(perfect)


def test_a_collapse_is_found_by_coverage():
    collapsed = FRESH.iloc[:5].sample(200, replace=True, random_state=2)
    found = at(synthetic_report(REAL, collapsed, HELD), "coverage")
    assert found.value < 0.3 < 0.8 < found.real


def test_prediction_from_rows_without_dependence_is_worse():
    broken = FRESH.assign(kind=FRESH["kind"].sample(frac=1.0, random_state=3).to_numpy())
    found = synthetic_report(REAL, broken, HELD)
    assert at(found, "accuracy of prediction", "kind").value < at(found, "accuracy of prediction", "kind").real - 0.1
    assert at(found, "R2 of prediction", "y").real > 0.4


def test_a_density_that_learned_its_rows_by_heart_is_found():
    rng = np.random.default_rng(4)
    real, held, drawn = (rng.standard_normal((80, 2)) for _ in range(3))
    for width, low, high in [(0.01, 0.95, 1.0), (3.0, 0.3, 0.7)]:
        report = synthetic_report(real, drawn, held, density=KernelDensity(bandwidth=width).fit(real))
        assert low <= at(report, "membership AUC").value <= high


def test_without_a_holdout_real_rows_are_halved():
    report = synthetic_report(REAL, FRESH)
    assert (report.n_rows, report.n_target) == (100, 100)
    assert not {"exact copies", "nearer to real than to hold-out"} & {each.quantity for each in report.quantities}
    assert at(report, "Wasserstein distance", "x").value == pytest.approx(
        at(report, "Wasserstein distance", "x").real, abs=0.3
    )


def test_the_library_and_the_order_of_columns_do_not_matter(perfect):
    mixed = synthetic_report(pl.from_pandas(REAL), FRESH[["old", "y", "x", "kind"]], HELD.astype({"kind": "category"}))
    assert repr(mixed) == repr(perfect)


def test_marginals_by_hand():
    a, b = np.array([[0.0, 1.0], [1.0, 2.0], [5.0, 2.0]]), np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]])
    report = synthetic_report(a, a, b)
    assert at(report, "Wasserstein distance", "x0").value == pytest.approx(
        wasserstein_distance(a[:, 0], b[:, 0]) / a[:, 0].std()
    )


def test_associations_by_hand():
    frame = pd.DataFrame({"a": list("uuvv"), "b": list("pppq"), "x": [0.0, 0.0, 1.0, 1.0], "y": [0.0, 1.0, 1.0, 0.0]})
    found = associations(read_tables({"real": frame})["real"])
    # V² = χ²/n = (2 · 2/12 · …): counts (2, 0; 1, 1), margins (2, 2) and (3, 1)
    v = np.sqrt(4 / 6 + 0 + 1 / 6 + 1 / 2 - 1)
    assert found == pytest.approx([v, 1.0, 0.0, 1 / np.sqrt(3), 1 / np.sqrt(3), 0.0])


def test_gower_by_hand_and_in_blocks(monkeypatch):
    frame = pd.DataFrame({"x": [0.0, 4.0, np.nan], "c": ["u", "v", None], "w": [0.0, 1.0, 1.0]})
    cells = read_tables({"real": frame})["real"]
    distance = gower_distance(cells)
    expected = [[0.0, 1.0, 1.0], [1.0, 0.0, 2 / 3], [1.0, 2 / 3, 0.0]]
    assert distance(cells.cells, cells.cells) == pytest.approx(np.array(expected))
    monkeypatch.setattr(table_distances, "BLOCK", 1)
    assert nearest_distance(cells, cells, distance, k=2) == pytest.approx([1.0, 2 / 3, 2 / 3])


BAD = {
    "columns": (lambda: synthetic_report(REAL, FRESH.drop(columns="x")), r"synthetic has not .*\['x'\] are absent"),
    "contents": (lambda: synthetic_report(REAL, FRESH.assign(x="high")), "'x' holds numbers in real and text in synth"),
    "density": (lambda: synthetic_report(REAL, FRESH, density=KernelDensity()), "density needs holdout"),
    "no frame": (lambda: synthetic_report("table.csv", FRESH), "str is no frame"),
    "few rows": (lambda: synthetic_report(REAL[:3], FRESH), "real has 3 rows, too few to halve"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_errors_say_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()
