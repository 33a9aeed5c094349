r"""A network that learns the score at all noise levels: its architecture and its training, as parameters alone.

The network F of ``denoiser`` corrects the score of a Gaussian. What "auto" means for a table of n rows and d columns is
written in `SMALL`, `NARROW` and `LARGE` below; torch is loaded when the network is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any

from sklearn.base import BaseEstimator

from .._compat import Interval, StrOptions
from .training_config import TrainingConfig

__all__ = ["ScoreNetwork"]

SMALL_ROWS, FEW_COLUMNS = 600, 3  # up to which a table is small, or narrow
SMALL = {"hidden_layer_sizes": (128,) * 3, "learning_rate": 4e-3, "batch_size": 128, "n_folds": 10}
NARROW = {"hidden_layer_sizes": (128,) * 3, "learning_rate": 4e-3, "batch_size": 512, "max_iter": 4000, "n_folds": 3}
LARGE = {"hidden_layer_sizes": (256,) * 4, "learning_rate": 6e-3, "batch_size": 512, "max_iter": 3000, "n_folds": 1}
FEWEST_STEPS, MOST_STEPS, STEPS_OF_ROWS = 900, 3600, 45  # of small tables; the latter for each row of a column
N_WAVES = 2  # of each column, which help in narrow tables


class ScoreNetwork(BaseEstimator):
    r"""Neural network that learns the score at all noise levels, for :class:`~skscore.DenoisingScoreEstimator`.

    The five parameters to touch; all others may stay as they are:

    - ``max_time``: seconds of the fit;
    - ``n_folds``: 1 trains one network in the place of ten on a small table, and is faster;
    - ``hidden_layer_sizes``: widths of the layers;
    - ``checkpoint``: a file from which a fit goes on after a crash;
    - ``device``: "cpu" if the GPU is for others.

    Parameters
    ----------
    parametrization : {"score", "energy"}, default="score"
        The network is the score, or minus the gradient of an energy: free of curl, several times slower.
    network : callable or None, default=None
        A class of ``torch.nn.Module``, called with the number of columns, whose ``forward(y, c_noise)`` maps (n, d) and
        (n, 1) to (n, d), or to (n,) for an energy. Define it at module level if the estimator is to be pickled. None is
        a residual network.
    hidden_layer_sizes : tuple of int or "auto", default="auto"
        Widths of the residual network; "auto" is (256, 256, 256, 256), and (128, 128, 128) for tables of at most 600
        rows or 3 columns.
    activation : {"gelu", "silu", "softplus", "tanh"}, default="silu"
        Of the residual network.
    dropout : float or "auto", default="auto"
        Of the residual network; "auto" is 0.4 (12 d / n)^0.6 for n rows of d columns, and 0.4 at most.
    learning_rate : float or "auto", default="auto"
        Of AdamW at the start; it falls to zero along a cosine. "auto" is 0.004 for tables of at most 600 rows or 3
        columns, else 0.006.
    weight_decay : float, default=0.01
        Of AdamW.
    batch_size : int or "auto", default="auto"
        Noisy rows of one step, in fours that share a noise level: two rows of the table, each with a noise and with its
        opposite. "auto" is 128 for tables of at most 600 rows, else 512. Each process of a group takes as many.
    max_iter : int or "auto", default="auto"
        Largest number of steps of each network; "auto" is 45 n / d for tables of at most 600 rows, but 900 at least and
        3600 at most; 4000 for those of at most 3 columns, else 3000. Training ends before if the validation stalls.
    max_epochs : int or None, default=None
        Largest number of passes over the rows; it replaces `max_iter`.
    max_time : float or None, default=None
        Largest duration of ``fit`` in seconds, but for its last step. The training ends early enough for what follows
        it: the choices on validation rows, of which fewer serve if they would take more than half of the time, and a
        ``refit``, which is left out if it would not end in time.
    n_folds : int or "auto", default="auto"
        1 holds out a fraction of the rows, which validates all networks; k deals the rows into folds, each of which
        validates networks of its own. "auto" is 10 for tables of at most 600 rows, 3 for those of at most 3 columns,
        else 1.
    n_networks : int or "auto", default="auto"
        Networks for each fold; "auto" is 1. The scores of all networks are averaged.
    validation_fraction : float, default=0.1
        Fraction of the rows held out if `n_folds` is 1.
    refit : bool, default=False
        Train once more on all rows, for as many steps as the validation found best.
    checkpoint : str, path or None, default=None
        File to which the training is saved as it goes; a later ``fit`` on the same rows with the same parameters goes
        on from there. It is removed when all of the fit has ended. A file of another fit is refused and left as it is;
        a folder holds a file for each fit, as a search or folds need it.
    checkpoint_every : int, default=500
        Steps between two saves.
    autocast : bool or "auto", default="auto"
        Train with products of matrices in bfloat16; "auto" does so on a CPU that multiplies it natively.
    torch_compile : bool, default=False
        Train through ``torch.compile``.
    device : str, default="auto"
        "cpu", "cuda", "mps" or the fastest there is. What was fitted on one device is read on any other.

    Notes
    -----
    "auto" with ``warm_start=True`` or in ``partial_fit`` keeps the widths, and always the number of folds and networks,
    of the last fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import DenoisingScoreEstimator
    >>> from skscore.neural import ScoreNetwork
    >>> X = load_iris().data
    >>> network = ScoreNetwork(hidden_layer_sizes=(16, 16), max_iter=100, n_folds=1, device="cpu")
    >>> density = DenoisingScoreEstimator(network, parzen=None, random_state=0).fit(X)
    >>> density.sample(2, random_state=0).shape
    (2, 4)
    """

    _parameter_constraints = {
        "parametrization": [StrOptions({"score", "energy"})],
        "network": [callable, None],
        "hidden_layer_sizes": [StrOptions({"auto"}), "array-like"],
        "activation": [StrOptions({"gelu", "silu", "softplus", "tanh"})],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0.0, 0.95, closed="both")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0.0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0.0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "max_time": [Interval(Real, 0.0, None, closed="neither"), None],
        "n_folds": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "n_networks": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0.0, 1.0, closed="neither")],
        "refit": ["boolean"],
        "checkpoint": [str, PathLike, None],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
        "autocast": ["boolean", StrOptions({"auto"})],
        "torch_compile": ["boolean"],
        "device": [str],
    }

    def __init__(
        self,
        *,
        parametrization: str = "score",
        network: Callable[..., Any] | None = None,
        hidden_layer_sizes: Sequence[int] | str = "auto",
        activation: str = "silu",
        dropout: float | str = "auto",
        learning_rate: float | str = "auto",
        weight_decay: float = 0.01,
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        max_epochs: int | None = None,
        max_time: float | None = None,
        n_folds: int | str = "auto",
        n_networks: int | str = "auto",
        validation_fraction: float = 0.1,
        refit: bool = False,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int = 500,
        autocast: bool | str = "auto",
        torch_compile: bool = False,
        device: str = "auto",
    ) -> None:
        self.parametrization = parametrization
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.n_folds = n_folds
        self.n_networks = n_networks
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.autocast = autocast
        self.torch_compile = torch_compile
        self.device = device

    def for_table(self, n, d, start=None, n_processes=1):
        """The network with a number for every "auto", for a table of n rows and d columns.

        `start` is the Denoiser of an earlier fit whose weights the training begins with, or None. Each of `n_processes`
        takes a batch at every step.
        """
        auto = SMALL if n <= SMALL_ROWS else NARROW if d <= FEW_COLUMNS else LARGE
        max_iter = min(MOST_STEPS, max(FEWEST_STEPS, round(STEPS_OF_ROWS * n / d)))
        auto = {"max_iter": max_iter, **auto, "dropout": min(0.4, 0.4 * (12.0 * d / n) ** 0.6), "n_networks": 1}
        if start is not None:
            auto["hidden_layer_sizes"] = start.build.options["hidden_layer_sizes"]
        values: dict[str, Any] = {
            name: auto.get(name, value) if _is_auto(value) else value
            for name, value in self.get_params(deep=False).items()
        }
        values["hidden_layer_sizes"] = _widths(values["hidden_layer_sizes"])
        values["n_folds"] = min(values["n_folds"], n)
        if self.max_epochs is not None:
            rows_of_step = 2 * -(-values["batch_size"] // 4) * n_processes
            values["max_iter"] = self.max_epochs * -(-n // rows_of_step)
        if start is not None:
            values |= {"n_folds": start.n_folds, "n_networks": len(start.weights) // start.n_folds}
        return ScoreNetwork(**values)

    def layers(self, d):
        """Options of the residual network for d columns."""
        n_waves = N_WAVES if d <= FEW_COLUMNS and self.parametrization == "score" else 0
        options = {"activation": self.activation, "dropout": self.dropout, "n_waves": n_waves}
        return {"hidden_layer_sizes": self.hidden_layer_sizes, **options}

    def training_config(self, n, weighting, device):
        """How the network is trained on n rows on a device, with the weight λ(σ) `weighting` of the noise levels."""
        from .devices import multiplies_bfloat16  # torch is loaded here

        return TrainingConfig(
            learning_rate=float(self.learning_rate),
            weight_decay=self.weight_decay,
            batch_size=int(self.batch_size),
            max_iter=int(self.max_iter),
            check_every=50 if n <= SMALL_ROWS else 100,
            weighting=weighting,
            autocast=multiplies_bfloat16(device) if _is_auto(self.autocast) else bool(self.autocast),
            compile=self.torch_compile,
        )


def _is_auto(value):
    return isinstance(value, str) and value == "auto"


def _widths(sizes):
    """Widths of the layers as a tuple of int."""
    sizes = tuple(sizes)
    if not sizes or not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes={sizes!r}: give the width of each layer, at least one.")
    return tuple(int(size) for size in sizes)
