"""A product by numpy is a product by torch."""

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.layers import product  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("turned", [False, True])
def test_numpy_and_torch_agree_on_every_layout(dtype, turned):
    generator = torch.Generator().manual_seed(0)
    A, B = torch.randn(7, 5, generator=generator).to(dtype), torch.randn(5, 3, generator=generator).to(dtype)
    if turned:
        A, B = A.T.contiguous().T, B.T.contiguous().T
    B.requires_grad_()
    out = torch.empty(7, 3, dtype=dtype)
    result = product(A, B, out=out)
    torch.testing.assert_close(result, (A @ B).detach())
    assert torch.equal(out, result)
    assert result.dtype == dtype
    assert not result.requires_grad


def test_an_expanded_row_counts_as_often_as_it_stands_there():
    row = torch.arange(3.0)[None]
    torch.testing.assert_close(product(row.expand(4, 3).T, torch.ones(4, 2)), 4.0 * row.T.expand(3, 2))


@pytest.mark.parametrize("turned", [False, True])
def test_gradients_of_first_and_second_order(turned):
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    B = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    B = (B.T.contiguous().T if turned else B).requires_grad_()
    assert torch.autograd.gradcheck(product, (A, B))
    assert torch.autograd.gradgradcheck(product, (A, B))
