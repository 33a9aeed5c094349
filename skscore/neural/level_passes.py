"""What stands between two products of a residual network at one noise level: one pass on a CPU, or torch's operations.

Units are stacks (m, n, H), tangents (m, n, K, H); the formulas are those of ``tangents``.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .._kernels import level_layer as kernels
from ._torch import torch
from .fused_layer import fusible
from .layers import ACTIVATIONS, EPS, product
from .networks import normalise

__all__ = ["passes_for"]


class Units(NamedTuple):
    """Units h of a layer, the same normalised, 1 / sd of each row (m, n, 1), and the slopes of the activation."""

    h: Any
    unit: Any
    inverse_sd: Any
    slope: Any = None


def passes_for(network, y):
    """The passes of a network over rows like y."""
    compiled = fusible(y) and network.derivatives is ACTIVATIONS["silu"]
    return _Compiled() if compiled else _Operations(network.derivatives)


class _Operations:
    def __init__(self, derivatives):
        self.derivatives = derivatives

    def activated(self, z, shift, h, with_slope):
        """Units of a layer, from the product z of those below it, h, which are None for the first."""
        value, *slope = islice(self.derivatives(z + shift), 1 + with_slope)
        h = value.add_(h) if _skips(h, value) else value
        return Units(h, *normalise(h), *slope)

    def moved(self, dh, da, below, z, slope):
        """Tangents dh of the units `below` carried through the layer, given W_c dh in `da`; over one of them."""
        da.addcmul_(z[:, :, None], _along(below.unit, dh), value=-1.0)
        slope = (slope * below.inverse_sd)[:, :, None]
        return dh.addcmul_(da, slope) if _skips(dh, da) else da.mul_(slope)

    def traced(self, dh, last, rows):
        """Traces (m, n, K) of the last units' tangents, from the rows ℓᵀW_out (m, K, H)."""
        bent = (dh * _centred(rows)[:, None]).sum(dim=3)
        return last.inverse_sd * (bent - product(last.unit, rows.mT) * _along(last.unit, dh)[..., 0])


class _Compiled:
    """The same by kernels, for SiLU in single precision."""

    def activated(self, z, shift, h, with_slope):
        out, unit, inverse_sd = torch.empty_like(z), torch.empty_like(z), z.new_empty(*z.shape[:2], 1)
        slope = torch.empty_like(z) if with_slope else None
        below = h if _skips(h, z) else None
        kernels.activated(np.float32(EPS), *_arrays(z, shift, below, out, unit, inverse_sd[..., 0], slope))
        return Units(out, unit, inverse_sd, slope)

    def moved(self, dh, da, below, z, slope):
        skipped = dh if _skips(dh, da) else None
        kernels.moved(*_arrays(skipped, dh, da, below.unit, below.inverse_sd[..., 0], z, slope))
        return da

    def traced(self, dh, last, rows):
        traces = dh.new_empty(dh.shape[:3])
        arrays = _arrays(dh, last.unit, last.inverse_sd[..., 0], traces)
        kernels.traced(rows.numpy(), _centred(rows).numpy(), *arrays)
        return traces


def _skips(h, above):
    """Whether there is a skip between layers."""
    return h is not None and h.shape == above.shape


def _arrays(*tensors):
    """The rows of all networks of a stack as one array, of each tensor; None stays None."""
    return [None if tensor is None else tensor.flatten(0, 1).numpy() for tensor in tensors]


def _centred(rows):
    return rows - rows.mean(dim=-1, keepdim=True)


def _along(unit, dh):
    """x̂ᵀdh / H of each tangent, shape (m, n, K, 1)."""
    return torch.einsum("mnh,mnkh->mnk", unit, dh)[..., None] / unit.shape[2]
