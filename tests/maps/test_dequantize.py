"""Cells of columns in which values recur: which columns have them, and that spreading and rounding undo each other."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from skscore.maps.dequantize import FEW, MAX_ROWS, EvenCells, OwnCells, dequantize, find_cells, round_to_cells

N = 2000
RNG = np.random.default_rng(1)
Z = RNG.standard_normal(N)
TENTHS = np.rint(10 * Z) / 10
POSITIVE = np.exp(RNG.standard_normal(N))
ZEROS = RNG.random(N) < 0.3


class Column(NamedTuple):
    """A column and the distance of its values."""

    x: np.ndarray
    step: float


EVEN = {
    "zero_one": Column((Z > 0) * 1.0, 1.0),
    "rare_category": Column((Z > 2) * 1.0, 1.0),
    "tenths": Column(TENTHS, 0.1),
    "integers": Column(np.rint(10 * Z), 1.0),
    "fives": Column(5 * np.rint(10 * Z), 5.0),
    "thirds": Column(np.rint(10 * Z) / 3, 1 / 3),
    "twentieths": Column(np.rint(40 * Z) / 20, 0.05),
    "hundred_thousandths": Column((99_000 + np.rint(300 * Z)) / 1e5, 1e-5),
    "far_from_zero": Column(1e8 + TENTHS, 0.1),
    "half_integers": Column(np.rint(10 * Z) + 0.5, 1.0),
    "skew_counts": Column(np.floor(POSITIVE**2), 1.0),
    "years_in_float32": Column(np.rint(2015 + 5 * Z).astype(np.float32).astype(float), 1.0),
}
NOISY = {
    "computed": Column(TENTHS * (1 + 1e-9 * RNG.standard_normal(N)), 0.1),
    "irrational": Column(np.pi * np.rint(10 * Z), np.pi),
    "summed": Column(0.3 + 0.1 * np.rint(10 * Z), 0.1),
    "float32": Column(TENTHS.astype(np.float32).astype(float), 0.1),
    "far_float32": Column((50 + TENTHS).astype(np.float32).astype(float), 0.1),
}
DISCRETE = {
    "log_counts": np.log1p(RNG.poisson(5.0, N)),
    "three_values": RNG.choice([1.0, np.e, np.pi**2], N),
    "doses": RNG.choice([1.0, 5.0, 25.0, 100.0, 400.0], N),
    "ratios": RNG.integers(0, 50, N) / RNG.integers(1, 13, N),
}
MIXED = {
    "mass_at_zero": (np.where(ZEROS, 0.0, POSITIVE), [0.0]),
    "censored": (np.minimum(POSITIVE, 2.0), [2.0]),
    "both": (np.where(ZEROS, 0.0, np.minimum(POSITIVE, 2.0)), [0.0, 2.0]),
    "sentinel": (np.where(ZEROS, -999.0, Z), [-999.0]),
}
CONTINUOUS = {
    "normal": Z,
    "cauchy": RNG.standard_cauchy(N),
    "bootstrapped": Z[RNG.integers(0, N, N)],
    "twice": np.repeat(Z, 2),
    "far_from_zero": 1e8 + Z,
    "float32": Z.astype(np.float32).astype(float),
    "constant": np.full(N, 0.1),
    "one_row": Z[:1],
}


def only(x):
    (cell,) = find_cells(x[:, None])
    return cell


def there_and_back(x, rng):
    cells = find_cells(x[:, None])
    spread = dequantize(x[:, None], cells, rng)
    return spread[:, 0], round_to_cells(spread, cells)[:, 0]


@pytest.mark.parametrize("column", EVEN.values(), ids=EVEN)
def test_even_cells_are_found_and_come_back_to_the_bit(column, rng):
    cell = only(column.x)
    assert isinstance(cell, EvenCells)
    assert cell.width == pytest.approx(column.step, rel=1e-9)
    spread, back = there_and_back(column.x, rng)
    np.testing.assert_array_less(np.abs(spread - column.x), 0.5 * cell.width + 1e-7 * cell.width)
    np.testing.assert_array_equal(back, column.x)


@pytest.mark.parametrize("column", NOISY.values(), ids=NOISY)
def test_noise_does_not_hide_an_even_spacing(column, rng):
    assert only(column.x).width == pytest.approx(column.step, rel=1e-6)
    np.testing.assert_allclose(there_and_back(column.x, rng)[1], column.x, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("x", DISCRETE.values(), ids=DISCRETE)
def test_a_discrete_column_without_an_even_spacing_comes_back(x, rng):
    cell = only(x)
    assert isinstance(cell, OwnCells)
    np.testing.assert_allclose(cell.values, np.unique(x.round(12)), rtol=1e-11)
    edges = np.stack([cell.values - cell.width / 2, cell.values + cell.width / 2])
    assert (edges[1, :-1] <= edges[0, 1:] * (1 + 1e-12)).all()
    spread, back = there_and_back(x, rng)
    assert len(np.unique(spread)) == N
    np.testing.assert_allclose(back, x, rtol=1e-12)


@pytest.mark.parametrize(("x", "values"), MIXED.values(), ids=MIXED)
def test_the_heavy_values_of_a_mixed_column(x, values, rng):
    cell = only(x)
    np.testing.assert_array_equal(cell.values, values)
    spread, back = there_and_back(x, rng)
    heavy = np.isin(x, values)
    np.testing.assert_array_equal(spread[~heavy], x[~heavy])
    assert len(np.unique(spread)) == N
    np.testing.assert_array_equal(back[heavy], x[heavy])
    assert (back != x).sum() <= FEW * heavy.sum()


def test_the_cell_of_a_heavy_value_does_not_vanish_as_rows_are_added(rng):
    """Half the width is half the 0.05 · 0.3/0.7 quantile of the positive rows."""
    limit = stats.lognorm(1.0).ppf(0.05 * 0.3 / 0.7)
    for n in (10_000, 100_000):
        x = np.where(rng.random(n) < 0.3, 0.0, np.exp(rng.standard_normal(n)))
        assert only(x).width == pytest.approx(limit, rel=8 / np.sqrt(n * 0.05 * 0.3))


@pytest.mark.parametrize("x", CONTINUOUS.values(), ids=CONTINUOUS)
def test_other_columns_are_left_alone(x, rng):
    assert only(x) is None
    spread, back = there_and_back(x, rng)
    np.testing.assert_array_equal(spread, x)
    np.testing.assert_array_equal(back, x)


def test_rare_roundings_do_not_refine_the_spacing(rng):
    """1 % of the rows are given to 0.05: the spacing is that of the others, and they move to a neighbour."""
    x = TENTHS.copy()
    x[:20] += 0.05
    assert only(x).width == pytest.approx(0.1)
    spread, back = there_and_back(x, rng)
    np.testing.assert_array_equal(back[20:], x[20:])
    np.testing.assert_allclose(np.abs(back - x)[:20], 0.05, atol=0.05 + 1e-12)
    assert (spread != x).all()


def test_samples_stay_in_the_range_of_the_column():
    cells = find_cells(np.column_stack([TENTHS, ZEROS * 1.0]))
    wild = np.array([[-1e6, -3.0], [1e6, 7.0], [0.234, 0.4]])
    expected = [[TENTHS.min(), 0.0], [TENTHS.max(), 1.0], [0.2, 0.0]]
    np.testing.assert_array_equal(round_to_cells(wild, cells), expected)
    np.testing.assert_array_equal(round_to_cells(wild[2:], cells), expected[2:])


def test_spread_is_uniform_and_seeded(rng):
    cells = find_cells(TENTHS[:, None])
    u = (dequantize(TENTHS[:, None], cells, rng)[:, 0] - TENTHS) / 0.1 + 0.5
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    a, b = (dequantize(TENTHS[:, None], cells, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_columns_are_independent_and_the_table_is_left_as_it_was(rng):
    columns = [EVEN["tenths"].x, DISCRETE["log_counts"], MIXED["censored"][0], CONTINUOUS["normal"]]
    X = np.column_stack(columns)
    kept, cells = X.copy(), find_cells(X)
    round_to_cells(dequantize(X, cells, rng), cells)
    np.testing.assert_array_equal(X, kept)
    assert cells[-1] is None
    for cell, x in zip(cells[:-1], columns, strict=False):
        np.testing.assert_array_equal(cell.width, only(x).width)


def test_a_sample_of_a_long_table_has_the_range_of_all(rng):
    x = rng.standard_normal(3 * MAX_ROWS).round(1)
    x[::MAX_ROWS] = [40.0, -50.0, 60.0]
    ends = only(x).round(np.array([-1e3, 1e3]))
    np.testing.assert_array_equal(ends, [-50.0, 60.0])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_of_rows(n, rng):
    x = np.array([1.0, 1.0, 2.5, 7.0, 7.1])[:n]
    np.testing.assert_allclose(there_and_back(x, rng)[1], x)


TABLES = {load.__name__: load().data for load in (load_breast_cancer, load_iris, load_wine)}


def test_wine(rng):
    """Every column is rounded; what does not come back are the few rows that were rounded otherwise than the rest."""
    X = TABLES["load_wine"]
    cells = find_cells(X)
    width = np.array([np.min(cell.width) for cell in cells])
    expected = [0.01, 0.01, 0.01, 0.1, 1.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.002, 0.01, 1.0]
    np.testing.assert_allclose(width, expected, rtol=1e-12)
    back = round_to_cells(dequantize(X, cells, rng), cells)
    central = np.abs(X / width - np.rint(X / width)) < 1e-6
    np.testing.assert_array_equal(back[central], X[central])
    assert (central.mean(axis=0) > 1 - FEW).all()
    assert (np.abs(back - X) <= (1 + 1e-9) * width).all()


@pytest.mark.parametrize("name", TABLES)
def test_dequantized_tables_have_no_cells(name, rng):
    cells = find_cells(TABLES[name])
    assert any(cells)
    assert not any(find_cells(dequantize(TABLES[name], cells, rng)))
