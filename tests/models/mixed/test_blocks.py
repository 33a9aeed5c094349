"""Levels and numbers together: every conditional against sums written out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from skscore.models.mixed import blocks, guided_blocks
from skscore.models.mixed.blocks import BlockDensity
from skscore.models.mixed.conditional_gaussian import ConditionalGaussian
from skscore.models.mixed.conditional_student import ConditionalStudent
from skscore.models.mixed.guided_blocks import GuidedBlocks
from skscore.models.mixed.row_mixture import RowMixture
from skscore.models.mixed.rows import ALWAYS, CellMask, Layout, Rows

LAYOUT = Layout((2, 3, 2), (ALWAYS, 2))  # the last level says whether the second number is there


@pytest.fixture
def density(levels):
    rng = np.random.default_rng(12)
    A = rng.standard_normal((2, 2))
    return BlockDensity(
        LAYOUT, levels, ConditionalGaussian(LAYOUT.n_levels, rng.normal(0, 1, (8, 2)), A @ A.T + np.eye(2))
    )


@pytest.fixture
def student(density):
    return BlockDensity(LAYOUT, density.levels, ConditionalStudent(density.numbers, 3.0))


@pytest.fixture
def rows(density):
    return everything(density, 60, 0)


def everything(density, n, seed):
    """Draws of all cells."""
    empty = Rows(np.zeros((n, 3), dtype=int), np.full((n, 2), np.nan))
    return density.sample(empty, nothing(n), np.random.default_rng(seed))


def nothing(n):
    return CellMask(np.zeros((n, 3), dtype=bool), np.zeros((n, 2), dtype=bool))


def whole(rows):
    return CellMask(np.ones(rows.codes.shape, dtype=bool), ~np.isnan(rows.numbers))


def both(one, other):
    return CellMask(one.codes | other.codes, one.numbers | other.numbers)


def members(density, student):
    return {"gaussian": density, "student": student, "mixture": RowMixture(np.array([0.7, 0.3]), [density, student])}


@pytest.mark.parametrize("name", ["gaussian", "student", "mixture"])
def test_conditional_is_joint_over_marginal(name, density, student, rows, ask):
    member, (target, given) = members(density, student)[name], ask(rows, np.random.default_rng(1))
    none = nothing(rows.n)
    apart = member.log_prob(rows, both(target, given), none) - member.log_prob(rows, given, none)
    np.testing.assert_allclose(member.log_prob(rows, target, given), apart, atol=1e-10)


@pytest.mark.parametrize("name", ["gaussian", "student", "mixture"])
def test_levels_are_summed_out(name, density, student, rows):
    member, target = members(density, student)[name], whole(rows)
    target.codes[:, 1] = False
    of_each = [np.where(np.arange(3) == 1, k, rows.codes) for k in range(3)]
    terms = [member.log_prob(rows._replace(codes=c), whole(rows), nothing(rows.n)) for c in of_each]
    np.testing.assert_allclose(member.log_prob(rows, target, nothing(rows.n)), logsumexp(terms, axis=0), atol=1e-10)


def test_a_lighter_density_has_mass_one_under_the_draws_of_a_heavier(density, student):
    rows = everything(student, 20_000, 8)
    cells = whole(rows), nothing(rows.n)
    ratio = np.exp(density.log_prob(rows, *cells) - student.log_prob(rows, *cells))
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / np.sqrt(rows.n)


def test_bayes_rule_holds(density, rows):
    target, given = whole(rows), whole(rows)
    given.codes[:] = False
    target.numbers[:] = False
    none = nothing(rows.n)
    joint = density.log_prob(rows, whole(rows), none)
    np.testing.assert_allclose(density.log_prob(rows, target, given) + density.log_prob(rows, given, none), joint)


def test_draws_beyond_the_most_combinations_come_near_their_sum(density, rows, ask, monkeypatch):
    target, given = ask(rows, np.random.default_rng(2))
    exact = density.log_prob(rows, target, given)
    monkeypatch.setattr(blocks, "MOST", 1)
    rough = density.log_prob(rows, target, given)
    assert not np.allclose(rough, exact)
    monkeypatch.setattr(blocks, "BLOCK", 8)
    np.testing.assert_array_equal(density.log_prob(rows.at([3]), target.at([3]), given.at([3])), rough[[3]])


@pytest.mark.parametrize("name", ["gaussian", "student", "mixture"])
def test_draws_follow_the_conditional(name, density, student):
    member, n = members(density, student)[name], 20_000
    given = nothing(n)
    given.numbers[:, 0] = given.codes[:, 0] = True
    rows = Rows(np.tile([1, 0, 0], (n, 1)), np.tile([0.5, np.nan], (n, 1)))
    drawn, one = member.sample(rows, given, np.random.default_rng(3)), nothing(6)
    assert (drawn.codes[:, 0] == 1).all()
    assert (drawn.numbers[:, 0] == 0.5).all()
    np.testing.assert_array_equal(np.isnan(drawn.numbers[:, 1]), drawn.codes[:, 2] != 0)
    ways = np.array([[1, j, k] for j in range(3) for k in range(2)])
    one.codes[:, 1:] = True
    p = np.exp(member.log_prob(Rows(ways, np.tile([0.5, np.nan], (6, 1))), one, given.at(slice(6))))
    share = [(drawn.codes == way).all(axis=1).mean() for way in ways]
    np.testing.assert_allclose(p.sum(), 1.0)
    np.testing.assert_allclose(share, p, atol=4 * np.sqrt(p.max() / n))


def test_a_density_that_is_its_guide_has_its_sums(density, rows, ask, monkeypatch):
    monkeypatch.setattr(guided_blocks, "DRAWS", 5)
    target, given = ask(rows, np.random.default_rng(5))
    guided = GuidedBlocks(LAYOUT, density.levels, density.numbers, density)
    np.testing.assert_allclose(guided.log_prob(rows, target, given), density.log_prob(rows, target, given))


def test_few_draws_of_a_guide_are_near_the_sum_of_all(density, student, rows, ask, monkeypatch):
    target, given = ask(rows, np.random.default_rng(6))
    guided = GuidedBlocks(LAYOUT, student.levels, student.numbers, density)
    exact = student.log_prob(rows, target, given)
    np.testing.assert_allclose(guided.log_prob(rows, target, given), exact)  # no more ways than draws
    monkeypatch.setattr(guided_blocks, "DRAWS", 8)
    off = guided.log_prob(rows, target, given) - exact
    assert 0.0 < np.abs(off).max() < 0.2
    drawn = guided.sample(rows, given, np.random.default_rng(7))
    np.testing.assert_array_equal(drawn.codes[given.codes], rows.codes[given.codes])


def test_the_joint_student_is_that_of_scipy(student):
    density = student.numbers
    x, codes, every = np.array([[0.3, -7.0]]), np.array([[1, 2, 0]]), np.ones((1, 2), dtype=bool)
    law = multivariate_t(density.gaussian.mean(codes)[0], density.gaussian.covariance, df=3.0)
    np.testing.assert_allclose(density.log_prob(x, codes, every, ~every), law.logpdf(x))


def test_draws_of_a_conditional_student_have_its_quantiles(student):
    n, given = 40_000, np.tile([True, False], (40_000, 1))
    drawn = student.numbers.sample(
        np.tile([4.0, np.nan], (n, 1)), np.tile([0, 0, 0], (n, 1)), given, np.random.default_rng(4)
    )[:, 1]
    grid = np.linspace(-60, 60, 24_001)
    cell = np.stack([np.full_like(grid, 4.0), grid], axis=1)
    mask = np.tile([True, False], (len(grid), 1))
    p = np.exp(student.numbers.log_prob(cell, np.zeros((len(grid), 3), dtype=int), ~mask, mask))
    below = np.cumsum(p) * 0.005
    np.testing.assert_allclose(below[-1], 1.0, atol=1e-3)
    quantiles = np.interp([0.05, 0.25, 0.5, 0.75, 0.95], below, grid)
    np.testing.assert_allclose([np.mean(drawn < q) for q in quantiles], [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.012)


def test_rows_of_the_same_levels_are_asked_once(density, rows):
    many, asked = rows.repeat(4), []

    class Told:
        def log_prob(self, codes, target, given):
            asked.append(len(codes))
            return density.levels.log_prob(codes, target, given)

    log_p = replace(density, levels=Told()).log_prob(many, whole(many), nothing(many.n))
    assert sum(asked) == len(np.unique(rows.codes, axis=0)) < rows.n
    np.testing.assert_array_equal(log_p, np.repeat(density.log_prob(rows, whole(rows), nothing(rows.n)), 4))
