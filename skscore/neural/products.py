"""Matrix products of tensors that autograd does not follow.

On a CPU they go through numpy: torch's builds multiply with Intel's library, which leaves the widest vector units of
processors of other makers idle, while numpy's BLAS is chosen for the processor that it finds. Tensors and arrays share
their memory, so nothing is copied. `benchmarks/bench_denoising.py` reports the two rates.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["product"]


def product(A, B, out=None):
    """AB of matrices on one device, written to `out` where it is given; no gradient goes through it."""
    A, B = A.detach(), B.detach()
    if A.device.type != "cpu":
        return torch.mm(A, B, out=out)
    return torch.from_numpy(np.matmul(A.numpy(), B.numpy(), out=None if out is None else out.numpy()))
