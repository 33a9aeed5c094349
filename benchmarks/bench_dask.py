"""What does a fit on two processes of dask cost, and is it the fit in memory?

Rows of 20 columns, far from zero, are made on the workers, a block a task, so that nothing is read or sent. A fit by
dask is compared with the same statistics of the same blocks by joblib's loky with two jobs, in turns, both on one
thread of BLAS for each process: at most 1.3 times its wall time. The client, in whose process the scheduler runs as
well, may have 300 MB with its imports and a Gaussian fit; a plan of kernels, for which numba compiles, comes on top.
Log-densities are those of the fit in memory to 1e-10.
"""  # noqa: D400 - a question

from __future__ import annotations

import resource
from functools import partial, reduce
from importlib.metadata import version
from operator import add

import dask.array as da
import numpy as np
from dask import delayed
from distributed import Client, LocalCluster
from joblib import Parallel
from joblib import delayed as job
from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write

from skscore import ScoreMatchingDensity
from skscore.models import Kernel

D, OFFSET = 20, 1e8
LIMITS = {"ratio": 1.3, "client MB": 300, "difference": 1e-10}


def block(seed, n_rows):
    """Correlated rows of one partition, a function of the seed."""
    return OFFSET + np.random.default_rng(seed).standard_normal((n_rows, D)) @ (np.eye(D) + 0.3 * np.eye(D, k=1))


def table(n_blocks, n_rows):
    """The partitions as a dask array."""
    blocks = [delayed(block)(seed, n_rows) for seed in range(n_blocks)]
    return da.concatenate([da.from_delayed(rows, (n_rows, D), float) for rows in blocks])


def statistics(density, plan, seed, n_rows):
    """What one job of joblib returns."""
    return density.compute_statistics(block(seed, n_rows), plan=plan)


def fit_by_joblib(density, plan, n_blocks, n_rows, n_jobs=2):
    """The fit to the statistics of all blocks, in order; without a plan of that of the first rows, as by dask."""
    plan = density.plan(block(0, n_rows)[:10_000]) if plan is None else plan
    parts = Parallel(n_jobs=n_jobs)(job(statistics)(density, plan, seed, n_rows) for seed in range(n_blocks))
    return density.fit_statistics(reduce(add, parts))


def fit_by_dask(density, plan, n_blocks, n_rows):
    """The fit to a dask array."""
    X = table(n_blocks, n_rows)
    return density.fit(X) if plan is None else density.fit_statistics(density.compute_statistics(X, plan=plan))


def peak_megabytes():
    """Most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv=None):
    """Memory of the client first, then equality and times."""
    arguments = command_line("dask", __doc__).parse_args(argv)
    facts, few = machine(), arguments.quick
    n_processes = 1 if few else 2
    kernels = ScoreMatchingDensity(Kernel(n_landmarks=100, bandwidth=5.0), alpha=1e-3, random_state=0)
    shapes = {"gaussian": (4, 5000) if few else (40, 100_000), "100 landmarks": (4, 5000) if few else (16, 25_000)}
    densities = {"gaussian": ScoreMatchingDensity(), "100 landmarks": kernels}
    with LocalCluster(n_workers=n_processes, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        memory = {"imports": peak_megabytes()}
        fitted = fit_by_dask(densities["gaussian"], None, *shapes["gaussian"])
        memory["fit"] = peak_megabytes()
        plans = {"gaussian": None, "100 landmarks": kernels.plan(block(0, 10_000)[: 2000 if few else 10_000])}
        memory["plan of kernels"] = peak_megabytes()
        n_blocks, n_rows = shapes["gaussian"]
        rows = block(n_blocks, 1000)
        found = fitted.score_samples(rows)
        times = {
            name: interleaved(
                {
                    "dask": partial(fit_by_dask, densities[name], plans[name], *shapes[name]),
                    "joblib": partial(fit_by_joblib, densities[name], plans[name], *shapes[name], n_processes),
                },
                1 if few else 11,
            )
            for name in densities
        }
    X = np.concatenate([block(seed, n_rows) for seed in range(n_blocks)])
    difference = float(np.abs(found - ScoreMatchingDensity().fit(X).score_samples(rows)).max())
    results = {
        "limits": LIMITS,
        "versions": {name: version(name) for name in ("dask", "distributed", "joblib")},
        "rows": {name: [*shapes[name], D] for name in shapes},
        "client MB": memory,
        "bytes of the rows": X.nbytes,
        "difference of log-densities": difference,
        "ratio": {name: ratio(seconds, "dask", "joblib") for name, seconds in times.items()},
        "seconds": {name: {way: summary(s) for way, s in seconds.items()} for name, seconds in times.items()},
    }
    cells = {name: [spread(summary(s), 1) for s in seconds.values()] for name, seconds in times.items()}
    print_table(
        ["model", "blocks x rows", "dask s", "joblib s", "dask / joblib"],
        [[name, "{} x {}".format(*shapes[name]), *cells[name], spread(results["ratio"][name])] for name in times],
    )
    after = ", ".join(f"{size:.0f} after {what}" for what, size in memory.items())
    print(f"client: MB {after} (limit {LIMITS['client MB']}), rows {X.nbytes / 1e6:.0f} MB; log-densities", end=" ")
    print(f"differ by {difference:.1e} (limit {LIMITS['difference']:g})")
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
