r"""Neural energies: :math:`p(x) \propto \exp(-E(y))`, E a network, y the rows whitened.

Score matching needs no normaliser, so that E may be any smooth function (Hyvärinen, 2005). The objective is measured in
the coordinates :math:`y = (x - o)A + b` in which the first rows have the covariance I: a change of units changes
nothing. If columns set the scale of others, and rows held out agree, y is that of ``maps.autoregressive``: the
objective weighs a row by the square of its slope, and a few rows in a narrow neck would outweigh all others. The
normaliser is found afterwards, by ``models.fitted_density.FittedDensity``.

References
----------
Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, 695-709.
Song, Y., Garg, S., Shi, J., & Ermon, S. (2019). Sliced score matching: a scalable approach to density and score
estimation. UAI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np

from .._compat import Interval, StrOptions
from ..maps.affine import Affine
from ..maps.autoregressive import fit_autoregressive
from ..models.family import Choice, Model
from ..models.objectives import Implicit, Sliced
from .training_config import TrainingConfig

__all__ = ["NeuralEnergy"]

EXACT_UP_TO = 8  # columns; to there both take the same time within its spread: benchmarks/bench_energies.py


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
    weight_decay : float, default=0.3
        Of AdamW, which takes it times √(batch_size / n) for n rows: it matters less the more there are. The estimator's
        ``alpha`` is a ridge in the objective instead.
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
        are evaluated on the CPU in double precision; scores of rows in float32, and those that propose the moves of
        Markov chains, in the single precision of the training.
    random_state : int, numpy.random.Generator or None, default=0
        Of first weights, batches and draws. None takes that of the estimator, and trains differently each time where
        that is None too.
    checkpoint : str or Path, optional
        A file in which the training is saved every ``checkpoint_every`` steps. A fit with the same rows and parameters,
        and a seed that is not None, takes it up where it stopped, and ends as if it had never stopped; the file is
        deleted when all of the fit has ended. Another file that stands there is never touched; a folder holds a file
        for each fit.
    checkpoint_every : int, default=500
        Steps between two saves.
    callback : callable, optional
        Called as ``callback(step, objective, validation)`` every 20 steps, with the mean objective of these steps and
        that of the rows held out (NaN where there are none). Returning True ends the training there.
    verbose : int, default=0
        1 prints ten lines of each training, 2 one for every 20 steps.

    Notes
    -----
    Fitted by ``objective="implicit"`` with the exact Laplacian, at a cost that grows with the number of columns;
    "sliced" with ``n_projections`` directions in place of all; "auto", the cheaper of the two; "explicit", to known
    scores; "denoising", at one ``noise_level``. The estimator then has ``weights_``, ``train_curve_``,
    ``validation_curve_`` and ``n_iter_``; ``objective_`` is the best value on the rows held out, in the
    coordinates of the training. The Gaussian of the rows stays where nothing better was learned.

    The slope of :math:`\log p` says nothing of the weights of modes that no row connects: see
    :doc:`/user_guide/energies`.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.datasets import Banana
    >>> from skscore.neural import NeuralEnergy
    >>> banana, rng = Banana(), np.random.default_rng(0)
    >>> X, X_test = banana.sample(500, rng), banana.sample(1000, rng)
    >>> energy = ScoreMatchingDensity(NeuralEnergy((32, 32), max_iter=400)).fit(X)
    >>> gaussian = ScoreMatchingDensity("gaussian").fit(X)
    >>> bool(energy.score(X_test) > gaussian.score(X_test) + 0.3)  # nats per row
    True
    """

    counts_parameters = False
    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions({"gelu", "silu", "softplus", "tanh"})],
        "network": [callable, None],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0.0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0.0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0.0, 1.0, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": [Interval(Integral, 0, None, closed="left"), np.random.Generator, None],
        "checkpoint": [str, PathLike, None],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
        "callback": [callable, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: str = "silu",
        *,
        network: Callable[..., Any] | None = None,
        n_projections: int = 1,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.3,
        batch_size: int = 256,
        max_iter: int = 4000,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 300,
        device: str = "auto",
        random_state: int | np.random.Generator | None = 0,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int = 500,
        callback: Callable[..., Any] | None = None,
        verbose: int = 0,
    ) -> None:
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
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.callback = callback
        self.verbose = verbose

    def cheapest_objective(self, d):
        """Name of the objective that reaches a given accuracy soonest at d columns."""
        return "implicit" if d <= EXACT_UP_TO else "sliced"

    def choose(self, sample, objective, alpha, criterion):
        """Family in the whitened or scaled coordinates of the first rows; α = 0 for "auto"."""
        from .energy_family import EnergyFamily  # torch is loaded here

        alpha = 0.0 if alpha == "auto" else float(alpha)
        model = self._frozen()
        if type(objective) in (Implicit, Sliced):  # of derivatives alone, which any coordinates carry over
            scaled = fit_autoregressive(sample.X, sample.weight, *model.held_out_split(len(sample.X)))
            if scaled is not None:
                return Choice(EnergyFamily(model, scaled, alpha), alpha)
        return Choice(EnergyFamily(model, Affine.whitening(sample.moments), alpha), alpha)

    def held_out_split(self, n):
        """Indices of the rows to train on, and of those held out, of n rows."""
        order = np.random.default_rng(self.random_state).permutation(n)
        held_out, rest = np.split(order, [min(n - 1, round(self.validation_fraction * n))])
        return rest, held_out

    def _frozen(self):
        """Copy of the model as it is now, its seed and device found."""
        from .devices import resolve_device

        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = int(np.random.default_rng(seed).integers(np.iinfo(np.int32).max))
        parameters = self.get_params(deep=False) | {"random_state": seed, "device": resolve_device(self.device)}
        return NeuralEnergy(**parameters)

    def training_config(self, alpha):
        """How the network is trained under a ridge α."""
        return TrainingConfig(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            check_every=20,
            patience=self.n_iter_no_change,
            clip=10.0,
            ridge=alpha,
        )
