"""The course of a training: what is minimised, on the rows trained on and on rows held out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .canvas import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TrainingDisplay"]

CURVES = (  # attributes of rows trained on and held out, and what they measure
    ("train_loss_curve_", "validation_loss_curve_", "denoising loss less the Gaussian's, nats"),
    ("train_curve_", "validation_curve_", "objective, in coordinates of the training"),
)


class TrainingDisplay:
    """Losses of a network at each validation of its training.

    Parameters
    ----------
    train : array-like of shape (n_validations,)
        Loss of the rows trained on, since the validation before.
    validation : array-like of shape (n_validations,), or empty
        Loss of the rows held out; empty if there are none.
    n_iter : int
        Steps of the training.
    loss : str
        What the curves are, with its unit.

    Attributes
    ----------
    best : int or None
        Which validation is the best, from 1 on; None if no row was held out.
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    lines_ : list of matplotlib Line2D
        Curves of the last plot.
    best_ : matplotlib Line2D or None
        The point of the best validation.

    Examples
    --------
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.datasets import Banana
    >>> from skscore.neural import NeuralEnergy
    >>> from skscore.plotting import TrainingDisplay
    >>> X = Banana().sample(200, random_state=0)
    >>> density = ScoreMatchingDensity(NeuralEnergy((8,), max_iter=60)).fit(X)
    >>> display = TrainingDisplay.from_estimator(density)
    >>> len(display.validation) == len(density.validation_curve_)
    True
    """

    def __init__(self, train: ArrayLike, validation: ArrayLike, n_iter: int, loss: str = "loss") -> None:
        self.train, self.validation = (np.asarray(curve, dtype=np.float64) for curve in (train, validation))
        self.n_iter, self.loss = int(n_iter), loss
        self.best = int(self.validation.argmin()) + 1 if len(self.validation) else None

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None, **plot_options: Any) -> Self:
        """Take the curves of a fitted estimator and plot them.

        Parameters
        ----------
        estimator : DenoisingScoreEstimator, DenoisingScoreEstimatorCV or ScoreMatchingDensity
            Fitted, with a network.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ValueError
            If the estimator kept no curves.
        """
        for train, validation, loss in CURVES:
            if len(curve := getattr(estimator, train, ())):
                held_out = getattr(estimator, validation)
                return cls(curve, held_out, estimator.n_iter_, loss).plot(ax=ax, **plot_options)
        raise ValueError(
            f"estimator={estimator!r} has no curves of a training: fit a DenoisingScoreEstimator with a network, or a "
            "ScoreMatchingDensity with a neural energy."
        )

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw both curves, and mark the best validation, whose weights a training keeps.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **kwargs : dict
            Passed to ``ax.plot`` for the curves.

        Returns
        -------
        TrainingDisplay
        """
        ax = new_axes() if ax is None else ax
        self.lines_: list[Any] = []
        for name, curve, colour in [("trained on", self.train, "0.6"), ("held out", self.validation, "tab:blue")]:
            options = {"color": colour, "label": name} | kwargs
            self.lines_ += ax.plot(np.arange(1, len(curve) + 1), curve, **options) if len(curve) else []
        self.best_ = None
        if self.best is not None:
            at = [self.best], [self.validation[self.best - 1]]
            (self.best_,) = ax.plot(*at, "o", color="tab:red", label=f"best: validation {self.best}")
        ax.set(xlabel=f"validation, {len(self.train)} in {self.n_iter} steps", ylabel=self.loss)
        ax.locator_params(axis="x", integer=True)
        ax.legend(loc="upper right", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
