"""What do training, log-densities and samples of a denoising network cost?

All on one thread but for the last table, in seconds of the process rather than of the clock:

* one training step against the same step written by hand in torch (`plain_torch.py`: no clipping, no averaged weights,
  no bookkeeping), and for an energy network against the denoising score matching of torchebm;
* `score_samples` against the same with one backward pass of torch.autograd for each column, written by hand;
* `sample` by the solvers of the probability flow, with the energy distance of its draws to the law;
* each as a share of the rate of torch's matrix product (sgemm) in the same process: the least that its products would
  take at that rate, over what it takes. For a log-density these are the 2 · steps · (d + 1) forward passes of Heun's
  method with exact divergences, for samples its 2 · steps passes, whatever is really evaluated, and by whichever BLAS:
  a share may exceed one;
* training steps by the clock on one thread and on more.
"""  # noqa: D400 - a question

from __future__ import annotations

import os
import time
from functools import partial
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import torch
from paired import interleaved, ratio, summary
from plain_torch import PlainNetwork, bare_step, plain_target, torchebm_step
from report import command_line, machine, print_table, spread, write
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator
from skscore.datasets import GaussianMixtureDistribution
from skscore.formulas.schedules import geometric_ladder
from skscore.likelihood import flow_log_density
from skscore.metrics import energy_distance
from skscore.neural import ScoreNetwork
from skscore.neural.member import Member
from skscore.neural.networks import N_FREQUENCIES, ResidualMLP
from skscore.neural.noise_schedule import noise_schedule
from skscore.neural.noisy_rows import NoisyRows
from skscore.neural.stacks import Architecture
from skscore.neural.training_config import TrainingConfig
from skscore.samplers import Flow, descend

COLUMNS, LEVELS = 10, 33
FULL = {
    "hidden": (256, 256, 256),
    "batch": 512,
    "dropout": (0.0, 0.1),
    "steps": 20,
    "threaded_steps": 5,
    "rows": 20_000,
    "max_iter": 1500,
    "scored_rows": 2000,
    "samples": 10_000,
    "compared_samples": 4000,
    "product": 1024,
    "repetitions": 5,
}
QUICK = FULL | {
    "hidden": (8, 8, 8),
    "batch": 8,
    "dropout": (0.1,),
    "steps": 2,
    "threaded_steps": 1,
    "rows": 100,
    "max_iter": 5,
    "scored_rows": 5,
    "samples": 20,
    "compared_samples": 20,
    "product": 32,
    "repetitions": 1,
}


def process_seconds(call):
    """Return the processor time that a call takes in this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def law():
    """Return a mixture of four Gaussians of different shapes in ten dimensions."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4, COLUMNS, COLUMNS)) / COLUMNS**0.5
    return GaussianMixtureDistribution(
        np.full(4, 0.25), 1.5 * rng.standard_normal((4, COLUMNS)), 0.3 * A @ A.mT + 0.02 * np.eye(COLUMNS)
    )


def forward_flops(hidden, labels=0.0):
    """Return the operations of the products of one row's forward pass, with `labels` noise labels for each row."""
    widths = [COLUMNS, *hidden, COLUMNS]
    features, outputs = 1 + 2 * N_FREQUENCIES, 2 * sum(hidden) - hidden[0]
    return 2.0 * (sum(a * b for a, b in pairwise(widths)) + labels * features * outputs)


def step_flops(hidden, batch):
    """Return the operations of a step's products: forward, by the weights, and by all inputs that are not data."""
    inputs = forward_flops(hidden) - 2.0 * COLUMNS * hidden[0]
    return batch * (2.0 * forward_flops(hidden, labels=0.25) + inputs)


def product(size):
    """Return a call that multiplies square matrices, and its operations."""
    A = torch.randn(size, size)
    return (lambda: A @ A), 2.0 * size**3


def numpy_product(size):
    """Return a call that multiplies the same matrices by numpy's BLAS."""
    A = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    return lambda: A @ A


def our_step(parametrization, plan, dropout):
    """Return a function that takes one training step of skscore."""
    options = {"hidden_layer_sizes": plan["hidden"], "activation": "silu", "dropout": dropout}
    ((stack, generator),) = Architecture(np.ones(COLUMNS), parametrization, options=options).initialised(1, seed=0)
    drawn = torch.randn(plan["rows"], COLUMNS, generator=generator)
    rows = NoisyRows(drawn, None, torch.ones(COLUMNS), noise_schedule(0.01, 80.0))
    kept = [torch.arange(len(rows))]
    config = TrainingConfig(batch_size=plan["batch"])
    member = Member(stack, rows, kept, config, generator)
    return partial(member.step, 1000, 1e-3)


def repeated(step, times):
    """Return a call that takes some steps."""

    def steps():
        for _ in range(times):
            step()

    return steps


def training(dropout, plan):
    """Return ratios of our training step to others, and its share of the rate of a product."""
    rows, sizes = torch.randn(plan["rows"], COLUMNS), (plan["hidden"], dropout)
    energy = ResidualMLP(COLUMNS, 1, *sizes[:1], dropout=dropout).initialise(torch.Generator().manual_seed(0))
    steps = {
        "ours": our_step("score", plan, dropout),
        "bare": bare_step(PlainNetwork(COLUMNS, COLUMNS, *sizes), rows, plan["batch"]),
        "our energy": our_step("energy", plan, dropout),
        "torchebm": torchebm_step(energy, rows, plan["batch"]),
    }
    call, flops = product(plan["product"])
    calls = {name: repeated(step, plan["steps"]) for name, step in steps.items() if step is not None}
    products = {"product": call, "numpy product": numpy_product(plan["product"])}
    seconds = interleaved(calls | products, plan["repetitions"], process_seconds)
    relative = plan["steps"] * step_flops(plan["hidden"], plan["batch"]) / flops
    result = {
        "dropout": dropout,
        "rate_to_bare": ratio(seconds, "bare", "ours"),
        "share_of_product": scaled(ratio(seconds, "product", "ours"), relative),
        "bare_share_of_product": scaled(ratio(seconds, "product", "bare"), relative),
        "numpy_product_rate_to_torch": ratio(seconds, "product", "numpy product"),
        "seconds_per_step": {name: scaled(summary(seconds[name]), 1 / plan["steps"]) for name in calls},
    }
    if "torchebm" in calls:
        result["rate_to_torchebm"] = ratio(seconds, "torchebm", "ours")
        result["energy_rate_to_torchebm"] = ratio(seconds, "torchebm", "our energy")
    return result


def scaled(numbers, factor):
    """Return a summary in other units."""
    return {name: factor * value for name, value in numbers.items()}


def fitted(plan):
    """Return a density fitted to the mixture."""
    network = ScoreNetwork(hidden_layer_sizes=plan["hidden"], max_iter=plan["max_iter"], n_folds=1, device="cpu")
    density = DenoisingScoreEstimator(network, tail=None, random_state=0)
    return density.fit(law().sample(plan["rows"], random_state=1))


def plain(density, plan):
    """Return the density's score and divergence as written by hand."""
    denoiser = density._density.noisy_score
    network = PlainNetwork(COLUMNS, COLUMNS, plan["hidden"], dropout=0.0).requires_grad_(False).eval()
    network.load_state_dict({name: torch.from_numpy(w) for name, w in denoiser.weights[0].items()}, strict=False)
    return plain_target(network, denoiser.variance, denoiser.shrinkage)


def log_densities(density, plan):
    """Return the cost of `score_samples` against its limit and against backward passes."""
    X = law().sample(plan["scored_rows"], random_state=2)
    Z, other, (call, flops) = (
        density._preprocessing.map.forward(X),
        plain(density, plan),
        product(plan["product"]),
    )
    n_steps = density.likelihood_report_.n_steps
    levels = geometric_ladder(density._density.sigma_min, density._density.sigma_max, n_steps + 1)

    def by_hand():
        return flow_log_density(Z, other, levels)[0]

    seconds = interleaved(
        {
            "score_samples": lambda: density.score_samples(X),
            "backward": by_hand,
            "product": repeated(call, 20),
        },
        plan["repetitions"],
        process_seconds,
    )
    passes = 2 * n_steps * (COLUMNS + 1)
    relative = passes * len(X) * forward_flops(plan["hidden"]) / (20 * flops)
    return {
        "n_steps": n_steps,
        "largest_difference": float(np.abs(density._density.log_density(Z) - by_hand()).max()),
        "rows_per_second": len(X) / summary(seconds["score_samples"])["median"],
        "backward_to_ours": ratio(seconds, "backward", "score_samples"),
        "share_of_product": scaled(ratio(seconds, "product", "score_samples"), relative),
        "share_of_product_backward": scaled(ratio(seconds, "product", "backward"), relative),
    }


def samples(density, plan):
    """Return the cost of draws by each solver, and their energy distance to the law."""
    n, noisy_score = plan["samples"], density._density.noisy_score
    levels, (call, flops) = (
        geometric_ladder(density._density.sigma_min, density._density.sigma_max, LEVELS),
        product(plan["product"]),
    )

    def draw(method, seed=0):
        return descend(Flow(levels, method), noisy_score, n, np.random.default_rng(seed))

    calls = {"sample": lambda: density.sample(n, random_state=0)} | {m: partial(draw, m) for m in ("heun", "adams")}
    seconds = interleaved(calls | {"product": repeated(call, 20)}, plan["repetitions"], process_seconds)
    relative = 2 * (LEVELS - 1) * n * forward_flops(plan["hidden"]) / (20 * flops)
    truth = density._preprocessing.map.forward(law().sample(plan["compared_samples"], random_state=3))
    return {
        "share_of_product": scaled(ratio(seconds, "product", "sample"), relative),
        "heun_to_adams": ratio(seconds, "heun", "adams"),
        "samples_per_second": {name: n / summary(seconds[name])["median"] for name in calls},
        "energy_distance": {
            method: [energy_distance(draw(method, seed)[: len(truth)], truth) for seed in range(3)]
            for method in ("heun", "adams")
        },
    }


def threads(plan):
    """Return the steps per second by the clock on each number of threads, at the best of all repetitions."""
    step = our_step("score", plan, 0.0)

    def steps(number):
        torch.set_num_threads(number)
        repeated(step, plan["threaded_steps"])()

    calls = {str(number): partial(steps, number) for number in range(1, (os.cpu_count() or 1) + 1)}
    seconds = interleaved(calls, plan["repetitions"])
    return {number: plan["threaded_steps"] / min(values) for number, values in seconds.items()}


def print_results(results):
    """Print what was found."""
    shares = ["ours / bare", "share of sgemm", "of bare", "score / torchebm", "energy / torchebm"]
    names = ["rate_to_bare", "share_of_product", "bare_share_of_product", "rate_to_torchebm", "energy_rate_to_torchebm"]
    print("training steps per second; a product by numpy's BLAS has", end=" ")
    print(f"{spread(results['training'][0]['numpy_product_rate_to_torch'])} times the rate of torch's")
    print_table(
        ["dropout", *shares],
        [[t["dropout"]] + [spread(t[name]) if name in t else "-" for name in names] for t in results["training"]],
    )
    density, draws = results["log_densities"], results["samples"]
    print(f"score_samples, {density['n_steps']} steps: {density['rows_per_second']:.0f} rows/s")
    print(
        f"  share of sgemm {spread(density['share_of_product'])}; backward / ours {spread(density['backward_to_ours'])}"
    )
    print(f"sample: share of sgemm {spread(draws['share_of_product'])}; heun / adams {spread(draws['heun_to_adams'])}")
    for method, distances in draws["energy_distance"].items():
        print(f"  {method}: energy distance to the law {', '.join(f'{v:.4f}' for v in distances)}")
    print(f"steps per second by the clock, on threads: {results['threads']}")


def main(argv=None):
    """Run all comparisons."""
    arguments = command_line("denoising", __doc__).parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    n_threads = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        density = fitted(plan)
        results = {
            "torch": version("torch"),
            "training": [training(dropout, plan) for dropout in plan["dropout"]],
            "log_densities": log_densities(density, plan),
            "samples": samples(density, plan),
        }
    results["threads"] = threads(plan)
    torch.set_num_threads(n_threads)
    print_results(results)
    write(arguments, facts, {"plan": plan, **results})


if __name__ == "__main__":
    main()
