r"""From rows to a trained energy, and from the energy to densities: the family behind ``NeuralEnergy``.

With y = f(x) the map of the rows, affine or autoregressive, :math:`p(x) \propto \exp(-E(f(x)))\,|\det J(x)|`. The
objective is measured in y; scores and curvatures are exact, and in the units of x.

A fit is a training, not a solve; what ``ScoreMatchingDensity`` keeps of its rows is the trained energy itself, as
arrays. More rows, by ``partial_fit``, train it further.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..domains import Reals
from ..fitting.solvers import Estimate
from ..formulas.moments import row_blocks
from ..maps.autoregressive import ScaledReals
from ..models.family import Family, Sample
from ..models.objectives import Denoising, Explicit, Implicit, Sliced
from ._torch import torch
from .checkpoint import checkpoint_of
from .devices import threads_for
from .energy_network import build_energy
from .energy_training import Curvature, EnergyTraining, Match, Noisy

__all__ = ["EnergyFamily", "EnergyState"]

LOADED: WeakKeyDictionary = WeakKeyDictionary()  # modules at work, as long as the arrays they were made of live
VALIDATION_DRAWS = 8  # directions, or draws of noise, for each row held out
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class EnergyState:
    """A trained energy: what is kept of the rows, and θ of its family.

    Parameters
    ----------
    family : EnergyFamily
        Goes on with the training.
    weights : dict of ndarray
        Weights of the network, by name.
    value : float
        Objective of the rows held out, of the last steps where there are none.
    train_curve, validation_curve : tuples of float
        Objective at each validation.
    n_iter : int
        Steps taken.
    """

    family: Any
    weights: dict
    value: float = 0.0
    train_curve: tuple = ()
    validation_curve: tuple = ()
    n_iter: int = 0

    def __add__(self, further: tuple) -> EnergyState:
        """Train the energy further on more rows: (X, Y, weight, objective)."""
        trained = self.family.trained(*further, start=self.weights)
        curves = {
            name: getattr(self, name) + getattr(trained, name) for name in ("train_curve", "validation_curve", "n_iter")
        }
        return replace(trained, **curves)


class EnergyFamily(Family):
    """Energies of one architecture after one map of the rows; θ is an EnergyState.

    Parameters
    ----------
    model : NeuralEnergy
    f : Affine or Autoregressive
        The map from x to y; the denoising objective asks for an affine one.
    alpha : float
        Ridge on the weights.
    """

    has_row_gradients = False
    keeps_single_precision = True
    begun = False

    def __init__(self, model, f, alpha):
        self.model, self.f, self.alpha = model, f, alpha
        self.domain = Reals() if f.is_affine else ScaledReals(f)

    # ---- from rows to θ --------------------------------------------------------------------------

    def rebound(self, moments):
        """The family of further rows: it keeps its map, and its rows wait for the weights to begin with."""
        further = copy(self)
        further.begun = True
        return further

    def assemble(self, X, Y, weight, objective):
        """Train on the rows: an EnergyState; or keep further rows, until they are added to one."""
        return (X, Y, weight, objective) if self.begun else self.trained(X, Y, weight, objective)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def trained(self, X, Y, weight, objective, start=None):
        """Train on rows of X, from the weights `start`, or from N(0, I)."""
        model, device = self.model, self.model.device
        energy = self._energy(start, X.shape[1]).to(device)
        generator = torch.Generator(device).manual_seed(model.random_state + 1)
        rows, held_out = self._split(X, Y, weight)
        loss, scorer = (
            matching(objective, self, model.n_projections),
            matching(objective, self, VALIDATION_DRAWS, VALIDATION_DRAWS),
        )
        checkpoint, config = self._checkpoint(X, Y, weight, objective, start), model.training_config(self.alpha)
        watch = partial(_watch, model)
        training = EnergyTraining(energy, loss, scorer, rows, held_out, config, generator, watch, checkpoint)
        run = training.run()
        value = run.best.value if run.validates else run.train_curve[-1]
        weights = {name: tensor.cpu().numpy().copy() for name, tensor in energy.state_dict().items()}
        return EnergyState(self, weights, float(value), tuple(run.train_curve), tuple(run.validation_curve), run.step)

    def _energy(self, weights, d):
        energy = build_energy(self.model, d)
        if weights is not None:
            energy.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        return energy

    def _checkpoint(self, X, *others):
        """Where the training is saved."""
        map_of_former_rows = self.f.forward(X) if self.begun else None
        return checkpoint_of(self.model, self.model.random_state, self.alpha, X, *others, map_of_former_rows)

    def _split(self, X, Y, weight):
        """Rows to train on and rows held out, on the device."""
        known = None if Y is None else self.f.push_score(X, Y)
        table = (self.f.forward(X), known, None if weight is None else weight / weight.mean())

        def part(index):
            arrays = (None if a is None else np.asarray(a[index], dtype=np.float32) for a in table)
            y, known, weights = (None if a is None else torch.tensor(a, device=self.model.device) for a in arrays)
            return Sample(y, known, weights, None)

        trained_on, held_out = self.model.held_out_split(len(X))
        return part(trained_on), part(held_out)

    def solve(self, statistics, objective, alpha):
        """The trained energy."""
        return Estimate(statistics.form)

    def objective_value(self, theta, statistics, objective):
        """Objective of the rows held out, in whitened coordinates."""
        return theta.value

    def attributes(self, theta):
        """Weights by name, and the curves of the training."""
        return {
            "weights": theta.weights,
            "train_curve": np.array(theta.train_curve),
            "validation_curve": np.array(theta.validation_curve),
            "n_iter": theta.n_iter,
        }

    # ---- the density at θ ------------------------------------------------------------------------

    def _loaded(self, theta, y):
        """The trained energy in the precision of coordinates y."""
        loaded = LOADED.setdefault(theta, {})
        if y.dtype not in loaded:
            loaded[y.dtype] = self._energy(theta.weights, y.shape[1]).to(y.dtype).requires_grad_(False)
        return loaded[y.dtype]

    @torch.inference_mode(False)
    @torch.no_grad()
    def in_blocks(self, evaluate, X, V=None):
        """`evaluate(X)` or `evaluate(X, V)` over blocks of rows, as one array."""
        width = sum(map(int, self.model.hidden_layer_sizes)) * (1 + X.shape[1] * (V is not None))
        blocks = row_blocks(len(X), 8 * width, BLOCK_BYTES)
        with threads_for(max(width, 1) * BLOCK_BYTES // 8):
            return np.concatenate([evaluate(*(a[rows] for a in (X, V) if a is not None)) for rows in blocks])

    def energy(self, theta, y):
        """E of coordinates y, shape (n,)."""
        y = torch.from_numpy(y)
        return self._loaded(theta, y)(y).numpy()

    def gradient(self, theta, y):
        """∇E of coordinates y, shape (n, d)."""
        y = torch.from_numpy(y)
        return self._loaded(theta, y).gradient(y).numpy()

    def derivatives(self, theta, y, V):
        """∇E (n, d), and Σ_k v_kᵀ∇²E v_k (n,) along directions V, of shape (K, 1, d) or (K, n, d)."""
        y, V = torch.from_numpy(y), torch.from_numpy(V)
        return (part.numpy() for part in self._loaded(theta, y).derivatives(y, V))

    def log_density(self, theta, X):
        """−E + log |det J| of each row, shape (n,)."""
        return self.in_blocks(lambda x: -self.energy(theta, self.f.forward(x)) + self.f.log_det(x), X)

    def score(self, theta, X):
        """∇ log p of each row, shape (n, d), by the network in the precision of the rows."""
        return self._score(theta, X, X.dtype)

    def proposal_score(self, theta, X):
        """∇ log p of each row, shape (n, d), by the network in the precision of its training."""
        return self._score(theta, X, np.float32)

    def _score(self, theta, X, dtype):
        def score(x):
            y = self.f.forward(x).astype(dtype, copy=False)
            return self.f.pull_score(x, -self.gradient(theta, y))

        return self.in_blocks(score, X)

    def divergence(self, theta, X):
        """Δ log p of each row, shape (n,), exact."""
        return self.traced_curvature(theta, X, np.eye(X.shape[1]))

    def traced_curvature(self, theta, X, A):
        """Σ_j aⱼᵀ∇² log p(x) aⱼ over the rows aⱼ of A, shape (n,)."""
        V = np.broadcast_to(A, (len(X), *A.shape))
        return self.in_blocks(lambda x, v: self.summed_curvature(theta, x, v.swapaxes(0, 1)), X, V)

    def curvature(self, theta, X, V):
        """vᵀ∇² log p(x) v of each row, shape (n,)."""
        V = np.broadcast_to(V, X.shape)
        return self.in_blocks(lambda x, v: self.summed_curvature(theta, x, v[None]), X, V)

    def summed_curvature(self, theta, X, V):
        """Σ_k v_kᵀ∇² log p(x) v_k of each row, shape (n,), along directions V of shape (K, n, d)."""
        gradient, curvature = self.derivatives(theta, self.f.forward(X), self.f.pushforward(X, V))
        return -curvature + self.f.second_order(X, V, -gradient).sum(axis=0)


LOSSES = {
    Implicit: lambda objective, family, n_projections, n_draws: Curvature(),
    Sliced: lambda objective, family, n_projections, n_draws: Curvature(n_projections),
    Explicit: lambda objective, family, n_projections, n_draws: Match(),
    Denoising: lambda objective, family, n_projections, n_draws: Noisy(objective.sigma, family.f.matrix, n_draws),
}


def matching(objective, family, n_projections, n_draws=1):
    """What a batch of `family` costs under an objective; a network has no form in θ to take another one."""
    if type(objective) not in LOSSES:
        raise ValueError(
            f"NeuralEnergy is not trained by {objective!r}: choose the objective from "
            f"{sorted(known.__name__.lower() for known in LOSSES)}, or a model in closed form."
        )
    return LOSSES[type(objective)](objective, family, n_projections, n_draws)


def _watch(model, step, loss, validation_loss):
    """Print nothing of a training, ten lines, or one for each validation; then ask the user whether to end it."""
    every = 1 if model.verbose > 1 else max(20, model.max_iter // 10)
    if model.verbose and step % every == 0:
        print(f"[NeuralEnergy] step {step}: objective {loss:.5g}, of rows held out {validation_loss:.5g}")
    return model.callback is not None and bool(model.callback(step, loss, validation_loss))
