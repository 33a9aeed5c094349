"""What does a training step of an energy cost, next to torchebm's on the same network?

The exact implicit step and the sliced step with one and with five projections, and what they cost at other widths, on
one thread: a perceptron of two layers of 128, batches of 256 rows, AdamW. torchebm runs its own objectives on the same
module, and is left out where it is not installed. At ten columns the exact step may take at most a quarter of
torchebm's, the sliced step with one projection no longer than torchebm's, with five at most a third.

Langevin chains on the trained energy, a thousand of as many steps in ten columns, through the estimator's door: beside
torchebm's in the same precision, double and single, which may not be faster.

Steps to a given accuracy are in proportion to the variance of the stochastic gradient. Seconds times that variance,
relative to the exact step, say which objective ``objective="auto"`` should take at each number of columns.
"""  # noqa: D400 - a question

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
import torch
from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write

from skscore import ScoreMatchingDensity
from skscore.models.family import Sample
from skscore.neural import NeuralEnergy
from skscore.neural.energy_network import Energy, Perceptron
from skscore.neural.energy_training import Curvature, EnergyTraining
from skscore.samplers import ULA, Target, run_chains

LOSSES = {"implicit": None, "sliced, 1 projection": 1, "sliced, 5 projections": 5}
FULL = {"columns": (2, 10, 32), "crossing": (2, 3, 4, 5, 6, 8, 16, 32), "sizes": (128, 128), "batch": 256, "steps": 20}
FULL |= {"repetitions": 5, "gradients": 60, "chains": 1000, "moves": 1000}
QUICK = {"columns": (2,), "crossing": (2,), "sizes": (8,), "batch": 16, "steps": 2, "repetitions": 2, "gradients": 4}
QUICK |= {"chains": 10, "moves": 3}
STEP = 0.02  # of ULA; torchebm counts half of it
PRECISIONS = ("float32", "float64")


def network(d, sizes):
    """Return a perceptron with its first weights."""
    return Perceptron(d, sizes).initialise(torch.Generator().manual_seed(0))


def ours(rows, n_projections, case):
    """Return a function that takes the steps of `case` in a training of ours."""
    energy, generator = Energy(network(rows.shape[1], case["sizes"])), torch.Generator().manual_seed(0)
    table, nothing = Sample(rows, None, None, None), Sample(rows[:0], None, None, None)
    config = NeuralEnergy(batch_size=case["batch"], max_iter=case["steps"]).training_config(alpha=0.0)
    loss = Curvature(n_projections)

    def steps():
        EnergyTraining(energy, loss, loss, table, nothing, config, generator).run()

    return steps


def torchebm_model(energy):
    """Return an energy as torchebm wants it."""
    from torchebm.core import BaseModel

    class Model(BaseModel):
        def __init__(self):
            super().__init__()
            self.energy = energy

        def forward(self, x):
            return self.energy(x)

    return Model()


def torchebm(rows, n_projections, case):
    """Return the same for torchebm; None where it is not installed."""
    if find_spec("torchebm") is None:
        return None
    from torchebm.losses import ScoreMatching, SlicedScoreMatching

    model = torchebm_model(Energy(network(rows.shape[1], case["sizes"])))
    loss_of = ScoreMatching(model) if n_projections is None else SlicedScoreMatching(model, n_projections)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def steps():
        for _ in range(case["steps"]):
            loss = loss_of(rows[torch.randint(len(rows), (case["batch"],))])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return steps


def measured(d, case):
    """Return seconds of a step and paired ratios at d columns."""
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((4096, d))).float()
    candidates = {}
    for name, n_projections in LOSSES.items():
        for package, make in (("skscore", ours), ("torchebm", torchebm)):
            steps = make(rows, n_projections, case)
            candidates |= {f"{package}: {name}": steps} if steps else {}
    seconds = interleaved(candidates, case["repetitions"])
    per_step = {name: summary([s / case["steps"] for s in values]) for name, values in seconds.items()}
    pairs = {name: (f"torchebm: {name}", f"skscore: {name}") for name in LOSSES if f"torchebm: {name}" in seconds}
    times_faster = {name: ratio(seconds, *pair) for name, pair in pairs.items()}
    to_sliced = ratio(seconds, "skscore: implicit", "skscore: sliced, 1 projection")
    return {"columns": d, "seconds": per_step, "times_faster": times_faster, "implicit_to_sliced": to_sliced}


def chains(case, d=10):
    """Return seconds of Langevin chains on one energy, and ratios of torchebm's to ours in the same precision."""
    X, rng = bent_rows(d).double().numpy(), np.random.default_rng(0)
    model = NeuralEnergy(case["sizes"], max_iter=case["steps"], validation_fraction=0.0)
    density = ScoreMatchingDensity(model).fit(X)
    target, start = Target(None, density.grad_log_density), rng.standard_normal((case["chains"], d))

    def ours_from(begin):
        return lambda: run_chains(
            ULA(STEP), target, begin, n_warmup=0, n_draws=1, thin=case["moves"], rng=np.random.default_rng(0)
        )

    candidates = {f"skscore, {dtype}": ours_from(start.astype(dtype)) for dtype in PRECISIONS}
    if find_spec("torchebm") is not None:
        candidates |= {
            f"torchebm, {dtype}": torchebm_chains(density, start.astype(dtype), case) for dtype in PRECISIONS
        }
    seconds = interleaved(candidates, case["repetitions"])
    compared = [dtype for dtype in PRECISIONS if f"torchebm, {dtype}" in seconds]
    return {
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "times_faster": {dtype: ratio(seconds, f"torchebm, {dtype}", f"skscore, {dtype}") for dtype in compared},
    }


def torchebm_chains(density, start, case):
    """Return a function that runs torchebm's chains on the network of `density`, in the precision of their start."""
    from torchebm.samplers import LangevinDynamics

    begin = torch.from_numpy(start)
    energy = Energy(network(start.shape[1], case["sizes"]))
    energy.load_state_dict({name: torch.tensor(array) for name, array in density.weights_.items()})
    sampler = LangevinDynamics(torchebm_model(energy.to(begin.dtype)), step_size=STEP / 2, dtype=begin.dtype)
    return lambda: sampler.sample(begin, n_steps=case["moves"])


def bent_rows(d):
    """Return 4096 rows of unit variance, half of whose columns bend with the others."""
    Z = np.random.default_rng(0).standard_normal((4096, d))
    Z[:, d // 2 :] += Z[:, : d - d // 2] ** 2 - 1.0
    return torch.from_numpy((Z - Z.mean(axis=0)) / Z.std(axis=0)).float()


def gradient_variance(energy, rows, loss, case):
    """Return the total variance of the gradient of one batch, over batches and directions."""
    generator, gradients = torch.Generator().manual_seed(0), []
    for _ in range(case["gradients"]):
        index = torch.randint(len(rows), (case["batch"],), generator=generator)
        batch = Sample(rows[index], None, None, None)
        value = loss.values(energy, batch, loss.draw(batch.X, generator)).mean()
        gradients.append(
            torch.cat([g.flatten() for g in torch.autograd.grad(value, list(energy.network.parameters()))])
        )
    return float(torch.stack(gradients).var(dim=0).sum())


def crossing(d, case):
    """Return seconds, variance and their product for sliced steps, relative to exact ones, at d columns."""
    rows = bent_rows(d)
    energy = Energy(network(d, case["sizes"]))
    nothing, config = (
        Sample(rows[:0], None, None, None),
        NeuralEnergy(max_iter=15 * case["steps"]).training_config(alpha=0.0),
    )
    EnergyTraining(
        energy, Curvature(), Curvature(), Sample(rows, None, None, None), nothing, config, torch.Generator()
    ).run()
    seconds = interleaved({name: ours(rows, k, case) for name, k in LOSSES.items()}, case["repetitions"])
    variance = {name: gradient_variance(energy, rows, Curvature(k), case) for name, k in LOSSES.items()}
    found = {}
    for name in list(LOSSES)[1:]:
        cost, noise = ratio(seconds, name, "implicit"), variance[name] / variance["implicit"]
        found[name] = {"seconds": cost, "variance": noise, "work": cost["median"] * noise}
    return {"columns": d, "relative_to_implicit": found}


def line(result, name):
    """Return a line of the table: a step of one package at one number of columns."""
    package, _, objective = name.partition(": ")
    pace = f"{1 / result['seconds'][name]['median']:.0f}"
    faster = result["times_faster"].get(objective) if package == "skscore" else None
    return [f"{result['columns']} columns, {name}", pace, spread(faster) if faster else "-"]


def main(argv=None):
    """Run the benchmark."""
    arguments = command_line("energies", __doc__).parse_args(argv)
    case = QUICK if arguments.quick else FULL
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchebm's own
            results = [measured(d, case) for d in case["columns"]]
            crossings = [crossing(d, case) for d in case["crossing"]]
            langevin = chains(case)
    finally:
        torch.set_num_threads(threads)
    table = [line(result, name) for result in results for name in result["seconds"]]
    print_table(["step", "per second", "times as fast as torchebm's"], table)
    relative = [(c["columns"], name, r) for c in crossings for name, r in c["relative_to_implicit"].items()]
    print_table(
        ["sliced, relative to implicit", "seconds", "variance of the gradient", "product"],
        [
            [f"{d} columns, {name}", spread(r["seconds"]), f"{r['variance']:.2f}", f"{r['work']:.2f}"]
            for d, name, r in relative
        ],
    )
    print_table(["Langevin chains", "seconds"], [(k, spread(v)) for k, v in langevin["seconds"].items()])
    print_table(
        ["precision", "times as fast as torchebm's"], [(k, spread(v)) for k, v in langevin["times_faster"].items()]
    )
    results = {"steps": results, "crossing": crossings, "langevin": langevin}
    write(arguments, machine() | {"threads": 1, "torch": torch.__version__}, results)


if __name__ == "__main__":
    main()
