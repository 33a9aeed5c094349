"""The Metropolis step accepts with the probability it reports, and reads what is not finite as no density."""

import numpy as np
import pytest

from skscore.samplers import State, Target
from skscore.samplers.metropolis import evaluate, metropolis

NORMAL = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_position_that_is_not_finite_has_no_density_and_no_score(bad):
    state = evaluate(NORMAL, np.array([[1.0, bad], [1.0, 2.0]]))
    assert np.array_equal(state.log_density, [-np.inf, -2.5])
    assert np.array_equal(state.score, [[0.0, 0.0], [-1.0, -2.0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_read_as_no_density_and_no_score(bad):
    target = Target(lambda x: np.full(len(x), bad), lambda x: x * [1.0, bad])
    state = evaluate(target, np.ones((2, 2)))
    assert np.array_equal(state.log_density, np.full(2, -np.inf))
    assert np.array_equal(state.score, np.zeros((2, 2)))


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.9, 1.0])
def test_proposals_are_accepted_with_their_probability(probability):
    n = 40_000
    here, there = (evaluate(NORMAL, np.full((n, 2), x)) for x in (0.0, 1.0))
    with np.errstate(divide="ignore"):
        log_ratio = np.full(n, np.log(probability))
    state, info = metropolis(here, there, log_ratio, np.random.default_rng(0))
    np.testing.assert_allclose(info.acceptance, probability)
    assert abs(info.accepted.mean() - probability) <= 5 * np.sqrt(probability * (1 - probability) / n)
    expected = State(
        *(
            np.where(np.reshape(info.accepted, (n,) + (1,) * (a.ndim - 1)), b, a)
            for a, b in zip(here, there, strict=True)
        )
    )
    assert all(np.array_equal(got, want) for got, want in zip(state, expected, strict=True))


def test_two_places_without_density_are_no_move():
    nowhere = State(np.zeros((1, 1)), np.array([-np.inf]), np.zeros((1, 1)))
    with np.errstate(invalid="ignore"):
        log_ratio = nowhere.log_density - nowhere.log_density
    _, info = metropolis(nowhere, nowhere, log_ratio, np.random.default_rng(0))
    assert info.acceptance == 0
