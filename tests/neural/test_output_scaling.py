"""The factor of a network's output, from rows that it has not seen."""

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.noise_schedule import noise_schedule, noisy_batch  # noqa: E402
from skscore.neural.output_scaling import OutputScaling, best_shrinkage  # noqa: E402

DRAWS = 20  # of each row


def batch(levels=None, n=20_000):
    generator = torch.Generator().manual_seed(0)
    schedule = noise_schedule(0.01, 20.0, levels)
    u = torch.rand(n, generator=generator)
    rows, z = torch.randn(2, n, 2, generator=generator)
    return noisy_batch(rows, u, z, schedule, torch.ones(2))._replace(repeats=DRAWS)


def best(b, output, weight=None, share=0.05):
    return best_shrinkage([b], [output[None]], [[0]], [weight], share)


SIGMAS = np.geomspace(0.01, 20.0, 9)


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_known_factor_is_recovered(factor, weighted):
    """Outputs that are the target over the factor."""
    b = batch()
    output = b.target / factor
    weight = torch.linspace(0.5, 1.5, len(output) // DRAWS) if weighted else None
    shrinkage, value = best(b, output, weight)
    np.testing.assert_allclose([shrinkage(s) for s in SIGMAS], factor, rtol=1e-4)
    assert value < 0


@pytest.mark.parametrize("levels", [None, np.array([0.3]), np.array([1.0, 0.1])])
def test_never_worse_than_the_gaussian_and_between_zero_and_one(levels):
    b = batch(levels, n=500)
    generator = torch.Generator().manual_seed(1)
    outputs = [torch.randn(b.target.shape, generator=generator), -b.target, 0 * b.target, 1e3 * b.target]
    for output in [*outputs, 0.01 * b.target]:
        shrinkage, value = best(b, output)
        assert value <= 1e-9
        assert all(0.0 <= shrinkage(s) <= 1.0 for s in SIGMAS)


def test_an_output_that_is_wrong_is_left_out():
    b = batch(n=500)
    shrinkage, value = best(b, -b.target)
    assert [shrinkage(s) for s in SIGMAS] == [0.0] * len(SIGMAS)
    assert value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("n", "stays"), [(20_000, True), (20, False)])
def test_a_gain_that_chance_would_give_is_none(n, stays):
    """κ is at most one, so that an output of one hundredth of the target gains no more than two hundredths of it."""
    b = batch(n=n)
    shrinkage, value = best(b, 0.01 * b.target, share=0.0)
    assert (value < 0.0) == stays
    assert (shrinkage(1.0) > 0.0) == stays


def test_a_factor_is_plain_data_that_falls_between_its_knots():
    shrinkage = OutputScaling([0.0, 1.0], [0.2, 0.6])
    assert shrinkage(np.exp(0.5)) == pytest.approx(0.4)
    assert shrinkage(1e-9) == 0.2
    assert shrinkage(1e9) == 0.6


def test_a_far_row_has_no_vote_where_some_rows_may_be_far():
    """One row of a hundred at which the output is wrong a hundredfold."""
    b = batch(n=100 * DRAWS)
    output = b.target.clone()
    output[:DRAWS] *= -100.0
    shares = {share: best(b, output, share=share)[0] for share in (0.0, 0.05)}
    assert max(shares[0.0](s) for s in SIGMAS) < 0.1
    assert min(shares[0.05](s) for s in SIGMAS) > 0.9


def test_validation_sets_of_unequal_sizes():
    one, two = batch(n=7 * DRAWS), batch(n=6 * DRAWS)
    outputs = [one.target.expand(2, -1, -1), two.target.expand(2, -1, -1)]
    shrinkage, value = best_shrinkage([one, two], outputs, [[0], [1]], [None, None], 0.0)
    assert value < 0
    np.testing.assert_allclose([shrinkage(s) for s in SIGMAS], 1.0)


@pytest.mark.parametrize("n_networks", [1, 3])
@pytest.mark.parametrize("amplitude", [0.1, 1.0])
def test_networks_that_have_seen_a_row_promise_no_more_than_fresh_rows_show(n_networks, amplitude):
    """Errors of all networks together and of each alone; networks that have seen a row are less far off there."""
    generator, n_folds = torch.Generator().manual_seed(2), 8
    b = batch()
    errors = torch.randn(1 + n_folds * n_networks, *b.target.shape, generator=generator)
    fresh = 0.5 * b.target + 1.5 * errors[0] + errors[1:]
    folded = amplitude * fresh
    folded[:n_networks] = fresh[:n_networks]
    shrinkage, value = best_shrinkage([b], [folded], [list(range(n_networks))], [None], 0.0)
    truth, true_value = best_shrinkage([b], [fresh], [list(range(len(fresh)))], [None], 0.0)
    assert value == pytest.approx(true_value, rel=0.1)
    np.testing.assert_allclose(shrinkage(1.0), truth(1.0), rtol=0.1)
