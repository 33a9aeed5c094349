"""What layers are made of: matrix products by the faster BLAS, and smooth activations with their derivatives.

On a CPU products go through numpy: torch's builds multiply with Intel's library, which leaves the widest vector units
of processors of other makers idle, while numpy's BLAS is chosen for the processor that it finds. Tensors and arrays
share their memory, so nothing is copied. `benchmarks/bench_denoising.py` reports the two rates. Torch multiplies what
is in bfloat16, which numpy does not know.

An activation is an iterator over a, a′ and a″, written out, from one transcendental; take as many as you need.
"""

from __future__ import annotations

import math

import numpy as np

from ._torch import nn, torch

__all__ = ["ACTIVATIONS", "EPS", "allocate", "product", "rounded_product"]

EPS = 1e-5  # added to the variance of a row's units where they are normalised


def allocate(module, device):
    """Give the parameters of a module memory on a device: as `to_empty` does, which imports sympy for a second."""
    empty = {name: torch.empty(p.shape, dtype=p.dtype, device=device) for name, p in module.named_parameters()}
    module.load_state_dict(empty, assign=True)


def product(A, B, out=None):
    """AB of stacks of matrices on one device, followed by autograd; or written to `out` and not followed."""
    if A.device.type != "cpu" or A.dtype == torch.bfloat16:
        return torch.matmul(A, B, out=out)
    if out is None and torch.is_grad_enabled() and (A.requires_grad or B.requires_grad):
        return _Product.apply(A, B)
    with np.errstate(over="ignore", invalid="ignore"):  # of a training that explodes: torch says nothing either
        return torch.from_numpy(np.matmul(_array(A), _array(B), out=None if out is None else _array(out)))


def rounded_product(A, B, out=None):
    """The same, of factors rounded to bfloat16: three digits, several times as fast where a processor multiplies it."""
    rounded = torch.bmm(A.bfloat16(), B.bfloat16())
    return rounded.float() if out is None else out.copy_(rounded)


def _array(tensor):
    return tensor.detach().numpy()


class _Product(torch.autograd.Function):
    """AB, whose gradients are products themselves, to be differentiated again where that is asked."""

    @staticmethod
    def forward(ctx, A, B):
        ctx.save_for_backward(A, B)
        return product(A, B)

    @staticmethod
    def backward(ctx, gradient):
        A, B = ctx.saved_tensors
        asked_of_A, asked_of_B = ctx.needs_input_grad
        of_A = product(gradient, B.mT) if asked_of_A else None
        if asked_of_B and B.mT.is_contiguous():  # a Wᵀ: in another layout than that of W its gradient would be copied
            return of_A, product(gradient.mT, A).mT
        return of_A, product(A.mT, gradient) if asked_of_B else None


# ---- activations ---------------------------------------------------------------------------------


def _gelu(z):
    Phi = 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))
    phi = torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    yield z * Phi
    yield Phi + z * phi
    yield phi * (2.0 - z * z)


def _silu(z):
    p = torch.sigmoid(z)
    yield (value := z * p)
    yield (slope := torch.lerp(value, p.new_ones(()), p))  # value + p (1 − value)
    yield (p - 1.0) * torch.sub(value, slope, alpha=2.0)


def _softplus(z):
    yield nn.functional.softplus(z)
    yield (p := torch.sigmoid(z))
    yield p * (1.0 - p)


def _tanh(z):
    yield (t := torch.tanh(z))
    yield (slope := 1.0 - t * t)
    yield -2.0 * t * slope


ACTIVATIONS = {"gelu": _gelu, "silu": _silu, "softplus": _softplus, "tanh": _tanh}
