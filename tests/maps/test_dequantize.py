"""Cells of columns in which values recur: which columns have them, and that spreading and rounding undo each other."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from skscore.maps.cells import Atoms, EvenCells, OwnCells, dequantize, round_to_cells
from skscore.maps.dequantize import FEW, MAX_ROWS, find_cells

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
    "zero_one": (Z > 0) * 1.0,
    "rare_category": (Z > 2) * 1.0,
    "counts": RNG.poisson(1.0, N) * 1.0,
    "grades": np.clip(np.rint(Z), -2, 2) / 3,
    "log_counts": np.log1p(RNG.poisson(5.0, N)),
    "three_values": RNG.choice([1.0, np.e, np.pi**2], N),
    "doses": RNG.choice([1.0, 5.0, 25.0, 100.0, 400.0], N),
}
RATIOS = RNG.integers(0, 50, N) / RNG.integers(1, 13, N)
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
def test_the_values_of_a_discrete_column_are_normal_scores_and_come_back(x, rng):
    cell = only(x)
    assert isinstance(cell, Atoms)
    assert cell.alone
    np.testing.assert_allclose(cell.values, np.unique(x.round(12)), rtol=1e-11)
    lower, upper = cell.edges.T
    np.testing.assert_allclose(lower[1:], upper[:-1], atol=1e-12)
    np.testing.assert_array_equal([lower[0], upper[-1]], [-np.inf, np.inf])
    np.testing.assert_allclose(stats.norm.cdf(upper) - stats.norm.cdf(lower), cell.share, atol=1e-12)
    spread, back = there_and_back(x, rng)
    assert stats.kstest(spread, "norm").pvalue > 1e-3
    np.testing.assert_allclose(back, x, rtol=1e-12)


@pytest.mark.parametrize("x", DISCRETE.values(), ids=DISCRETE)
def test_every_number_lies_in_the_cell_of_a_value(x):
    cell = only(x)
    assert set(cell.round(np.linspace(-40.0, 40.0, 2001))) <= set(cell.values)
    np.testing.assert_array_equal(cell.holds(cell.values), True)
    np.testing.assert_array_equal(cell.holds((cell.values[1:] + cell.values[:-1]) / 2), False)


@pytest.mark.parametrize(("x", "values"), MIXED.values(), ids=MIXED)
def test_the_heavy_values_of_a_mixed_column(x, values, rng):
    """Each has an interval of its own, as wide as its share of a Gaussian; the rest moves aside."""
    cell = only(x)
    np.testing.assert_array_equal(cell.values, values)
    np.testing.assert_allclose(cell.share, [(x == v).mean() for v in values])
    lower, upper = cell.edges.T
    inside = np.clip(np.stack([lower, upper]) - cell.shift, -1e3, 1e3) / cell.scale
    np.testing.assert_allclose(np.diff(stats.norm.cdf(inside), axis=0)[0], cell.share, atol=1e-12)
    spread, back = there_and_back(x, rng)
    np.testing.assert_allclose(back, x, atol=1e-12 * np.ptp(x))
    order = np.argsort(x[~np.isin(x, values)])
    moved = spread[~np.isin(x, values)]
    assert (np.diff(moved[order]) > 0).all()
    assert len(np.unique(spread)) == N


def test_a_heavy_value_among_even_cells(rng):
    """Rain by the day: an atom at zero, amounts in steps of 0.1 beside it, and nothing below."""
    x = np.where(rng.random(N) < 0.57, 0.0, rng.gamma(0.7, 5.0, N).round(1))
    cell = only(x)
    np.testing.assert_array_equal(cell.values, [0.0])
    assert (cell.lattice.width, cell.unit) == (0.1, 0.1)
    np.testing.assert_array_equal(there_and_back(x, rng)[1], x)
    np.testing.assert_array_equal(cell.round(np.array([-1e6, cell.edges[0, 1] + 0.15])), [0.0, 0.2])
    np.testing.assert_array_equal(cell.holds(np.array([-0.1, 0.0, 0.1, 1e3])), [False, True, True, True])


@pytest.mark.parametrize("rate", [20.0, 60.0])
def test_the_common_values_of_a_smooth_count_are_no_atoms(rate, rng):
    assert isinstance(only(rng.poisson(rate, N) * 1.0), EvenCells)


TABLES_OF_A_COLUMN = {
    **{name: column.x[:, None] for name, column in {**EVEN, **NOISY}.items()},
    **{name: x[:, None] for name, x in {**DISCRETE, **CONTINUOUS}.items()},
    **{name: x[:, None] for name, (x, _) in MIXED.items()},
    "ratios": np.column_stack([RATIOS, Z]),
    "coins": np.column_stack([Z > 0, ZEROS]) * 1.0,
}


@pytest.mark.parametrize("X", TABLES_OF_A_COLUMN.values(), ids=TABLES_OF_A_COLUMN)
def test_weights_are_repetitions(X, rng):
    weight = rng.integers(1, 7, len(X))
    cells, order = find_cells(X, weight * 1.0), rng.permutation(weight.sum())
    for weighted, repeated in zip(cells, find_cells(np.repeat(X, weight, axis=0)[order]), strict=True):
        assert type(weighted) is type(repeated)
        for ours, theirs in zip(weighted or (), repeated or (), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_row_that_is_repeated_is_no_tie(columns, rng):
    X = rng.random((400, columns))
    assert not any(find_cells(np.repeat(X, 1 + (10 * X.sum(axis=1)).astype(int), axis=0)))
    assert not any(find_cells(X, rng.lognormal(sigma=1.5, size=400)))


def test_a_row_that_is_repeated_throughout_is_a_mass(rng):
    X = np.where(ZEROS[:, None], 0.0, np.column_stack([POSITIVE, 2.54 * POSITIVE]))
    for cell in find_cells(X):
        np.testing.assert_array_equal(cell.values, [0.0])
        np.testing.assert_allclose(cell.share, ZEROS.mean())


def test_an_uneven_column_of_many_values_has_a_cell_for_each(rng):
    X = np.column_stack([RATIOS, Z])
    cells = cell, _ = find_cells(X)
    assert isinstance(cell, OwnCells)
    spread = dequantize(X, cells, rng)
    back = round_to_cells(spread, cells)[:, 0]
    assert len(np.unique(spread[:, 0])) == N
    np.testing.assert_array_equal(back, cell.values[np.abs(RATIOS[:, None] - cell.values).argmin(axis=1)])
    np.testing.assert_array_equal(cell.round(np.array([-1e6, 1e6])), [-1e6, 1e6])


def test_small_tables_of_decimals_are_no_sets_of_values():
    """Twenty tenths, of which many occur once: others may yet come."""
    x = np.repeat(np.arange(20.0) / 10, [9, *[6] * 5, *[8] * 4, *[1] * 6, 9, 9, 3, 5])
    assert isinstance(only(x), EvenCells)


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


def test_draws_beyond_the_range_are_not_clipped_to_its_ends():
    cells = find_cells(np.column_stack([TENTHS, ZEROS * 1.0]))
    wild = np.array([[-1000.03, -3.0], [1000.03, 7.0], [0.234, 0.4]])
    np.testing.assert_array_equal(round_to_cells(wild, cells)[:, 0], [-1000.0, 1000.0, 0.2])


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
    points = np.linspace(-3.0, 3.0, 50)
    for cell, x in zip(cells[:-1], columns, strict=False):
        np.testing.assert_array_equal(cell.round(points), only(x).round(points))


def test_the_rare_values_of_a_long_table_have_cells(rng):
    x = rng.integers(0, 3, 3 * MAX_ROWS) * 1.0
    x[5:9] = 7.0
    np.testing.assert_array_equal(only(x).values, [0.0, 1.0, 2.0, 7.0])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_of_rows(n, rng):
    x = np.array([1.0, 1.0, 2.5, 7.0, 7.1])[:n]
    np.testing.assert_allclose(there_and_back(x, rng)[1], x)


TABLES = {load.__name__: load().data for load in (load_breast_cancer, load_iris, load_wine)}


def test_wine(rng):
    """Every column is rounded; what does not come back are the few rows that were rounded otherwise than the rest."""
    X = TABLES["load_wine"]
    cells = find_cells(X)
    width = np.array([cell.width for cell in cells])
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
