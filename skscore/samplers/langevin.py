"""Samplers that follow the score s = ∇ log p: Langevin and Hamiltonian.

The stationary distribution of the Langevin diffusion dx = ½ s(x) dt + dw is p. One Euler step of length ε is

    x ← x + (ε/2) s(x) + √ε z,    z ~ N(0, I)

`ULA` uses it as it is, `MALA` corrects it by a Metropolis step (Roberts & Tweedie 1996). `HMC` (Duane et al. 1987; Neal
2011) draws a momentum p ~ N(0, I) and follows Hamilton's equations dx = p dt, dp = s(x) dt by the leapfrog

    p ← p + (h/2) s(x);    x ← x + h p;    p ← p + (h/2) s(x)

`step_size` is the variance ε of the noise, in squared units of x, for ULA and MALA; it is the length h, in units of x,
for HMC. MALA is HMC with one leapfrog step of length h = √ε.

References
----------
Roberts, G. O., & Tweedie, R. L. (1996). Exponential convergence of Langevin distributions and their discrete
approximations. Bernoulli, 2(4), 341-363.
Roberts, G. O., & Rosenthal, J. S. (1998). Optimal scaling of discrete approximations to Langevin diffusions. Journal of
the Royal Statistical Society B, 60(1), 255-268.
Duane, S., Kennedy, A. D., Pendleton, B. J., & Roweth, D. (1987). Hybrid Monte Carlo. Physics Letters B, 195(2),
216-222.
Neal, R. M. (2011). MCMC using Hamiltonian dynamics. Handbook of Markov Chain Monte Carlo, chapter 5.
Betancourt, M., Byrne, S., & Girolami, M. (2014). Optimizing the integrator step size for Hamiltonian Monte Carlo.
arXiv:1411.6669.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .contract import Info, MarkovKernel, State, Target
from .metropolis import evaluate, joint_log_density, metropolis, score

# A fixed trajectory length can equal a period of the motion and return where it began (Neal 2011, §5.4.2.2).
JITTER = 0.2


def langevin_step(
    x: np.ndarray, score: np.ndarray, step_size: float | np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Take the Euler step x + (ε/2) s + √ε z of the Langevin diffusion, in the precision of x.

    Rounding in single precision is negligible compared with the noise of the step.

    Parameters
    ----------
    x, score : ndarray of shape (n, d)
        Rows and their scores.
    step_size : float or ndarray of shape (n, 1)
        ε, in squared units of x.
    rng : numpy.random.Generator
        Source of z.

    Returns
    -------
    ndarray of shape (n, d)
    """
    dtype = np.result_type(x, np.float32)  # that of x, unless x are integers
    z = rng.standard_normal(x.shape, dtype)
    return (x + step_size / 2 * score + np.sqrt(step_size) * z).astype(dtype, copy=False)


@dataclass(frozen=True)
class ULA(MarkovKernel):
    """Unadjusted Langevin algorithm: no rejection, a bias of order `step_size`.

    On N(0, 1) the stationary variance is 1 / (1 − ε/4). The chain diverges if ε is larger than 4 divided by the largest
    curvature of −log p.

    Parameters
    ----------
    step_size : float or ndarray of shape (n, 1)
        ε, the variance of the noise of one step, in squared units of x.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import ULA, Target
    >>> rng = np.random.default_rng(0)
    >>> sampler, normal = ULA(step_size=1.0), Target(None, lambda x: -x)
    >>> state = sampler.init(np.zeros((100_000, 1)), normal)
    >>> for _ in range(20):
    ...     state, info = sampler.step(state, normal, rng)
    >>> f"{state.position.var():.1f}"
    '1.3'
    """

    step_size: float | np.ndarray
    keeps_single_precision: ClassVar[bool] = True

    @property
    def bias(self) -> float | np.ndarray:
        """Of the order of the step."""
        return self.step_size

    @classmethod
    def example(cls):
        """A step at which the bias is seen, and small."""
        return cls(0.02)

    def init(self, position: np.ndarray, target: Target) -> State:
        """Return the state of chains that start at `position`, shape (n, d)."""
        return State(position, None, target.score(position))

    def step(self, state: State, target: Target, rng: np.random.Generator) -> tuple[State, Info]:
        """Move every chain by one Euler step."""
        x = langevin_step(state.position, state.score, self.step_size, rng)
        return self.init(x, target), Info.certain(len(x))


@dataclass(frozen=True)
class MALA(MarkovKernel):
    """Metropolis-adjusted Langevin algorithm: the Euler step is a proposal, so that p is exactly invariant.

    The noise z′ that leads back from the proposal x′ satisfies x = x′ + (ε/2) s(x′) + √ε z′, and

        log_ratio = [log p(x′) − ½‖z′‖²] − [log p(x) − ½‖z‖²]

    Parameters
    ----------
    step_size : float or ndarray of shape (n, 1)
        ε, the variance of the noise of one step, in squared units of x. `target_acceptance` is the optimal acceptance
        of Roberts & Rosenthal (1998).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import MALA, Target
    >>> rng = np.random.default_rng(0)
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> sampler = MALA(step_size=1.0)
    >>> state = sampler.init(np.zeros((100_000, 1)), normal)
    >>> for _ in range(20):
    ...     state, info = sampler.step(state, normal, rng)
    >>> f"{state.position.var():.1f}"
    '1.0'
    """

    step_size: float | np.ndarray
    target_acceptance: ClassVar[float] = 0.574

    @classmethod
    def example(cls):
        """A step of about the target acceptance."""
        return cls(1.0)

    def init(self, position: np.ndarray, target: Target) -> State:
        """Return the state of chains that start at `position`, shape (n, d)."""
        return evaluate(target, position)

    @np.errstate(all="ignore")  # a proposal that overflows is rejected; no warning is needed
    def step(self, state: State, target: Target, rng: np.random.Generator) -> tuple[State, Info]:
        """Propose one Euler step to every chain and accept or reject it."""
        eps, x = self.step_size, state.position
        z = rng.standard_normal(x.shape)
        proposal = evaluate(target, x + eps / 2 * state.score + np.sqrt(eps) * z)
        z_back = (x - proposal.position - eps / 2 * proposal.score) / np.sqrt(eps)
        log_ratio = joint_log_density(proposal, z_back) - joint_log_density(state, z)
        return metropolis(state, proposal, log_ratio, rng)


@dataclass(frozen=True)
class HMC(MarkovKernel):
    """Hamiltonian Monte Carlo: leapfrog trajectories are proposals, so that p is exactly invariant.

    Parameters
    ----------
    step_size : float or ndarray of shape (n, 1)
        h, the length of one leapfrog step, in units of x. Each trajectory multiplies it by a draw from U(0.8, 1.2).
        `target_acceptance` follows Betancourt, Byrne & Girolami (2014).
    n_leapfrog : int, default=10
        Leapfrog steps per draw; each needs one score.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.samplers import HMC, Target
    >>> rng = np.random.default_rng(0)
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> sampler = HMC(step_size=0.3, n_leapfrog=5)
    >>> state = sampler.init(np.zeros((100_000, 1)), normal)
    >>> for _ in range(5):
    ...     state, info = sampler.step(state, normal, rng)
    >>> f"{state.position.var():.1f}"
    '1.0'
    """

    step_size: float | np.ndarray
    n_leapfrog: int = 10
    target_acceptance: ClassVar[float] = 0.8

    @classmethod
    def example(cls):
        """A trajectory of more than one step."""
        return cls(0.6, n_leapfrog=4)

    def init(self, position: np.ndarray, target: Target) -> State:
        """Return the state of chains that start at `position`, shape (n, d)."""
        return evaluate(target, position)

    @np.errstate(all="ignore")  # a trajectory that overflows is rejected; no warning is needed
    def step(self, state: State, target: Target, rng: np.random.Generator) -> tuple[State, Info]:
        """Propose the end of one trajectory to every chain and accept or reject it."""
        h = self.step_size * rng.uniform(1 - JITTER, 1 + JITTER, size=(len(state.position), 1))
        momentum = rng.standard_normal(state.position.shape)
        proposal, momentum_end = leapfrog(state, momentum, target, h, self.n_leapfrog)
        log_ratio = joint_log_density(proposal, momentum_end) - joint_log_density(state, momentum)
        return metropolis(state, proposal, log_ratio, rng)


def leapfrog(
    state: State, momentum: np.ndarray, target: Target, step_size: float | np.ndarray, n_steps: int
) -> tuple[State, np.ndarray]:
    """Follow Hamilton's equations dx = p dt, dp = s(x) dt by `n_steps` leapfrog steps.

    The map preserves volume, is undone by flipping the sign of the momentum, and conserves the energy up to O(h²). The
    second half step of the momentum and the first of the next step are taken together.

    Parameters
    ----------
    state : State
        State at the start of the trajectories.
    momentum : ndarray of shape (n, d)
        Their momenta p.
    target : Target
        The density whose score s drives the trajectories.
    step_size : float or ndarray of shape (n, 1)
        h, in units of x.
    n_steps : int
        At least 1.

    Returns
    -------
    state : State
        State at the end of the trajectories.
    momentum : ndarray of shape (n, d)
        Momenta there.

    Examples
    --------
    A quarter of a turn on N(0, 1) turns position into momentum:

    >>> import numpy as np
    >>> from skscore.samplers import HMC, Target
    >>> from skscore.samplers.langevin import leapfrog
    >>> normal = Target(lambda x: -0.5 * (x**2).sum(axis=1), lambda x: -x)
    >>> start = HMC(step_size=0.1).init(np.array([[1.0]]), normal)
    >>> end, momentum = leapfrog(start, np.array([[0.0]]), normal, np.pi / 200, n_steps=100)
    >>> bool(abs(end.position.item()) < 1e-4), f"{momentum.item():.3f}"
    (True, '-1.000')
    """
    x, h = state.position, step_size
    momentum = momentum + h / 2 * state.score
    for _ in range(n_steps - 1):
        x = x + h * momentum
        momentum = momentum + h * score(target, x)
    end = evaluate(target, x + h * momentum)
    return end, momentum + h / 2 * end.score
