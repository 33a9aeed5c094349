"""What do large tables want of the default network: more steps, other batches, wider layers?

Rows of one law with known density, twenty oblong Gaussians in ten dimensions, are fitted by `DenoisingScoreEstimator()`
as it comes and with one thing changed at a time. Reported: KL(law ‖ fit) = E[log p − log q] over fresh rows, the same
for all fits, its standard error, and CPU seconds of the fit.

``--rows N ...`` and ``--changes NAME ...`` choose some of the fits. A run replaces its own records in the JSON file and
keeps the others: long runs can be done piece by piece.
"""  # noqa: D400 - a question

from __future__ import annotations

import json
import time
from importlib.metadata import version

import numpy as np
from report import command_line, machine, print_table, write
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator
from skscore.datasets import GaussianMixtureDistribution
from skscore.neural import ScoreNetwork

CHANGES = {
    "default": {},
    "batch 128": {"batch_size": 128},
    "batch 256": {"batch_size": 256},
    "batch 1024": {"batch_size": 1024},
    "width 384": {"hidden_layer_sizes": (384,) * 4},
    "width 512": {"hidden_layer_sizes": (512,) * 4},
    "steps 1500": {"max_iter": 1500},
    "steps 6000": {"max_iter": 6000},
    "steps 12000": {"max_iter": 12000},
    "steps 6000, width 384": {"max_iter": 6000, "hidden_layer_sizes": (384,) * 4},
}
FULL = {"rows": (1_000, 10_000, 100_000, 1_000_000), "changes": tuple(CHANGES), "fresh_rows": 2000, "network": {}}
QUICK = FULL | {
    "rows": (700,),
    "changes": ("default", "batch 128"),
    "fresh_rows": 50,
    "network": {"hidden_layer_sizes": (8,), "max_iter": 20},
}
D, COMPONENTS = 10, 20


def law():
    """Twenty Gaussians of unequal weight, the axes of each from 1 to 0.03 in length and turned at random."""
    rng = np.random.default_rng(0)
    turns, _ = np.linalg.qr(rng.standard_normal((COMPONENTS, D, D)))
    axes = rng.permuted(np.tile(np.geomspace(0.03, 1.0, D), (COMPONENTS, 1)), axis=1)
    factors = turns * axes[:, None]
    weights = rng.dirichlet(np.full(COMPONENTS, 3.0))
    return GaussianMixtureDistribution(weights, rng.standard_normal((COMPONENTS, D)), factors @ factors.mT)


def measured(n, change, plan):
    """Fit one network to n rows and return the record of it."""
    rows, fresh = law().sample(n, random_state=1), law().sample(plan["fresh_rows"], random_state=2)
    network = ScoreNetwork(device="cpu", **{**plan["network"], **CHANGES[change]})
    density = DenoisingScoreEstimator(network, random_state=0)
    begun = time.process_time()
    density.fit(rows)
    seconds = time.process_time() - begun
    gap = law().score_samples(fresh) - density.score_samples(fresh)
    return {
        "rows": n,
        "change": change,
        "kl": float(gap.mean()),
        "kl_standard_error": float(gap.std(ddof=1) / np.sqrt(len(gap))),
        "fit_cpu_seconds": seconds,
        "steps": density.n_iter_,
        "best_step": density.best_iter_,
    }


def kept_records(arguments):
    """Return the records of earlier runs, by what they are records of."""
    path = arguments.output or arguments.kept
    if arguments.quick or not path.exists():
        return {}
    records = json.loads(path.read_text("utf-8"))["results"]["records"]
    return {(one["rows"], one["change"]): one for one in records}


def arguments_of(argv):
    """Return the arguments, what was not given filled in."""
    parser = command_line("large_tables", __doc__)
    parser.add_argument("--rows", type=int, metavar="N", nargs="+", help="sizes of the tables")
    parser.add_argument("--changes", choices=CHANGES, nargs="+", help="of the default network")
    arguments = parser.parse_args(argv)
    arguments.plan = QUICK if arguments.quick else FULL
    for name in ("rows", "changes"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, arguments.plan[name])
    return arguments


def print_records(records):
    """Print a row for each change, a column for each number of rows."""
    sizes = sorted({n for n, _ in records})
    names = [name for name in CHANGES if any(change == name for _, change in records)]

    def cell(n, name):
        one = records.get((n, name))
        return "–" if one is None else f"{one['kl']:.3f} ({one['fit_cpu_seconds']:.0f} s)"

    print("nats below the truth (CPU seconds of the fit)")
    print_table(["", *(f"{n:,} rows" for n in sizes)], [[name, *(cell(n, name) for n in sizes)] for name in names])


def main(argv=None):
    """Fit all that was asked for; write after each fit, so that an interrupted run loses one."""
    arguments, facts = arguments_of(argv), machine()
    records = kept_records(arguments)
    with threadpool_limits(1):
        for change in arguments.changes:
            for n in arguments.rows:
                one = records[n, change] = measured(n, change, arguments.plan)
                results = {"torch": version("torch"), "records": list(records.values())}
                write(arguments, facts, results)
                print(n, change, {name: one[name] for name in ("kl", "fit_cpu_seconds", "best_step")}, flush=True)
    print_records(records)


if __name__ == "__main__":
    main()
