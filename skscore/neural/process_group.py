"""The processes that train networks together: those of torch's default group, or this one alone.

Under ``torchrun`` every process runs the same script (Valiant's bulk-synchronous steps): each computes with its own
share of a batch, and what one adds up, all have. A method that passes messages has to be called by all of them in the
same order. A process alone passes none: each method is then the identity.

References
----------
Valiant, L. G. (1990). A bridging model for parallel computation. Communications of the ACM, 33(8), 103-111.
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

__all__ = ["ALONE", "ProcessGroup", "current_group"]


class ProcessGroup(NamedTuple):
    """Processes that train together, and which of them this one is.

    Attributes
    ----------
    size, rank : int

    Examples
    --------
    >>> from skscore.neural.process_group import ProcessGroup
    >>> ProcessGroup(size=2, rank=1).share(8)
    slice(4, 8, None)
    >>> alone = ProcessGroup()
    >>> alone.gathered("mine"), alone.of_first(lambda: "found once")
    (['mine'], 'found once')
    """

    size: int = 1
    rank: int = 0

    @property
    def is_first(self):
        """Whether this process is the one that prints, calls back and saves."""
        return self.rank == 0

    def share(self, n):
        """Which of n things are this process's."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum_up(self, values):
        """Add the arrays or tensors of all processes into that of each, in place."""
        if self.size > 1:
            from ._torch import torch

            tensor = torch.as_tensor(values)  # shares the memory of an array
            carried = tensor.to(_device_of_messages(tensor.device))
            torch.distributed.all_reduce(carried)
            if carried is not tensor:
                tensor.copy_(carried)
        return values

    def gathered(self, value):
        """The values of all processes, a list."""
        if self.size == 1:
            return [value]
        from ._torch import torch

        values = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def first(self, value):
        """The value of the first process."""
        if self.size == 1:
            return value
        from ._torch import torch

        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def of_first(self, compute):
        """What ``compute()`` returns in the first process, or raises there; the others do not compute it."""
        if self.size == 1:
            return compute()
        value, error = self.first(_attempt(compute) if self.is_first else None)
        if error is not None:
            raise error
        return value

    def together(self, compute):
        """What ``compute()`` returns in each process; what it raises in any of them is raised in all."""
        if self.size == 1:
            return compute()
        value, error = _attempt(compute)
        for of_one in self.gathered(error):
            if of_one is not None:
                raise of_one
        return value

    def clock(self):
        """``time.monotonic()`` of the first process."""
        return self.first(time.monotonic())


ALONE = ProcessGroup()


def current_group():
    """torch's default process group, if it has been initialised; else this process alone."""
    torch = sys.modules.get("torch")  # who has initialised a group has loaded it
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return ALONE
    return ProcessGroup(torch.distributed.get_world_size(), torch.distributed.get_rank())


def _attempt(compute):
    """What ``compute()`` returns, and what it raises, one of them None."""
    try:
        return compute(), None
    except Exception as error:
        return None, error


def _device_of_messages(device):
    """Where tensors of `device` travel from: NCCL knows no tensors of the CPU."""
    from ._torch import torch

    return "cuda" if torch.distributed.get_backend() == "nccl" else device
