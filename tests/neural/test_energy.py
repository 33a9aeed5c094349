"""Energies against closed forms: derivatives, objectives in value and sign, training that begins at the Gaussian."""

import math

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.models.family import Sample  # noqa: E402
from skscore.models.folds import taken  # noqa: E402
from skscore.models.objectives import Implicit  # noqa: E402
from skscore.neural import NeuralEnergy  # noqa: E402
from skscore.neural.energy_family import matching  # noqa: E402
from skscore.neural.energy_network import Energy, Perceptron, UserNetwork  # noqa: E402
from skscore.neural.energy_training import Curvature, EnergyTraining, Match, Noisy  # noqa: E402
from skscore.neural.layers import ACTIVATIONS  # noqa: E402

WIDTHS = [1, 2, 10, 64]


class GaussianEnergy(torch.nn.Module):
    """½(y − μ)ᵀA(y − μ), of N(μ, A⁻¹)."""

    def __init__(self, mean, precision):
        super().__init__()
        self.mean, self.precision = torch.from_numpy(mean), torch.from_numpy(precision)

    def forward(self, y):
        centred = y - self.mean
        return 0.5 * ((centred @ self.precision) * centred).sum(dim=1)

    def gradient(self, y):
        return (y - self.mean) @ self.precision

    def derivatives(self, y, directions):
        return self.gradient(y), ((directions @ self.precision) * directions).sum(dim=(0, 2))


def gaussian_case(d, n=400):
    """Rows, and a mean and a precision that are not theirs."""
    rng = np.random.default_rng(d)
    root = rng.standard_normal((d, d)) / math.sqrt(d)
    return rng.standard_normal((n, d)), rng.standard_normal(d), root @ root.T + 0.5 * np.eye(d)


def through_autodiff(mean, precision):
    """The same Gaussian as a network of the user's, its gain at one, without the square."""
    energy = Energy(UserNetwork(GaussianEnergy(mean, precision))).double()
    with torch.no_grad():
        energy.network.gain.fill_(1.0)
        energy.c.fill_(-800.0)  # κ = 0
    return energy


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_energy(d, activation="silu", sizes=(7, 5, 6)):
    """A perceptron's energy with a head that is not zero, in float64."""
    network = Perceptron(d, sizes, activation).initialise(generator())
    with torch.no_grad():
        network.out.weight.normal_(generator=generator(1))
    return Energy(network).double()


# ---- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slope_and_bend_of_activations(activation):
    z = torch.linspace(-6.0, 6.0, 101, dtype=torch.float64, requires_grad=True)
    value, slope, bend = ACTIVATIONS[activation](z)
    (by_autograd,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    torch.testing.assert_close(slope, by_autograd)
    torch.testing.assert_close(bend, torch.autograd.grad(by_autograd.sum(), z)[0])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(5,), (7, 5, 6)])
@pytest.mark.parametrize("own", [False, True], ids=["axes", "directions of each row"])
def test_hand_written_derivatives_equal_autodiff(activation, sizes, own):
    d, n = 3, 6
    energy = random_energy(d, activation, sizes)
    twin = Energy(UserNetwork(energy.network)).double()
    with torch.no_grad():
        twin.network.gain.fill_(1.0)
    y = torch.randn(n, d, generator=generator(), dtype=torch.float64)
    V = torch.randn(2, n, d, generator=generator(), dtype=torch.float64) if own else torch.eye(d).double()[:, None]
    for mine, theirs in zip(energy.derivatives(y, V), twin.derivatives(y, V), strict=True):
        torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(energy.gradient(y), energy.derivatives(y, V)[0])
    torch.testing.assert_close(energy(y), twin(y))


def test_gradients_in_the_weights_equal_autodiff():
    energy = random_energy(3)
    twin = Energy(UserNetwork(energy.network)).double()
    with torch.no_grad():
        twin.network.gain.fill_(1.0)
    y, V = torch.randn(5, 3, generator=generator()).double(), torch.eye(3).double()[:, None]
    weights = list(energy.network.parameters())
    mine, theirs = (
        torch.autograd.grad(sum(part.square().sum() for part in E.derivatives(y, V)), weights) for E in (energy, twin)
    )
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    "network", [Perceptron(3).initialise(generator()), UserNetwork(torch.nn.Linear(3, 1))], ids=["ours", "of the user"]
)
def test_an_energy_begins_as_the_standard_normal_law(network):
    y = torch.randn(5, 3, generator=generator())
    torch.testing.assert_close(Energy(network)(y), 0.5 * y.square().sum(dim=1))
    torch.testing.assert_close(Energy(network).gradient(y), y)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_square_outgrows_the_network(activation):
    """exp(−E) has a finite integral: far out E is the square, up to a share that vanishes."""
    energy = random_energy(2, activation)
    y = 1e8 * torch.nn.functional.normalize(torch.randn(50, 2, generator=generator()).double())
    torch.testing.assert_close(energy(y), 0.5 * y.square().sum(dim=1), rtol=1e-5, atol=0.0)


# ---- objectives: value and sign on N(μ, A⁻¹) -----------------------------------------------------


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("make", [GaussianEnergy, through_autodiff], ids=["by hand", "by autodiff"])
def test_implicit_objective_is_the_closed_form(d, make):
    """½‖A(y − μ)‖² − tr A."""
    X, mean, precision = gaussian_case(d, n=20)
    y = torch.from_numpy(X)
    loss = Curvature()
    values = loss.values(make(mean, precision), Sample(y, None, None, None), loss.draw(y, None))
    expected = 0.5 * (((X - mean) @ precision) ** 2).sum(axis=1) - np.trace(precision)
    np.testing.assert_allclose(values.detach().numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("n_projections", [1, 5])
def test_sliced_objective_is_the_implicit_one_on_average(d, n_projections):
    """Within 4 standard errors, and with the variance of Rademacher slices, 2 Σ_{i≠j} A_ij² / K."""
    X, mean, precision = gaussian_case(d, n=1)
    n = 4000
    y = torch.from_numpy(X).expand(n, d)
    energy, rows, loss = GaussianEnergy(mean, precision), Sample(y, None, None, None), Curvature(n_projections)
    values = loss.values(energy, rows, loss.draw(y, generator())).numpy()
    exact = Curvature().values(energy, rows, Curvature().draw(y, None))[0].item()
    sd = math.sqrt(2.0 * (np.square(precision).sum() - np.square(np.diag(precision)).sum()) / n_projections)
    assert abs(values.mean() - exact) <= 4.0 * sd / math.sqrt(n) + 1e-9
    assert values.std() == pytest.approx(sd, rel=0.15, abs=1e-9)


@pytest.mark.parametrize("d", WIDTHS)
def test_explicit_objective_is_zero_at_the_truth_and_the_distance_elsewhere(d):
    X, mean, precision = gaussian_case(d, n=20)
    y, known = torch.from_numpy(X), torch.from_numpy((mean - X) @ precision)
    energy = GaussianEnergy(mean, precision)
    assert Match().values(energy, Sample(y, known, None, None), None).abs().max() < 1e-20
    shifted = Match().values(energy, Sample(y, known + 1.0, None, None), None)
    np.testing.assert_allclose(shifted.numpy(), 0.5 * d, rtol=1e-10)


@pytest.mark.parametrize("d", WIDTHS)
def test_denoising_objective_is_the_closed_form_on_average(d):
    """At row x the mean over z is ½‖A(y − μ)‖² + ½σ² tr(MAA Mᵀ) − tr A + tr((MMᵀ)⁻¹)/2σ², with M the whitening."""
    X, mean, precision = gaussian_case(d, n=1)
    rng, n, sigma = np.random.default_rng(1), 20_000, 0.5
    M = np.diag(rng.uniform(0.5, 2.0, d))
    y = torch.from_numpy(X).expand(n, d)
    loss = Noisy(sigma, M)
    values = loss.values(
        GaussianEnergy(mean, precision), Sample(y, None, None, None), loss.draw(y, generator())
    ).numpy()
    square = 0.5 * (((X[0] - mean) @ precision) ** 2).sum() + 0.5 * sigma**2 * np.square(M @ precision).sum()
    expected = square - np.trace(precision) + 0.5 * np.trace(np.linalg.inv(M @ M.T)) / sigma**2
    assert abs(values.mean() - expected) <= 4.0 * values.std() / math.sqrt(n)


# ---- training ------------------------------------------------------------------------------------


def trained(X, seed=0, weight=None, n_held_out=60, alpha=0.0, **parameters):
    tensor = None if weight is None else torch.from_numpy(weight).float()
    rows = Sample(torch.from_numpy(X).float(), None, tensor, None)
    parts = taken(rows, torch.arange(n_held_out, len(X))), taken(rows, torch.arange(n_held_out))
    energy = Energy(Perceptron(X.shape[1], (16,)).initialise(generator(seed)))
    model = NeuralEnergy(**{"batch_size": 64, "max_iter": 200, "learning_rate": 1e-2, **parameters})
    training = EnergyTraining(energy, Curvature(), Curvature(), *parts, model.training_config(alpha), generator(seed))
    return energy, training.run()


def test_training_repeats_itself_and_leaves_the_global_state_alone(rng):
    X = rng.standard_normal((300, 2)) * [0.5, 2.0]
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    energies = [trained(X)[0] for _ in range(2)]
    for a, b in zip(*(E.parameters() for E in energies), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, torch.float32)


def test_the_result_is_never_worse_than_the_gaussian(rng):
    """Rows held out of another law than the others: N(0, I) stays, whose objective is ½ mean ‖y‖² − d."""
    X = rng.standard_normal((300, 2)) * np.where(np.arange(300) < 60, 5.0, 0.1)[:, None]
    energy, run = trained(X)
    assert run.best.value == pytest.approx(0.5 * np.square(X[:60]).sum(axis=1).mean() - 2.0, abs=1e-5)
    assert min(run.validation_curve) > run.best.value
    torch.testing.assert_close(energy(torch.ones(1, 2)), torch.ones(1))


def test_a_gain_within_the_noise_of_the_validation_leaves_the_gaussian(rng):
    """What chance offers on few rows of N(0, I) held out is refused; rows of another law are learned."""
    energy, run = trained(rng.standard_normal((300, 2)), n_held_out=30)
    assert min(run.validation_curve) < run.best.value
    torch.testing.assert_close(energy(torch.ones(1, 2)), torch.ones(1))
    _, run = trained(rng.standard_normal((300, 2)) * [0.5, 2.0])
    assert run.best.value < run.start.value


def test_the_best_weights_are_what_remains(rng):
    X = rng.standard_normal((300, 2)) * [0.5, 2.0]
    _, run = trained(X)
    assert run.best.value == min(run.validation_curve)
    assert run.validation_loss() == pytest.approx(run.best.value, abs=1e-6)


def test_rows_of_weight_zero_are_not_there(rng):
    """Only the rows of weight one shape the energy: it approaches their Gaussian, not that of all rows."""
    X = np.where(np.arange(600) % 2, 2.0, 0.5)[:, None] * rng.standard_normal((600, 1))
    narrow = (np.arange(600) % 2 == 0).astype(float)
    energy, _ = trained(X, weight=narrow, max_iter=600)
    grid = torch.linspace(-0.5, 0.5, 11)[:, None]
    slope = (energy.gradient(grid).detach() * grid).sum() / grid.square().sum()
    assert slope.item() == pytest.approx(4.0, rel=0.25)


def test_a_ridge_draws_the_weights_to_zero(rng):
    X = rng.standard_normal((300, 2)) * [0.5, 2.0]
    free, held = (trained(X, alpha=alpha, n_held_out=0)[0] for alpha in (0.0, 1.0))
    size = [sum(p.square().sum().item() for p in E.network.parameters()) for E in (free, held)]
    assert size[1] < 0.5 * size[0]


@pytest.mark.parametrize(("n", "share"), [(40, 1.0), (64, 1.0), (256, 0.5), (6400, 0.1)])
def test_the_decay_of_the_weights_fades_as_rows_come(n, share):
    """λ√(b/n), of batches of 64; a table smaller than a batch is one batch."""
    _, run = trained(np.zeros((n, 1)), n_held_out=0, max_iter=1, weight_decay=0.2)
    assert run.optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.2 * share)


def test_an_objective_without_a_loss_is_refused():
    """Also one that inherits from a known one."""
    twice = type("Doubled", (Implicit,), {})()
    with pytest.raises(ValueError, match=r"NeuralEnergy is not trained by Doubled.*'explicit', 'implicit'"):
        matching(twice, None, 1)
