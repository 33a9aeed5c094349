"""The hand-written rule of tangents, torch's Jacobian and backward passes are three routes to one trace."""

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.networks import ResidualMLP  # noqa: E402
from skscore.neural.tangents import output_and_curvature, output_and_traces  # noqa: E402


def network(widths, activation, d=3, n_waves=0, m=2):
    """Residual networks in float64 whose heads and scales are not zero."""
    generator = torch.Generator().manual_seed(0)
    mlp = ResidualMLP(d, d, widths, activation, 0.5, n_waves, m).initialise(generator)
    with torch.no_grad():
        for parameter in (mlp.labels, mlp.out, mlp.out_bias):
            parameter.normal_(generator=generator)
    return mlp.double().eval()


def inputs(n=7, d=3, K=4):
    generator = torch.Generator().manual_seed(1)
    draw = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((n, d), (K, d), (K, d))]
    return draw[0], torch.full((2, 1, 1), -0.7, dtype=torch.float64), *draw[1:]


def repeated(y):
    """Rows (n, d) for each of the two networks."""
    return y.expand(2, -1, -1)


def jacobians(mlp, y, c):
    """∂F/∂y of each row by each network, (2, n, d, d), by torch."""
    rows = [torch.autograd.functional.jacobian(lambda y: mlp(repeated(y), c)[:, 0], row)[:, :, 0] for row in y.split(1)]
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("activation", ["gelu", "silu", "softplus", "tanh"])
@pytest.mark.parametrize("widths", [(5,), (6, 6), (8, 8, 8), (4, 7, 7, 5)])  # with skips, without, and both
@pytest.mark.parametrize("n_waves", [0, 2])
def test_three_routes_to_the_traces(widths, activation, n_waves, wrapped):
    mlp = network(widths, activation, n_waves=n_waves)
    y, c, V, L = inputs()
    expected = torch.einsum("ki,mnij,kj->mnk", L, jacobians(mlp, y, c), V)
    for route in (mlp, wrapped(mlp)):
        F, traces = output_and_traces(route, c, V, L)(y)
        torch.testing.assert_close(F, mlp(repeated(y), c), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(traces, expected, rtol=1e-9, atol=1e-9)


def test_a_rule_keeps_nothing_of_the_last_block():
    mlp = network((8, 8), "silu")
    y, c, V, L = inputs(n=10)
    rule = output_and_traces(mlp, c, V, L)
    rows = torch.cat([rule(block)[1] for block in y.split(4)], dim=1)
    torch.testing.assert_close(rows, output_and_traces(mlp, c, V, L)(y)[1], rtol=1e-12, atol=1e-12)


def test_traces_over_axes_are_the_divergence():
    mlp = network((8, 8), "silu")
    y, c, *_ = inputs()
    axes = torch.eye(3, dtype=torch.float64)
    divergence = output_and_traces(mlp, c, axes, axes)(y)[1].sum(dim=2)
    trace = jacobians(mlp, y, c).diagonal(dim1=2, dim2=3).sum(dim=2)
    torch.testing.assert_close(divergence, trace, rtol=1e-9, atol=1e-9)


def test_curvature_with_a_direction_of_its_own_for_each_row():
    mlp = network((8, 8), "gelu")
    y, c, V, L = inputs(n=4)
    F, bent = output_and_curvature(mlp, c, y, V, L)
    torch.testing.assert_close(F, mlp(repeated(y), c))
    expected = torch.einsum("ni,mnij,nj->mn", L, jacobians(mlp, y, c), V)
    torch.testing.assert_close(bent, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("grad", [torch.no_grad, torch.enable_grad])
def test_no_graph_is_left_behind(grad, wrapped):
    mlp = network((8, 8), "silu")
    with grad():
        for route in (mlp, wrapped(mlp)):
            y, c, V, L = inputs()
            assert not any(values.requires_grad for values in output_and_traces(route, c, V, L)(y))
