"""Values that heap up get room: round amounts and values that recur are drawn as often as they are there."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr
from scipy.stats import gamma

from skscore import TabularDensity
from skscore.maps.cells import EvenCells, OwnCells
from skscore.maps.mixture_scores import MixtureScores
from skscore.tabular.heaps import Heaps
from skscore.tabular.number_line import NumberLine

NORMAL = MixtureScores([np.ones(1)], [np.zeros(1)], [np.ones(1)])


def amounts(n, seed):
    """Whole numbers, of which two thirds are multiples of 100 and the others of 10."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(4.0, 300.0, n) + 50.0
    step = np.where(rng.random(n) < 2 / 3, 100, 10)
    return (np.rint(x / step) * step).astype(np.int64)


def on_cells(values):
    """Ends of the cells of these values, and the place of each among them."""
    cells = EvenCells(0.0, 1.0, 10)
    index, place = np.unique(cells.cell_of(values), return_inverse=True)
    return cells.ends(index), place


def heaped_values(n, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.7, rng.normal(size=n).round(), rng.normal(size=n).round(1))


# ---- the stretch ---------------------------------------------------------------------------------


def test_cells_get_the_mass_of_their_rows_mixed_with_that_of_the_smooth_density():
    ends, place = on_cells(heaped_values(1000, 3))
    heaps = Heaps.of(ends, place, np.ones(1000), NORMAL)
    y = np.interp(ends, heaps.knots, heaps.values)
    got, smooth, rows = np.diff(ndtr(y))[:, 0], np.diff(ndtr(ends))[:, 0], np.bincount(place) / 1000
    share = (got - rows)[place[0]] / (smooth - rows)[place[0]]
    assert 0.05 < share < 0.5
    assert_allclose(got, (1.0 - share) * rows + share * smooth, rtol=1e-6)


def test_the_gain_of_a_row_is_what_its_own_count_adds():
    ends, place = on_cells(heaped_values(400, 5))
    heaps = Heaps.of(ends, place, np.ones(400), NORMAL)
    rows, smooth = np.bincount(place), np.diff(ndtr(ends))[:, 0]
    got = np.diff(ndtr(np.interp(ends, heaps.knots, heaps.values)))[:, 0]
    share = ((got - rows / 400) / (smooth - rows / 400))[place[0]]
    left_out = (1.0 - share) * (rows - 1) / 399 + share * smooth
    assert_allclose(heaps.gain, np.log(got / left_out)[place], rtol=1e-5, atol=1e-9)


def test_a_smooth_column_stays_as_it_is():
    ends, place = on_cells(np.random.default_rng(8).normal(size=2000).round(1))
    heaps = Heaps.of(ends, place, np.ones(2000), NORMAL)
    assert not len(heaps.knots)
    assert not heaps.gain.any()


def test_weights_are_repetitions():
    ends, place = on_cells(heaped_values(300, 9))
    weight = np.random.default_rng(10).integers(1, 4, 300)
    weighted, repeated = (
        Heaps.of(ends, place, weight.astype(float), NORMAL),
        Heaps.of(ends, np.repeat(place, weight), np.ones(weight.sum()), NORMAL),
    )
    assert_allclose(weighted.values, repeated.values)
    assert_allclose(np.repeat(weighted.gain, weight), repeated.gain)


# ---- values that recur without a lattice ---------------------------------------------------------


def test_values_that_recur_without_a_lattice_have_own_cells_and_come_back():
    x = np.log(amounts(2000, 11))
    line = NumberLine.through(x)
    assert isinstance(line.cells, OwnCells)
    values, rows = np.unique(x, return_counts=True)
    assert_allclose(line.cells.values, values[rows > 1], rtol=0)
    assert (line.values(line.numbers(x)) == x).all()


def test_numbers_that_do_not_recur_are_continuous():
    assert NumberLine.through(np.random.default_rng(12).normal(size=500)).cells is None


# ---- the density of a table ----------------------------------------------------------------------


def fitted(**columns):
    return TabularDensity("gaussian", "tree", random_state=1).fit(pd.DataFrame(columns))


def mass(density, name, values, widths):
    """Sum of the probabilities of these values, and of those that are states."""
    often = density.schema_.column(name).levels
    rest = ~np.isin(values, often)
    log_p, log_often = (density.score_samples(pd.DataFrame({name: x})) for x in (values[rest], often))
    return np.exp(log_p) @ widths[rest] + np.exp(log_often).sum()


@pytest.fixture(scope="module")
def of_amounts():
    return fitted(amount=amounts(1500, 13))


def test_round_amounts_are_drawn_nearly_as_often_as_they_are_there(of_amounts):
    drawn = of_amounts.sample(4000, random_state=14)["amount"].to_numpy()
    assert (drawn % 10 == 0).all()
    assert 0.8 * 0.7 < (drawn % 100 == 0).mean() < 1.1 * 0.7  # a tenth of values that were spread evenly


def test_the_mass_of_all_amounts_is_one(of_amounts):
    every = np.arange(-3000, 9000, 10)
    assert mass(of_amounts, "amount", every, np.full(len(every), 10.0)) == pytest.approx(1.0, abs=5e-3)


def test_fresh_amounts_are_as_likely_as_held_out_ones_and_likelier_than_on_a_smooth_law(of_amounts):
    log_p = of_amounts.score_samples(pd.DataFrame({"amount": amounts(3000, 18)}))
    assert log_p.mean() == pytest.approx(of_amounts.held_out_score_, abs=0.15)
    fresh = np.random.default_rng(23).gamma(4.0, 300.0, 3000)
    assert log_p.mean() > gamma.logpdf(fresh, 4.0, scale=300.0).mean() + 0.5


def test_a_column_of_recurring_values_has_mass_one_and_is_drawn_from_them():
    density = fitted(log_amount=np.log(amounts(800, 19)))
    column = density.schema_.column("log_amount")
    cells = column.line.cells
    assert mass(density, "log_amount", cells.values, np.diff(cells.edges)) == pytest.approx(1.0, abs=0.01)
    drawn = density.sample(1000, random_state=20)["log_amount"].to_numpy()
    assert np.isin(drawn, np.concatenate([cells.values, column.levels])).mean() > 0.99


def test_bounds_and_heaps_live_together():
    frame = pd.DataFrame({"amount": amounts(500, 21)})
    density = TabularDensity("gaussian", "tree", bounds={"amount": (0, None)}, marginals="power", random_state=2)
    drawn = density.fit(frame).sample(2000, random_state=22)["amount"].to_numpy()
    assert drawn.min() >= 0
    assert (drawn % 100 == 0).mean() > 0.5
