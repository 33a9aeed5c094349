r"""Denoising score matching behind scikit-learn's door.

Rows x carry Gaussian noise, :math:`\tilde x = x + \sigma z`, and a noise-conditional score :math:`s(\tilde x, \sigma)`
is fitted to :math:`-z/\sigma` (Vincent, 2011, eq. 9), at one noise level or at many (Song & Ermon, 2019). From the
largest level, where rows are all but Gaussian, the probability flow leads down to the density of the table.
"""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from .._compat import (
    CallbackSupportMixin,
    FitCallbacks,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    validate_data,
    validate_parameters,
)
from ..formulas.moments import moments
from ..formulas.schedules import WEIGHTINGS
from ..levels.flow_density import SAMPLERS
from ..levels.parzen import NARROWEST
from ..maps.affine import PRECONDITIONINGS
from ..models.catalog import MODELS, resolve_model
from ..models.family import Model
from .checks import rows_of_weight, seed_of, warn_of, warn_user
from .denoising_routes import Rows, coordinates, fit_closed_form, fit_network, may_scale, so_far
from .noise_density import NoiseDensity
from .preprocessing import read_preprocessing

__all__ = ["DenoisingScoreEstimator"]

DOUBTFUL_DIFFERENCE = 0.05  # nats
DOUBTFUL_REPETITION = 0.1  # of the density in the narrowest windows
SPREAD_SEED = 0  # where in its cell a value falls is the same in every fit


class DenoisingScoreEstimator(CallbackSupportMixin, NoiseDensity):
    r"""Density estimator fitted by denoising score matching over one or many noise levels.

    Parameters
    ----------
    model : "network", str or model object, default="network"
        A neural network on torch, or in closed form an exponential family of :mod:`skscore.models` by its name or as an
        object.
    sigma_min : float, default=0.01
        Smallest noise level, in units of the standardised columns (of the whitened directions with
        ``preconditioning="whiten"``). The density is that of rows with this much noise.
    sigma_max : float or "auto", default="auto"
        Largest noise level; "auto" is 20 standard deviations of the widest direction.
    n_levels : int or None, default=None
        Train at this many levels in geometric progression; None trains at all levels in between.
    noise_levels : array-like of shape (n_levels,) or None, default=None
        Train at these levels; they stand for `sigma_min`, `sigma_max` and `n_levels`.
    noise_distribution : {"lognormal", "loguniform"}, default="lognormal"
        How levels are drawn where there is no ladder.
    weighting : {"edm", "sigma2"} or callable, default="edm"
        λ(σ): unit weight for every level and direction of the preconditioned network (Karras et al., 2022), σ² on the
        score (Song & Ermon, 2019), or a function that maps σ to the weight of :math:`\|s + z/\sigma\|^2`.
    preconditioning : {"auto", "per_direction", "whiten", "standardize"}, default="auto"
        Coordinates in which noise is isotropic: the standardised columns, rotated into the eigenvectors of their shrunk
        correlations; these, scaled to unit variance; the standardised columns as they are. A network with output zero
        is the Gaussian of these coordinates. "auto" is the first for networks, and where some columns set the scale of
        others (`scale_slopes_`) each row has scales of its own.
    dequantize : {"auto"} or bool, default="auto"
        Spread columns in which values recur (more than 5 % ties) over cells; ``sample`` rounds them back.
    bounds : tuple (lower, upper) or None, default=None
        Limits of the columns, each a number or an array of shape (n_features,). Draws outside are drawn again, and the
        density outside is zero.
    tail : {"auto"} or None, default="auto"
        Mix in a Student density of small weight, both chosen on validation rows, so that a single far row cannot cost
        hundreds of nats. ``grad_log_density`` then costs as much as ``score_samples``.
    parzen : {"auto"} or None, default="auto"
        Mix a kernel density estimate of many widths into the density of networks, as far as validation rows ask for
        it: rows that nearly repeat others are beyond any smooth model. The estimator then keeps the rows, and some
        draws lie close to one of them; None forbids it. ``parzen_weight_`` says how many.
    parametrization : {"score", "energy"}, default="score"
        The network is the score, or minus the gradient of an energy: free of curl, several times slower.
    network : callable or None, default=None
        A class of ``torch.nn.Module``, called with the number of columns, whose ``forward(y, c_noise)`` maps (n, d) and
        (n, 1) to (n, d), or to (n,) for an energy. Give it a name at module level where the estimator is to be pickled.
    hidden_layer_sizes : tuple of int or "auto", default="auto"
        Widths of the residual network; "auto" is (256, 256, 256), and half as wide for tables of at most 500 rows or 3
        columns.
    activation : {"gelu", "silu", "softplus", "tanh"}, default="silu"
        Of the residual network.
    dropout : float or "auto", default="auto"
        Of the residual network; "auto" falls from 0.2 to 0 with the number of rows.
    learning_rate : float or "auto", default="auto"
        Of AdamW, constant until the validation loss stalls, then falling to zero.
    weight_decay : float, default=0.01
        Of AdamW.
    batch_size : int or "auto", default="auto"
        Rows of one step.
    max_iter : int or "auto", default="auto"
        Most steps of each network.
    max_epochs : int or None, default=None
        Most passes over the rows, in place of `max_iter`.
    max_time : float or None, default=None
        Most seconds of training.
    n_folds : int or "auto", default="auto"
        1 holds out a fraction of the rows, which judges all networks; k deals the rows into folds, each of which judges
        networks of its own. "auto" is 10 for tables of at most 500 rows, and 3 for those of at most 3 columns.
    n_networks : int or "auto", default="auto"
        Networks for each fold. The scores of all networks are averaged.
    validation_fraction : float, default=0.1
        Rows held out for early stopping, with one network.
    refit : bool, default=False
        Train once more on all rows, for as long as the validation found best.
    warm_start : bool, default=False
        Begin with the weights and coordinates of the last fit.
    checkpoint : str, path or None, default=None
        File to which the training is saved as it goes; a later ``fit`` on the same rows with the same parameters goes
        on from there. It is removed when the training has ended.
    checkpoint_every : int, default=500
        Steps between two saves.
    autocast : bool, default=False
        Train in bfloat16 where torch deems it safe.
    torch_compile : bool, default=False
        Train through ``torch.compile``.
    device : str, default="auto"
        "cpu", "cuda", "mps" or the fastest there is. What was fitted on one device is read on any other.
    alpha : float, "auto" or "cv", default="auto"
        Ridge of a closed-form model at every level, as in :class:`ScoreMatchingDensity`.
    criterion : {"log_likelihood", "elbo", "hyvarinen"}, default="log_likelihood"
        What ``score`` returns: the mean log-density; its lower bound by denoising errors, much cheaper; or minus the
        mean Hyvärinen score.
    sampler : {"flow", "flow_multistep", "annealed_langevin", "reverse_sde", "predictor_corrector"}, default="flow"
        Of ``sample``: the probability flow by Heun's method, or by that of Adams and Bashforth at half the cost;
        Langevin steps down the levels; the reverse diffusion; the latter with Langevin steps at each level.
    n_sampling_levels : int or None, default=None
        Noise levels of the sampler; None is its own number.
    n_likelihood_steps : int, default=32
        Steps of the flow behind a log-density, doubled at most twice where halving them still changes it.
    random_state : int, RandomState instance or None, default=None
        Seeds the training and the stream of ``sample``. With None a training that has a `checkpoint` is seeded with 0.
    verbose : int, default=0
        k prints every k-th judgement on the validation rows.

    Attributes
    ----------
    train_loss_curve_, validation_loss_curve_ : list of float
        Denoising losses in nats, less that of the linear denoiser of a Gaussian: 0 is the Gaussian, negative is better.
        Held-out outputs are shrunk as far as is best for them, and without folds the Gaussian may explain a few far
        rows. The curves measure training, and cannot choose a noise level.
    n_iter_, best_iter_ : int
        Steps of training, and the step whose weights were kept; 0 is the Gaussian.
    likelihood_report_ : LikelihoodReport
        Errors of the log-density on validation rows: step halving, probes, median and worst row, gain over the
        Gaussian.
    tail_weight_, tail_df_ : float
        Weight ε and degrees of freedom ν of the Student tail.
    parzen_weight_ : float
        Weight of the kernel density estimate; 0 where there is none.
    parzen_widths_ : dict
        Share of each of its widths, in units of `sigma_min`.
    score_level_ : float
        Noise level from which ``grad_log_density`` reads the score of a network: that of least Hyvärinen score on
        validation rows. Closed-form models are read at `sigma_min`.
    scale_slopes_ : ndarray of shape (n_features, n_features)
        Entry (i, j) is the slope along column i of the logarithm of the scale of column j; zeros where rows held out
        have no need of scales of their own.
    noise_levels_ : ndarray of shape (n_levels,)
        Ladder of the training, decreasing; its two ends where levels are continuous.
    inside_mass_ : float
        Share of the unbounded density that lies within `bounds`; computed when first asked for.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has string column names.

    References
    ----------
    Vincent, P. (2011). A connection between score matching and denoising autoencoders. Neural Computation 23,
    1661-1674. Song, Y., & Ermon, S. (2019). Generative modeling by estimating gradients of the data distribution.
    NeurIPS. Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based
    generative models. NeurIPS.

    Examples
    --------
    In closed form, without torch:

    >>> from sklearn.datasets import load_iris
    >>> from skscore import DenoisingScoreEstimator
    >>> X = load_iris().data
    >>> density = DenoisingScoreEstimator("gaussian", dequantize=False, tail=None).fit(X)
    >>> round(density.score(X), 2)
    -2.53
    >>> density.sample(2, random_state=0).shape
    (2, 4)
    """

    _parameter_constraints = {
        "model": [StrOptions({"network", *MODELS}), Model],
        "sigma_min": [Interval(Real, 1e-6, 1e3, closed="both")],
        "sigma_max": [StrOptions({"auto"}), Interval(Real, 1e-6, 1e6, closed="both")],
        "n_levels": [Interval(Integral, 1, None, closed="left"), None],
        "noise_levels": ["array-like", None],
        "noise_distribution": [StrOptions({"lognormal", "loguniform"})],
        "weighting": [StrOptions(set(WEIGHTINGS)), callable],
        "preconditioning": [StrOptions({"auto", *PRECONDITIONINGS})],
        "dequantize": [StrOptions({"auto"}), "boolean"],
        "bounds": [tuple, list, None],
        "tail": [StrOptions({"auto"}), None],
        "parzen": [StrOptions({"auto"}), None],
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
        "warm_start": ["boolean"],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
        "autocast": ["boolean"],
        "torch_compile": ["boolean"],
        "device": [str],
        "alpha": [Interval(Real, 0.0, None, closed="left"), StrOptions({"auto", "cv"})],
        "criterion": [StrOptions({"log_likelihood", "elbo", "hyvarinen"})],
        "sampler": [StrOptions(set(SAMPLERS))],
        "n_sampling_levels": [Interval(Integral, 2, None, closed="left"), None],
        "n_likelihood_steps": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model="network",
        *,
        sigma_min=0.01,
        sigma_max="auto",
        n_levels=None,
        noise_levels=None,
        noise_distribution="lognormal",
        weighting="edm",
        preconditioning="auto",
        dequantize="auto",
        bounds=None,
        tail="auto",
        parzen="auto",
        parametrization="score",
        network=None,
        hidden_layer_sizes="auto",
        activation="silu",
        dropout="auto",
        learning_rate="auto",
        weight_decay=0.01,
        batch_size="auto",
        max_iter="auto",
        max_epochs=None,
        max_time=None,
        n_folds="auto",
        n_networks="auto",
        validation_fraction=0.1,
        refit=False,
        warm_start=False,
        checkpoint=None,
        checkpoint_every=500,
        autocast=False,
        torch_compile=False,
        device="auto",
        alpha="auto",
        criterion="log_likelihood",
        sampler="flow",
        n_sampling_levels=None,
        n_likelihood_steps=32,
        random_state=None,
        verbose=0,
    ):
        parameters = dict(locals())
        del parameters["self"]
        vars(self).update(parameters)

    # ---- fit -------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the density to the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights of the rows in the loss.

        Returns
        -------
        self
        """
        return self._fit_rows(X, sample_weight, former=self.warm_start and "table_" in vars(self))

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Go on with further rows: more steps of the networks; closed-form models merge the statistics of all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The first call needs two rows and settles the coordinates.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.

        Returns
        -------
        self
        """
        return self._fit_rows(X, sample_weight, former="table_" in vars(self), merge=True)

    def _fit_rows(self, X, sample_weight, former, merge=False):
        model = None if self.model == "network" else resolve_model(self.model)
        validate_parameters(model)
        X = validate_data(self, X, reset=not former, dtype=np.float64, ensure_min_samples=1 if former else 2)
        weight, X = rows_of_weight(check_sample_weight(sample_weight, X), X)
        seed = seed_of(self.random_state) if self.random_state is not None or self.checkpoint is None else 0
        self._stream = np.random.default_rng(seed)
        seed = int(self._stream.integers(2**31)) if seed is None else seed
        fresh = None if former else read_preprocessing(X, weight, coordinates(self), self.dequantize, self.bounds)
        table = fresh or self.table_
        spread = table.dequantized(X, np.random.default_rng(SPREAD_SEED))
        table = table.with_scales(spread, weight, coordinates(self)) if not former and may_scale(self) else table
        seen = moments(spread, weight)
        seen = seen + self._seen if former and merge else seen
        if former and merge and self.statistics_ is not None and self.statistics_.moments_suffice:
            table = table.standardizing(seen)  # what all rows at once would have given
        Z = table.map.forward(spread)
        rows = Rows(Z, weight, table.variance, table.mapped_moments(seen, Z, weight))
        if model is None:
            fitted = self._train(X, rows, table, seed, self._source if former else None)
        else:
            fitted = fit_closed_form(self, rows, seed, self.statistics_ if former and merge else None)
        vars(self).pop("inside_mass_", None)
        vars(self).update(fitted.attributes(), table_=table, scale_slopes_=table.scale_slopes, _seen=seen)
        warn_of(fitted.remarks)
        self._warn_if_doubtful()
        return self

    def _train(self, X, rows, table, seed, former):
        """Train networks, with a round of the callbacks and a line of print for each judgement."""
        callbacks = FitCallbacks(self, X, None)

        def watch(run, source):
            if self.verbose and len(run.validation_curve) % self.verbose == 0:
                print(f"[DenoisingScoreEstimator] step {run.step}: {run.validation_curve[-1]:.3f} nats to the Gaussian")
            return callbacks.round(lambda: {"table_": table, **so_far(self, source(), rows, seed).attributes()})

        fitted = fit_network(self, rows, seed, watch, former)
        callbacks.end()
        return fitted

    def _warn_if_doubtful(self):
        report = self.likelihood_report_
        if report is not None and not report.halving_difference <= DOUBTFUL_DIFFERENCE:
            warn_user(
                f"log-densities are doubtful: halving the {report.n_steps} steps of the flow changes a row by "
                f"{report.halving_difference:.2g} nats in the mean. Raise n_likelihood_steps or sigma_min."
            )
        repeated = self.parzen_weight_ * self.parzen_widths_.get(NARROWEST, 0.0)
        if repeated > DOUBTFUL_REPETITION:
            warn_user(
                f"{repeated:.0%} of the density lies in windows of width {NARROWEST} over the rows, the least there "
                "is: rows repeat others all but exactly, and log-densities depend on it. Drop repetitions, or set "
                "parzen=None."
            )
