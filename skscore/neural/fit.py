"""From rows to a trained denoiser: networks built, rows dealt out, training run to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch

from ..formulas.schedules import log_normal, log_uniform
from .denoiser import Denoiser
from .devices import threads_for
from .networks import ResidualMLP
from .noise_schedule import NoiseLevels
from .potential import Potential
from .training import Jury, Member, Recipe, Run

__all__ = ["Architecture", "Noise", "Trained", "TrainingJob"]

QUANTILES = 1025  # entries of the table of a continuous law of noise levels
VALIDATION_DRAWS = 8192  # noisy rows of all juries, as long as each row has its least and most repeats
MIN_REPEATS, MAX_REPEATS = 4, 64
N_PROBES, MAX_EXACT = 16, 64  # divergence probes, for tables of more columns than the latter


@dataclass(frozen=True)
class Noise:
    """The noise levels of a training.

    Parameters
    ----------
    sigma_min, sigma_max : float
    levels : ndarray or None
        A ladder; None for all levels between the two.
    distribution : {"lognormal", "loguniform"}
        Of the levels drawn where there is no ladder.
    """

    sigma_min: float
    sigma_max: float
    levels: np.ndarray | None = None
    distribution: str = "lognormal"
    log_mean: float = -1.0
    log_sd: float = 1.5

    def quantiles(self, device):
        """Quantile function of log σ on a device."""
        if self.levels is not None:
            return NoiseLevels.ladder(self.levels, device)
        u, ends = np.linspace(0.0, 1.0, QUANTILES), (self.sigma_min, self.sigma_max)
        if self.distribution == "loguniform":
            return NoiseLevels.continuous(log_uniform(u, *ends), device)
        return NoiseLevels.continuous(log_normal(u, self.log_mean, self.log_sd, *ends), device)


@dataclass(frozen=True, eq=False)
class Architecture:
    """What is trained: calling it makes an untrained network on the CPU.

    Parameters
    ----------
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.
    parametrization : {"score", "energy"}
    network : callable or None
        A class or function that makes a module from the number of columns; None for the residual network.
    options : dict
        Of the residual network.
    """

    variance: np.ndarray
    parametrization: str = "score"
    network: Callable | None = None
    options: dict | None = None

    def __call__(self):
        """An untrained network on the CPU."""
        return self._built(seed=0)

    def _built(self, seed):
        d = len(self.variance)
        n_outputs = d if self.parametrization == "score" else 1
        network = ResidualMLP(d, n_outputs, **self.options) if self.network is None else self._of_the_user(d, seed)
        if self.parametrization == "score":
            return network
        return Potential(network, torch.tensor(self.variance, dtype=torch.float32))

    def _of_the_user(self, d, seed):
        """The user's network, its first weights from `seed`; torch's global generator is put back."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = self.network(d)
        if not isinstance(network, torch.nn.Module):
            raise ValueError(f"network={self.network!r} made {network!r}: it has to make a torch.nn.Module.")
        shapes = [(2, d)] if self.parametrization == "score" else [(2,), (2, 1)]
        with torch.no_grad():
            found = tuple(network.float().eval()(torch.zeros(2, d), torch.zeros(2, 1)).shape)
        if found not in shapes:
            raise ValueError(
                f"network={self.network!r} maps (y, c_noise) of 2 rows and {d} columns to shape {found}: "
                f"parametrization={self.parametrization!r} needs {shapes[0]}."
            )
        return network

    def initialised(self, generator):
        """A network with its first weights, on the device of `generator`."""
        network = self._built(generator.initial_seed())
        inner = network.network if isinstance(network, Potential) else network
        if self.network is None:
            inner.initialise(generator)
        return network.to(generator.device)


class Trained(NamedTuple):
    """What a training leaves behind."""

    denoiser: Denoiser
    run: Run
    folds: list  # indices of the rows held out


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """Some networks for each fold of the rows, which they do not see, trained side by side.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows in the coordinates of the noise.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    architecture : Architecture
    noise : Noise
    recipe : Recipe
    n_networks : int
        Networks for each fold.
    seed : int
    device : str
    """

    Z: np.ndarray
    weight: np.ndarray | None
    architecture: Architecture
    noise: Noise
    recipe: Recipe
    n_networks: int
    seed: int
    device: str

    @torch.inference_mode(False)
    @torch.enable_grad()
    def run(self, folds, checkpoint, watch, start=None) -> Trained:
        """Train until the rows held out, a list of index arrays, see no more gain.

        `checkpoint` is where the training is saved, and taken up from; ``watch(run)`` is called after each judgement,
        and ends the training by returning True; `start` is a Denoiser to begin with, which takes a single step and
        stays as trusted as it is where no row is held out.
        """
        members, juries = self._members(folds, start and start.weights), self._juries(folds)
        run = Run(members, juries, self.recipe if juries else replace(self.recipe, max_steps=1))
        if start is not None:
            run.begin_with(start.shrinkage)
        checkpoint.resume(run)
        with threads_for(_work(run, self.recipe)):
            more = True
            while more:
                more = run.advance()
                more = not watch(run) and more
                if more:
                    checkpoint.save(run)
        checkpoint.remove()
        return Trained(self.denoiser(run, len(folds)), run, folds)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def refitted(self, trained) -> Denoiser:
        """Networks trained on all rows for as long as `trained` found best, and trusted as much."""
        best = trained.run.best
        if best.step == 0:
            return trained.denoiser
        share = 1.0 - len(trained.folds[0]) / len(self.Z)
        recipe = replace(self.recipe, max_steps=max(1, round(best.step / share)))
        nothing = [np.empty(0, dtype=int)] * len(trained.folds)
        again = Run(self._members(nothing, None), [], recipe, best=best._replace(states=None))
        with threads_for(_work(again, recipe)):
            while again.advance():
                pass
        return self.denoiser(again, len(trained.folds))

    def denoiser(self, run, n_folds) -> Denoiser:
        """The networks of `run` at their best so far."""
        d = self.Z.shape[1]
        probes = None if d <= MAX_EXACT else np.random.default_rng(self.seed).choice([-1.0, 1.0], size=(N_PROBES, d))
        return Denoiser(
            self.architecture, run.weights(), self.architecture.variance, run.best.shrinkage, probes, n_folds
        )

    # ---- rows, networks and juries on the device -------------------------------------------------

    @cached_property
    def _tensors(self):
        """Rows, weights, λ and noise levels."""
        tensor = partial(torch.tensor, dtype=torch.float32, device=self.device)
        weight = None if self.weight is None else tensor(self.weight / self.weight.mean())
        return tensor(self.Z), weight, tensor(self.architecture.variance), self.noise.quantiles(self.device)

    def _generator(self, index):
        return torch.Generator(self.device).manual_seed(self.seed + 7919 * index)

    def _members(self, folds, start):
        rows, weight, variance, levels = self._tensors
        members = []
        for k in range(len(folds) * self.n_networks):
            generator = self._generator(k)
            network = self.architecture.initialised(generator)
            if start is not None:
                _load(network, start[k])
            kept = np.setdiff1d(np.arange(len(rows)), folds[k // self.n_networks])
            part = rows[kept], None if weight is None else weight[kept]
            members.append(Member(network, *part, levels, variance, self.recipe, generator))
        return members

    def _juries(self, folds):
        rows, weight, variance, levels = self._tensors
        n_held_out = max(1, sum(map(len, folds)))
        repeats = min(MAX_REPEATS, max(MIN_REPEATS, VALIDATION_DRAWS // n_held_out))
        juries = []
        for k, index in enumerate(folds):
            if len(index) == 0:
                continue
            part = rows[index], None if weight is None else weight[index]
            unseeing = list(range(k * self.n_networks, (k + 1) * self.n_networks))
            juries.append(Jury.drawn(*part, unseeing, levels, variance, repeats, self._generator(-1 - k)))
        return juries


def _load(network, weights):
    """Give a network the weights of an earlier fit."""
    try:
        network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    except RuntimeError as error:
        raise ValueError(
            "the weights of the last fit are those of another network: training goes on from them only with the same "
            f"network, hidden_layer_sizes and parametrization. Fit anew with warm_start=False. ({error})"
        ) from error


def _work(run, recipe):
    """Multiply-adds of one forward pass."""
    return recipe.batch_size * sum(p.numel() for p in run.members[0].parameters)
