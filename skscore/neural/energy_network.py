r"""A scalar network as an energy, with the two derivatives that score matching asks for.

.. math:: E(y) = f(y) + \tfrac\kappa2\|y\|^2, \qquad \kappa = \log(1 + e^c) > 0 .

f is a network that grows at most linearly in y, as a perceptron does whose activations do: the square outgrows it, so
exp(−E) has a finite integral whatever the weights. At first f = 0 and κ = 1: the standard normal density.

The perceptron :math:`h_l = a(z_l),\ z_l = W_l h_{l-1} + b_l,\ f = w^\top h_L` has its derivatives by hand. With
:math:`g_l = \partial f/\partial h_l` from one backward pass and :math:`\dot z_l = \partial z_l/\partial y\,v` from one
forward pass along v,

.. math:: \nabla f = W_1^\top(a'(z_1) \odot g_1), \qquad
          v^\top\nabla^2 f\,v = \sum_l g_l^\top\bigl(a''(z_l) \odot \dot z_l^2\bigr),

so the exact Laplacian costs d forward passes through the hidden layers, and no graph of second derivatives. A network
of the user's is differentiated forward over reverse by torch.func.
"""

from __future__ import annotations

import math
from itertools import islice, pairwise

from ._torch import nn, torch
from .layers import ACTIVATIONS, allocate, product

__all__ = ["Energy", "Perceptron", "UserNetwork", "build_energy"]


class Perceptron(nn.Module):
    """Fully connected network from rows to one value each, zero at first.

    Parameters
    ----------
    n_features : int
    hidden_layer_sizes : tuple of int
    activation : {"gelu", "silu", "softplus", "tanh"}
    """

    def __init__(self, n_features, hidden_layer_sizes=(128, 128), activation="silu"):
        super().__init__()
        widths = [n_features, *hidden_layer_sizes]
        with torch.device("meta"):  # memory and values come with `initialise`
            self.layers = nn.ModuleList(nn.Linear(a, b, dtype=torch.float32) for a, b in pairwise(widths))
            self.out = nn.Linear(widths[-1], 1, bias=False, dtype=torch.float32)  # the normaliser owns the constant
        self.activation = ACTIVATIONS[activation]

    def initialise(self, generator):
        """Weights of variance 1 / fan-in, a zero head."""
        allocate(self, generator.device)
        with torch.no_grad():
            for layer in self.layers:
                weight, bias = layer.parameters()
                weight.normal_(0.0, weight.shape[1] ** -0.5, generator=generator)
                bias.uniform_(-1.0, 1.0, generator=generator)
            self.out.weight.zero_()
        return self

    def _curves(self, y, order):
        """The first `order` derivatives of the activations at all z_l, a list for each order."""
        curves, h = [], y
        for layer in self.layers:
            h, *curve = islice(self.activation(product(h, layer.weight.T).add_(layer.bias)), 1 + order)
            curves.append(curve)
        return zip(*curves, strict=True)

    def _backward(self, slopes):
        """∇f, and ∂f/∂h_l of all layers."""
        g, gradients = self.out.weight.expand(len(slopes[0]), -1), []
        for layer, slope in zip(reversed(self.layers), reversed(slopes), strict=True):
            gradients.append(g)
            g = product(slope * g, layer.weight)
        return g, gradients[::-1]

    def forward(self, y):
        """f of rows y (n, d), shape (n,)."""
        h = y
        for layer in self.layers:
            h = next(self.activation(layer(h)))
        return self.out(h)[:, 0]

    def gradient(self, y):
        """∇f of rows y, shape (n, d)."""
        (slopes,) = self._curves(y, order=1)
        return self._backward(slopes)[0]

    def derivatives(self, y, directions):
        """∇f (n, d) and Σ_k v_kᵀ∇²f v_k (n,) along directions (K, 1, d), or of each row's own (K, n, d)."""
        slopes, bends = self._curves(y, order=2)
        gradient, gradients = self._backward(slopes)
        curvature, dh = 0.0, directions
        for layer, slope, bend, g in zip(self.layers, slopes, bends, gradients, strict=True):
            dz = product(dh.flatten(0, 1), layer.weight.T).unflatten(0, dh.shape[:2])
            curvature = curvature + (g * bend * dz.square().sum(dim=0)).sum(dim=1)
            dh = slope * dz if layer is not self.layers[-1] else None
        return gradient, curvature


class UserNetwork(nn.Module):
    """A network of the user's, times a gain that is zero at first.

    Parameters
    ----------
    network : torch.nn.Module
        Maps rows (n, d) to (n,) or (n, 1), each row by itself.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.gain = nn.Parameter(torch.zeros((), dtype=torch.float32))

    def forward(self, y):
        """f of rows y (n, d), shape (n,)."""
        return self.gain * self.network(y).reshape(len(y))

    def _slope(self, y):
        return torch.func.grad(lambda rows: self(rows).sum())(y)

    def gradient(self, y):
        """∇f of rows y, shape (n, d)."""
        return self._slope(y)

    def derivatives(self, y, directions):
        """∇f (n, d) and Σ_k v_kᵀ∇²f v_k (n,) along directions (K, 1, d), or of each row's own (K, n, d)."""

        def bent(v):
            return (torch.func.jvp(self._slope, (y,), (v,))[1] * v).sum(dim=1)

        return self._slope(y), torch.func.vmap(bent)(directions.expand(-1, *y.shape)).sum(dim=0)


class Energy(nn.Module):
    """E(y) = f(y) + κ‖y‖²/2.

    Parameters
    ----------
    network : Perceptron or UserNetwork
        f.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.c = nn.Parameter(torch.tensor(math.log(math.e - 1.0), dtype=torch.float32))  # κ = 1

    @property
    def kappa(self):
        """κ."""
        return nn.functional.softplus(self.c)

    def forward(self, y):
        """E of rows y (n, d), shape (n,)."""
        return self.network(y) + 0.5 * self.kappa * y.square().sum(dim=1)

    def gradient(self, y):
        """∇E of rows y, shape (n, d)."""
        return self.network.gradient(y) + self.kappa * y

    def derivatives(self, y, directions):
        """∇E (n, d) and Σ_k v_kᵀ∇²E v_k (n,) along directions (K, 1, d), or of each row's own (K, n, d)."""
        gradient, curvature = self.network.derivatives(y, directions)
        return gradient + self.kappa * y, curvature + self.kappa * directions.square().sum(dim=(0, 2))


def build_energy(model, d):
    """The energy of a NeuralEnergy with its seed, for d columns, on the CPU: N(0, I)."""
    generator = torch.Generator().manual_seed(model.random_state)
    if model.network is None:
        sizes = tuple(int(size) for size in model.hidden_layer_sizes)
        return Energy(Perceptron(d, sizes, model.activation).initialise(generator))
    return Energy(UserNetwork(_network_of_the_user(model, d)))


def _network_of_the_user(model, d):
    """The user's network; torch's global generator is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(model.random_state)
        network = model.network(d)
    if not isinstance(network, torch.nn.Module):
        raise ValueError(f"network={model.network!r} made {network!r}: it has to make a torch.nn.Module.")
    with torch.no_grad():
        found = tuple(network.float()(torch.zeros(2, d)).shape)
    if found not in [(2,), (2, 1)]:
        raise ValueError(f"network={model.network!r} maps 2 rows of {d} columns to shape {found}: it needs (2,).")
    return network
