"""Compiled passes of a network at one noise level, and torch's operations, are two routes to one network."""

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural import level_passes  # noqa: E402
from skscore.neural.networks import ResidualMLP  # noqa: E402
from skscore.neural.one_level import output_at  # noqa: E402
from skscore.neural.tangents import output_and_traces  # noqa: E402


def network(widths, n_waves, m):
    """Networks in single precision whose heads and scales are not zero."""
    random = torch.Generator().manual_seed(0)
    mlp = ResidualMLP(3, 3, widths, "silu", 0.0, n_waves, m).initialise(random)
    with torch.no_grad():
        mlp.labels.normal_(generator=random).mul_(0.2)
        mlp.out.normal_(generator=random)
        mlp.out_bias.normal_(generator=random)
    return mlp.eval().requires_grad_(False)


@pytest.fixture
def by_operations(monkeypatch):
    """What a call returns where nothing is compiled."""

    def returned(call):
        with monkeypatch.context() as patch:
            patch.setattr(level_passes, "fusible", lambda y: False)
            return call()

    return returned


@pytest.mark.parametrize("widths", [(24,), (24, 24, 24), (16, 24, 24, 9)])  # with skips, without, and both
@pytest.mark.parametrize("n_waves", [0, 2])
@pytest.mark.parametrize("m", [1, 3])
def test_two_routes_to_one_network(widths, n_waves, m, by_operations):
    mlp, c = network(widths, n_waves, m), torch.full((m, 1, 1), -0.7)
    random = torch.Generator().manual_seed(1)
    y, V, L = (torch.randn(k, 3, generator=random) for k in (8, 4, 4))

    def found():
        return output_at(mlp, c)(y), *output_and_traces(mlp, c, V, L)(y)

    for here, there in zip(found(), by_operations(found), strict=True):
        torch.testing.assert_close(here, there, rtol=2e-5, atol=2e-5)


def test_compiled_passes_serve_silu_in_single_precision():
    mlp, y = network((24,), 0, 1), torch.zeros(1, 8, 24)
    compiled = type(level_passes.passes_for(mlp, y))
    assert type(level_passes.passes_for(mlp, y.double())) is not compiled
    mlp.derivatives = level_passes.ACTIVATIONS["tanh"]
    assert type(level_passes.passes_for(mlp, y)) is not compiled


def test_a_row_that_is_no_number_leaves_the_others_alone():
    mlp, c = network((24, 24), 0, 1), torch.zeros(1, 1, 1)
    y = torch.tensor([[float("nan")] * 3, [1.0] * 3])
    nan, number = output_at(mlp, c)(y)[0]
    assert nan.isnan().all()
    assert number.isfinite().all()
