"""Rows in other coordinates: masses, units, cells, draws."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from skscore.maps.cells import EvenCells
from skscore.maps.elementwise import YeoJohnson
from skscore.models.mixed import coordinates
from skscore.models.mixed.blocks import BlockDensity
from skscore.models.mixed.conditional_gaussian import ConditionalGaussian
from skscore.models.mixed.coordinates import Coordinates, MovedRows
from skscore.models.mixed.rows import ALWAYS, CellMask, Layout, Rows

LAYOUT = Layout((2, 3, 2), (ALWAYS, 2))
STEP = EvenCells(0.0, 1.0, 2)  # halves


@pytest.fixture
def inner(levels):
    gaussian = ConditionalGaussian(
        LAYOUT.n_levels, np.random.default_rng(21).normal(0, 1, (8, 2)), np.array([[1.0, 0.6], [0.6, 1.0]])
    )
    return BlockDensity(LAYOUT, levels, gaussian)


@pytest.fixture
def moved(inner):
    coordinates = Coordinates(np.array([3.0, -10.0]), np.array([2.0, 5.0]), YeoJohnson(np.array([0.6, 1.4])))
    return MovedRows(inner, coordinates, [STEP, None], 16)


def masks(n, codes, numbers):
    return CellMask(np.tile(np.array(codes, dtype=bool), (n, 1)), np.tile(np.array(numbers, dtype=bool), (n, 1)))


def test_probabilities_of_the_values_of_a_column_sum_to_one(moved):
    values = np.arange(-60.0, 80.0, 0.5)
    rows = Rows(np.tile([1, 2, 1], (len(values), 1)), np.stack([values, np.full(len(values), np.nan)], axis=1))
    log_p = moved.log_prob(rows, masks(len(values), [0, 0, 0], [1, 0]), masks(len(values), [1, 1, 1], [0, 0]))
    assert abs(np.exp(log_p).sum() * STEP.width - 1.0) < 1e-4


def test_the_density_of_a_continuous_number_given_the_value_of_another_has_mass_one(moved):
    grid = np.linspace(-200.0, 200.0, 20_001)
    rows = Rows(np.tile([1, 2, 0], (len(grid), 1)), np.stack([np.full(len(grid), 2.5), grid], axis=1))
    log_p = moved.log_prob(rows, masks(len(grid), [0, 0, 0], [0, 1]), masks(len(grid), [1, 1, 1], [1, 0]))
    assert abs(np.trapezoid(np.exp(log_p), grid) - 1.0) < 1e-6


def test_draws_follow_the_probabilities_of_the_values(moved):
    n, given = 20_000, masks(20_000, [1, 1, 1], [0, 0])
    drawn = moved.sample(Rows(np.tile([0, 1, 1], (n, 1)), np.full((n, 2), np.nan)), given, np.random.default_rng(2))
    assert np.isnan(drawn.numbers[:, 1]).all()
    values, counts = np.unique(drawn.numbers[:, 0], return_counts=True)
    assert (values % 0.5 == 0.0).all()
    rows = Rows(np.tile([0, 1, 1], (len(values), 1)), np.stack([values, np.full(len(values), np.nan)], axis=1))
    log_p = moved.log_prob(rows, masks(len(values), [0, 0, 0], [1, 0]), masks(len(values), [1, 1, 1], [0, 0]))
    np.testing.assert_allclose(counts / n, np.exp(log_p) * STEP.width, atol=0.012)


def test_known_numbers_stay_as_they_are_and_bits_do_not_depend_on_the_batch(moved):
    rows = Rows(np.array([[0, 1, 0], [1, 1, 1]]), np.array([[0.123, -7.0], [2.0, np.nan]]))
    given, target = masks(2, [0, 0, 0], [1, 0]), masks(2, [1, 1, 1], [0, 0])
    drawn = moved.sample(rows, given, np.random.default_rng(3))
    np.testing.assert_array_equal(drawn.numbers[:, 0], rows.numbers[:, 0])
    together = moved.log_prob(rows, target, given)
    np.testing.assert_array_equal(moved.log_prob(rows.at([1]), target.at([1]), given.at([1])), together[1:])


def test_marginals_of_many_masks_are_those_of_each(moved, monkeypatch):
    monkeypatch.setattr(coordinates, "BLOCK", 64)
    rng = np.random.default_rng(6)
    rows = moved.sample(Rows(np.zeros((9, 3), dtype=int), np.full((9, 2), np.nan)), masks(9, [0] * 3, [0] * 2), rng)
    there = rows.known
    targets = [masks(9, rng.random(3) < 0.5, rng.random(2) < 0.5) & there for _ in range(6)] + [there.none]
    each = [moved.log_prob(rows, target, target.none) for target in targets]
    np.testing.assert_allclose(moved.log_marginals(rows, targets), each, atol=1e-12)


def test_few_points_follow_a_ridge_across_a_cell():
    """Two columns that all but determine each other, so that the density is a ridge across cells a step wide."""
    ridge, step = (
        ConditionalGaussian((), np.zeros((1, 2)), np.array([[1.0, 0.995], [0.995, 1.0]])),
        EvenCells(0.0, 1.0, 2),
    )
    layout = Layout((), (ALWAYS, ALWAYS))
    density = MovedRows(_Numbers(layout, ridge), Coordinates(np.zeros(2), np.ones(2)), [step, step], 8, ridge)
    values = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.5], [-1.0, -1.5]])
    rows = Rows(np.empty((4, 0), dtype=int), values)
    u = (np.arange(400) + 0.5) / 400 - 0.5
    fine = (values[:, None, None] + 0.5 * np.stack(np.meshgrid(u, u), axis=2).reshape(1, -1, 1, 2)).reshape(-1, 2)
    yes = np.ones(fine.shape, dtype=bool)
    log_p = ridge.log_prob(fine, np.empty((len(fine), 0), dtype=int), yes, ~yes).reshape(4, -1)
    exact = np.log(np.exp(log_p).mean(axis=1))
    errors = [
        np.abs(each.log_prob(rows, rows.known, rows.known.none) - exact).max()
        for each in (density, replace(density, gaussian=None))
    ]
    assert errors[0] < 0.05
    assert errors[0] < errors[1] / 2


@dataclass(frozen=True)
class _Numbers:
    """Rows of numbers alone: a ``RowDensity``."""

    layout: Layout
    numbers: ConditionalGaussian

    def log_prob(self, rows, target, given):
        return self.numbers.log_prob(rows.numbers, rows.codes, target.numbers, given.numbers)
