"""The level from which a score is read: that of least error, found without knowing the law."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skscore.levels.flow_density import choose_score_level, score_levels
from skscore.samplers.contract import NoiseConditionalScore


def rough(error):
    """Scores of N(0, I) with noise by a denoiser that errs by `error` · sin 9x in every column."""

    def score_and_divergence(X, sigma):
        score = -X / (1.0 + sigma**2) + error * np.sin(9.0 * X) / sigma**2
        slope = -1.0 / (1.0 + sigma**2) + 9.0 * error * np.cos(9.0 * X) / sigma**2
        return score, slope.sum(axis=1, keepdims=True)

    return NoiseConditionalScore(None, score_and_divergence, np.ones(2))


@pytest.mark.parametrize("error", [1e-4, 1e-3, 1e-2])
def test_the_level_chosen_has_nearly_the_least_error(error, rng):
    levels, Z = score_levels(0.01, 20.0), rng.standard_normal((4000, 2))
    chosen = choose_score_level([(rough(error), Z[:1000]), (rough(error), Z[1000:2000])], levels)
    errors = [np.square(rough(error).score_and_divergence(Z, level)[0] + Z).sum(axis=1).mean() for level in levels]
    assert errors[int(np.argmin(np.abs(levels - chosen)))] < min(errors) + 0.3
    assert errors[0] > 2.0 * min(errors)


def test_an_exact_score_is_read_at_the_smallest_level(rng):
    assert choose_score_level([(rough(0.0), rng.standard_normal((1000, 2)))], score_levels(0.01, 20.0)) == 0.01


def test_levels_where_a_score_is_no_number_are_passed_over(rng):
    def broken(X, sigma):
        score, divergence = rough(0.0).score_and_divergence(X, sigma)
        return (np.nan * score, divergence) if sigma < 0.05 else (score, divergence)

    levels, rows = score_levels(0.01, 20.0), rng.standard_normal((100, 2))
    assert choose_score_level([(NoiseConditionalScore(None, broken, np.ones(2)), rows)], levels) == min(
        levels[levels >= 0.05]
    )
    nowhere = NoiseConditionalScore(None, lambda X, sigma: (np.nan * X, np.nan * X[:, :1]), np.ones(2))
    assert choose_score_level([(nowhere, rows)], levels) == 0.01


@pytest.mark.parametrize(("sigma_min", "sigma_max"), [(0.01, 20.0), (0.5, 20.0), (0.01, 0.02), (0.3, 0.3)])
def test_levels(sigma_min, sigma_max):
    levels = score_levels(sigma_min, sigma_max)
    assert levels[0] == sigma_min
    assert levels[-1] <= max(sigma_min, min(0.33, sigma_max))
    assert_allclose(levels[1:] / levels[:-1], np.sqrt(2.0))
