"""What is trained: stacks of networks, made from parameters, and their weights as arrays of each network.

The residual networks of all folds are one stack, see ``networks``; each network of a class of the user's is a stack of
its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ._torch import nn, torch
from .masked import Masked
from .networks import ResidualMLP
from .potential import Potential
from .process_group import ALONE

__all__ = ["Architecture", "Single", "load_weights", "parameters_as_matrix", "weights_of"]


class Single(nn.Module):
    """A network of the user's as a stack of one.

    Parameters
    ----------
    network : torch.nn.Module
        Maps rows (n, d) and labels (n, 1) to (n, d), or to one value for each row.
    """

    n_networks = 1

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, y, c_noise):
        """Outputs for rows y (1, n, d) at noise labels c_noise (1, q, 1), each that of n/q rows in turn."""
        n_shared = y.shape[1] // c_noise.shape[1]
        return self.network(y[0], c_noise[0].repeat_interleave(n_shared, dim=0))[None]


@dataclass(frozen=True, eq=False)
class Architecture:
    """What is trained.

    Parameters
    ----------
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.
    parametrization : {"score", "energy"}
    network : callable or None
        A class or function that makes a module from the number of columns; None for the residual network.
    options : dict
        Of the residual network.
    n_known : int
        Columns of a row beside those that carry noise; the first d of them say which of these a score is asked of. Only
        for a residual network that is a score.
    """

    variance: np.ndarray
    parametrization: str = "score"
    network: Callable | None = None
    options: dict = field(default_factory=dict)
    n_known: int = 0

    def stacks(self, n_networks, seed=0):
        """Untrained networks on the CPU, as a list of stacks; the user's have their first weights from `seed`."""
        d = len(self.variance)
        if self.n_known:
            return [Masked(ResidualMLP(d + self.n_known, d, **self.options, n_networks=n_networks), d)]
        if self.network is None:
            n_outputs = d if self.parametrization == "score" else 1
            stacks: list[nn.Module] = [ResidualMLP(d, n_outputs, **self.options, n_networks=n_networks)]
        else:
            stacks = [Single(self._of_the_user(self.network, d, seed + k)) for k in range(n_networks)]
        if self.parametrization == "score":
            return stacks
        return [Potential(stack, torch.tensor(self.variance, dtype=torch.float32)) for stack in stacks]

    def _of_the_user(self, make, d, seed):
        """The user's network, its first weights from `seed`; torch's global generator is put back."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = make(d)
        if not isinstance(network, torch.nn.Module):
            raise ValueError(f"network={make!r} made {network!r}: it has to make a torch.nn.Module.")
        shapes = [(2, d)] if self.parametrization == "score" else [(2,), (2, 1)]
        with torch.no_grad():
            found = tuple(network.float().eval()(torch.zeros(2, d), torch.zeros(2, 1)).shape)
        if found not in shapes:
            raise ValueError(
                f"network={make!r} maps (y, c_noise) of 2 rows and {d} columns to shape {found}: "
                f"parametrization={self.parametrization!r} needs {shapes[0]}."
            )
        return network

    def initialised(self, n_networks, seed, device="cpu", group=ALONE):
        """Stacks with their first weights on a device, each with the generator that they come from."""
        found = []
        for k, stack in enumerate(self.stacks(n_networks, seed)):
            generator = torch.Generator(device).manual_seed(seed + k)
            inner = _inner(stack)
            if isinstance(inner, ResidualMLP):
                inner.initialise(generator, group)
            found.append((stack.to(device), generator))
        return found


def _inner(stack):
    return stack.network if isinstance(stack, Potential | Masked) else stack


def parameters_as_matrix(stack):
    """Parameters of a stack as one, θ (m, P), a row for each network; they become views of it."""
    parameters = list(stack.parameters())
    theta = torch.cat([p.detach().reshape(stack.n_networks, -1) for p in parameters], dim=1)
    for parameter, values in zip(parameters, _views(stack, theta), strict=True):
        parameter.data = values
    return theta


def _views(stack, theta):
    """θ (m, P) as the parameters of a stack, in their order."""
    parameters = list(stack.parameters())
    columns = theta.split([p.numel() // len(theta) for p in parameters], dim=1)
    return [column.view(p.shape) for column, p in zip(columns, parameters, strict=True)]


def weights_of(stack, theta):
    """Weights of each network of a stack whose parameters are θ (m, P), as dicts of numpy arrays by name."""
    names = [name for name, _ in stack.named_parameters()]
    state = {**stack.state_dict(), **dict(zip(names, _views(stack, theta), strict=True))}
    arrays = {name: value.cpu().numpy() for name, value in state.items()}
    if isinstance(_inner(stack), Single):
        return [{name: array.copy() for name, array in arrays.items()}]
    return [{name: array[k].copy() for name, array in arrays.items()} for k in range(stack.n_networks)]


def load_weights(stacks, weights):
    """Give the networks of `stacks` the `weights` of each; a KeyError or RuntimeError if they are of other networks."""
    weights = iter(weights)
    for stack in stacks:
        own = [next(weights) for _ in range(stack.n_networks)]
        single = isinstance(_inner(stack), Single)
        arrays = own[0] if single else {name: np.stack([each[name] for each in own]) for name in own[0]}
        device = next(stack.parameters()).device
        device = "cpu" if device.type == "meta" else device
        stack.load_state_dict({n: torch.tensor(a, device=device) for n, a in arrays.items()}, assign=True)
