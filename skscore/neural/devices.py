"""Where networks compute, and on how many threads."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from .._kernels import threads
from ._torch import torch

__all__ = ["available", "multiplies_bfloat16", "resolve_device", "threads_for"]

# Multiply-adds of one step that a thread is worth. Each barrier waits for other programs: on a busy machine two threads
# took 33, 19 and 9 times as long as one, for 1.3e8, 4.7e8 and 1.7e9 of them, in four layers of 256, 512 and 1024 units.
WORK_OF_A_THREAD = 2e9


def resolve_device(name):
    """Device for "auto", "cpu", "cuda", "cuda:1" or "mps"; a ValueError where this machine has none such."""
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if _present(kind))
    if not _present(name):
        raise ValueError(f"device={name!r}: torch finds no such device here. Choose 'auto' or 'cpu'.")
    return name


def available(name):
    """`name` where this machine has it, else the CPU: what was fitted on a GPU is read on a laptop."""
    return name if _present(name) else "cpu"


def _present(name):
    try:
        kind = torch.device(name).type
    except RuntimeError:  # a word that is no device at all
        return False
    if kind == "cuda":
        index = torch.device(name).index or 0
        return torch.cuda.is_available() and index < torch.cuda.device_count()
    return kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())


def multiplies_bfloat16(name):
    """Whether `name` is a CPU with instructions for products in bfloat16; False if torch is too old to say so."""
    if torch.device(name).type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    return any(torch.cpu.get_capabilities().get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _limit_torch(unlimited, limits):
    own = threading.get_ident()
    torch.set_num_threads(min([unlimited, *(number for thread, number in limits if thread == own)]))


# torch keeps a number for each thread that it knows, and one for those to come: whoever sets its own sets that, too.
_OF_TORCH = threads.OverlappingLimits(torch.get_num_threads, _limit_torch)


@contextmanager
def threads_for(work):
    """As many threads of torch and BLAS as `work` multiply-adds at a time can feed; the previous numbers afterwards."""
    number = max(1, min(threads.available(), int(work / WORK_OF_A_THREAD)))
    with _OF_TORCH.held((threading.get_ident(), number)), threads.at_most(number):
        yield
