"""torch, or an error that says how to install it; the other modules here import it from this one."""

import os
from functools import partial

try:
    import torch
    from torch import nn
except ImportError as error:
    raise ModuleNotFoundError(
        f"neural networks need torch, which is not installed, or damaged ({error}): pip install 'skscore[torch]'.",
        name="torch",
    ) from None

__all__ = ["nn", "torch"]

if hasattr(os, "register_at_fork"):  # the libraries within torch wait there for threads that are not, as OpenMP does
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
