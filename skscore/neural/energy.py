r"""Neural energies: :math:`p(x) \propto \exp(-E(y))`, E a network, y the rows whitened.

Score matching needs no normaliser, so that E may be any smooth function (Hyvärinen, 2005). The objective is measured in
the coordinates :math:`y = (x - o)A + b` in which the first rows have the covariance I: a change of units changes
nothing. The normaliser is found afterwards, by ``models.law.Law``.

A fit is a training, not a solve; what ``ScoreMatchingDensity`` keeps of its rows is the trained energy itself, as
arrays. More rows, by ``partial_fit``, train it further.

References
----------
Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, 695-709.
Song, Y., Garg, S., Shi, J., & Ermon, S. (2019). Sliced score matching: a scalable approach to density and score
estimation. UAI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from numbers import Integral, Real
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch

from .._compat import Interval, StrOptions
from ..fitting.statistics import row_blocks
from ..models.affine import AffineMap
from ..models.family import Family, Model, Settled
from ..models.forms import Denoising, Explicit, Implicit, Sliced
from .devices import resolve_device, threads_for
from .energy_network import ACTIVATIONS, Energy, Perceptron, UserNetwork
from .energy_training import Curvature, Match, Noisy, Recipe, Rows, Training

__all__ = ["NeuralEnergy"]

LOADED: WeakKeyDictionary = WeakKeyDictionary()  # modules at work, as long as the arrays they were made of live
JUDGING_DIRECTIONS = 8  # directions for each row held out, where the Laplacian is not exact
BLOCK_BYTES = 1 << 22


class NeuralEnergy(Model):
    r"""Density whose logarithm is minus a neural network and a square.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Widths of the layers.
    activation : {"silu", "softplus", "tanh", "gelu"}, default="silu"
        A smooth one: the objective contains second derivatives.
    network : callable, optional
        A class or function of your own that makes a ``torch.nn.Module`` from the number of columns; the module maps
        rows (n, d) to (n,), each by itself. Give it a name at module level where the estimator is to be pickled.
    n_projections : int, default=1
        Directions for each row in ``objective="sliced"``.
    learning_rate : float, default=1e-3
        Of AdamW, before annealing.
    weight_decay : float, default=1e-2
        Of AdamW. The estimator's ``alpha`` is a ridge in the objective instead.
    batch_size : int, default=256
        Rows of a step.
    max_iter : int, default=4000
        Training steps, at most.
    validation_fraction : float, default=0.1
        Share of the rows held out, which decide when to stop; 0 makes all steps.
    n_iter_no_change : int, default=300
        Steps without improvement on rows held out before the learning rate is annealed to zero.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1" or "mps" for the training; "auto" takes an accelerator where there is one. Densities
        are evaluated on the CPU in double precision.
    random_state : int or None, default=0
        Of first weights, batches and draws. None trains differently each time.
    verbose : int, default=0
        1 prints ten lines of each training, 2 one for every 20 steps.

    Notes
    -----
    Fitted by ``objective="implicit"`` with the exact Laplacian, at a cost that grows with the number of columns;
    "sliced" with ``n_projections`` directions in place of all; "explicit", to known scores; "denoising", at one
    ``noise_level``. The estimator then has ``weights_``, ``train_curve_``, ``validation_curve_`` and ``n_iter_``;
    ``objective_`` is the best judgement of the rows held out, in whitened coordinates.

    The slope of :math:`\log p` says nothing of the weights of modes that no row connects: see
    :doc:`/user_guide/energies`.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.datasets import Banana
    >>> from skscore.neural.energy import NeuralEnergy
    >>> law, rng = Banana(), np.random.default_rng(0)
    >>> X, X_test = law.sample(500, rng), law.sample(1000, rng)
    >>> energy = ScoreMatchingDensity(NeuralEnergy((32, 32), max_iter=400)).fit(X)
    >>> gaussian = ScoreMatchingDensity("gaussian").fit(X)
    >>> bool(energy.score(X_test) > gaussian.score(X_test) + 0.3)  # nats per row
    True
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "network": [callable, None],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0.0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0.0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0.0, 1.0, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 128),
        activation="silu",
        *,
        network=None,
        n_projections=1,
        learning_rate=1e-3,
        weight_decay=1e-2,
        batch_size=256,
        max_iter=4000,
        validation_fraction=0.1,
        n_iter_no_change=300,
        device="auto",
        random_state=0,
        verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.network = network
        self.n_projections = n_projections
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def settle(self, sample, objective, alpha, criterion):
        """Family in the whitened coordinates of the first rows; α = 0 for "auto"."""
        alpha = 0.0 if alpha == "auto" else float(alpha)
        return Settled(EnergyFamily(self._frozen(), AffineMap.whitening(sample.moments), alpha), alpha)

    def _frozen(self):
        """Copy of the model as it is now, its seed and device found."""
        seed = np.random.SeedSequence().entropy % 2**31 if self.random_state is None else self.random_state
        parameters = self.get_params(deep=False) | {"random_state": seed, "device": resolve_device(self.device)}
        return NeuralEnergy(**parameters)

    def recipe(self, alpha):
        """How the network is trained under a ridge α."""
        return Recipe(
            self.learning_rate,
            self.weight_decay,
            alpha,
            self.batch_size,
            self.max_iter,
            self.n_iter_no_change,
        )

    def build(self, d):
        """An energy of d columns on the CPU: N(0, I)."""
        generator = torch.Generator().manual_seed(self.random_state)
        if self.network is None:
            sizes = tuple(int(size) for size in self.hidden_layer_sizes)
            return Energy(Perceptron(d, sizes, self.activation).initialise(generator))
        return Energy(UserNetwork(self._network_of_the_user(d)))

    def _network_of_the_user(self, d):
        """The user's network; torch's global generator is put back."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.random_state)
            network = self.network(d)
        if not isinstance(network, torch.nn.Module):
            raise ValueError(f"network={self.network!r} made {network!r}: it has to make a torch.nn.Module.")
        with torch.no_grad():
            found = tuple(network.float()(torch.zeros(2, d)).shape)
        if found not in [(2,), (2, 1)]:
            raise ValueError(f"network={self.network!r} maps 2 rows of {d} columns to shape {found}: it needs (2,).")
        return network


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
        Objective at each judgement.
    n_iter : int
        Steps taken.
    """

    family: Any
    weights: dict
    value: float = 0.0
    train_curve: tuple = ()
    validation_curve: tuple = ()
    n_iter: int = 0

    def __add__(self, further: FurtherRows) -> EnergyState:
        """Train the energy further on more rows."""
        trained = self.family.trained(*further, start=self.weights)
        curves = {
            name: getattr(self, name) + getattr(trained, name) for name in ("train_curve", "validation_curve", "n_iter")
        }
        return replace(trained, **curves)


class FurtherRows(NamedTuple):
    """What a training needs that goes on from an earlier one."""

    X: np.ndarray
    Y: np.ndarray | None
    weight: np.ndarray | None
    objective: Any


class EnergyFamily(Family):
    """Energies of one architecture in whitened coordinates; θ is an EnergyState.

    Parameters
    ----------
    model : NeuralEnergy
    whiten : AffineMap
    alpha : float
        Ridge on the weights.
    """

    has_row_gradients = False

    def __init__(self, model, whiten, alpha):
        self.model, self.whiten, self.alpha = model, whiten, alpha

    # ---- from rows to θ --------------------------------------------------------------------------

    def rebound(self, moments):
        """The family of further rows: it keeps its coordinates, and its rows wait for the weights to begin with."""
        return FurtherFamily(self.model, self.whiten, self.alpha)

    def assemble(self, X, Y, weight, objective):
        """Train on the rows: an EnergyState."""
        return self.trained(X, Y, weight, objective)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def trained(self, X, Y, weight, objective, start=None):
        """Train on rows of X, from the weights `start`, or from N(0, I)."""
        model, device = self.model, self.model.device
        energy = self._energy(start).to(device)
        generator = torch.Generator(device).manual_seed(model.random_state + 1)
        parts = self._split(X, Y, weight)
        loss, judge = (matching(objective, self, k) for k in (model.n_projections, JUDGING_DIRECTIONS))
        watch = Printer(model.max_iter, model.verbose)
        run = Training(energy, loss, judge, *parts, model.recipe(self.alpha), generator, watch).run()
        value = run.best.value if run.has_judge else run.train_curve[-1]
        weights = {name: tensor.cpu().numpy().copy() for name, tensor in energy.state_dict().items()}
        return EnergyState(self, weights, float(value), tuple(run.train_curve), tuple(run.validation_curve), run.step)

    def _energy(self, weights):
        energy = self.model.build(len(self.whiten.shift))
        if weights is not None:
            energy.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        return energy

    def _split(self, X, Y, weight):
        """Rows to train on and rows held out, on the device."""
        n = len(X)
        n_held_out = min(n - 1, round(self.model.validation_fraction * n))
        order = np.random.default_rng(self.model.random_state).permutation(n)
        known = None if Y is None else Y @ self.whiten.inverse.matrix.T
        table = (self.whiten(X), known, None if weight is None else weight / weight.mean())

        def part(index):
            arrays = (None if a is None else np.asarray(a[index], dtype=np.float32) for a in table)
            return Rows(*(None if a is None else torch.tensor(a, device=self.model.device) for a in arrays))

        return part(order[n_held_out:]), part(order[:n_held_out])

    def solve(self, statistics, objective, alpha):
        """The trained energy."""
        return statistics.form

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

    def _loaded(self, theta):
        if theta not in LOADED:
            LOADED[theta] = self._energy(theta.weights).double().requires_grad_(False)
        return LOADED[theta]

    @torch.inference_mode(False)
    @torch.no_grad()
    def _rows(self, evaluate, X, *further):
        """`evaluate(y, ...)` over blocks of rows, as one array."""
        arrays = [torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64)) for a in (self.whiten(X), *further)]
        width = sum(map(int, self.model.hidden_layer_sizes)) * (1 + X.shape[1] * bool(further))
        blocks = list(row_blocks(len(X), 8 * width, BLOCK_BYTES))
        with threads_for(max(width, 1) * BLOCK_BYTES // 8):
            return np.concatenate([evaluate(*(a[rows] for a in arrays)).numpy() for rows in blocks])

    def log_density(self, theta, X):
        """−E of each row, shape (n,)."""
        return -self._rows(self._loaded(theta), X)

    def grad_log_density(self, theta, X):
        """∇ log p of each row, shape (n, d)."""
        return -self._rows(self._loaded(theta).gradient, X) @ self.whiten.matrix.T

    def divergence(self, theta, X):
        """Δ log p of each row, shape (n,), exact."""
        return self.traced_curvature(theta, X, np.eye(X.shape[1]))

    def traced_curvature(self, theta, X, A):
        """Σ_j aⱼᵀ∇² log p(x) aⱼ over the rows aⱼ of A, shape (n,)."""
        V = torch.from_numpy(A @ self.whiten.matrix)[:, None]
        return -self._rows(lambda y, _: self._loaded(theta).derivatives(y, V)[1], X, X)

    def log_density_curvature(self, theta, X, V):
        """vᵀ∇² log p(x) v of each row, shape (n,)."""
        V = np.broadcast_to(V, X.shape) @ self.whiten.matrix
        return -self._rows(lambda y, v: self._loaded(theta).derivatives(y, v[None])[1], X, V)


class FurtherFamily(EnergyFamily):
    """The family of an energy already trained: its rows wait until they are added to those of the first training."""

    def assemble(self, X, Y, weight, objective):
        """Keep the rows, until they are added."""
        return FurtherRows(X, Y, weight, objective)


@singledispatch
def matching(objective, family, n_projections):
    """What a batch of `family` costs under an objective."""
    raise TypeError(f"{objective!r} is no objective of an energy")


@matching.register
def _(objective: Implicit, family, n_projections):
    return Curvature()


@matching.register
def _(objective: Sliced, family, n_projections):
    return Curvature(n_projections)


@matching.register
def _(objective: Explicit, family, n_projections):
    return Match()


@matching.register
def _(objective: Denoising, family, n_projections):
    return Noisy(objective.sigma, family.whiten.matrix)


@dataclass(frozen=True)
class Printer:
    """Prints of a training: nothing, ten lines, or one for each judgement."""

    max_iter: int
    verbose: int

    def __call__(self, step, loss, judgement):
        every = 1 if self.verbose > 1 else max(20, self.max_iter // 10)
        if self.verbose and step % every == 0:
            print(f"[NeuralEnergy] step {step}: objective {loss:.5g}, of rows held out {judgement:.5g}")
