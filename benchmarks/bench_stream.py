"""Does a stream of blocks run at the rate of its products, in memory that does not grow?

`fit_blocks` on 2·10⁸ × 32 rows of single precision, 25 GB, of which a part runs here, block by block as each is made:
on one BLAS thread, in a process of its own for each model. Its rate is compared with that of the products alone, the
limit, which run in turns with it on blocks of the same rows: for a Gaussian and pairwise interactions XᵀX of the rows
cast to double precision; for 100 kernels, in double precision, the distances to them, the product of a matrix with
itself and that of two matrices behind Γ and g. At least 0.6 of the limit is wanted, and at most 500 MB resident with
everything. Making the blocks is not counted. Seconds are those of the processor, since other programs run on it. What
the whole stream takes is the linear extrapolation of that part.
"""  # noqa: D400 - a question

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
from paired import ratio, summary
from report import command_line, machine, print_table, spread, write
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity, fit_blocks
from skscore.models import Kernel

STREAM, COLUMNS, KERNELS = 200_000_000, 32, 100
WANTED = {"of_limit": 0.6, "resident_megabytes": 500.0}
MODELS = {
    "gaussian": "gaussian",
    "pairwise": "pairwise",
    "kernel": Kernel(n_landmarks=KERNELS, bandwidth=2.0),
    "kernel, single precision": Kernel(n_landmarks=KERNELS, bandwidth=2.0, dtype="float32"),
}
BLOCKS = {"gaussian": 50, "pairwise": 50, "kernel": 20, "kernel, single precision": 20}
ROWS = 200_000  # of a block


def made(mixing, number, rows):
    """Return a block of dependent columns, which its number decides."""
    X = np.random.default_rng(number).standard_normal((rows, COLUMNS), dtype=np.float32)
    return X @ mixing


def square(X):
    """Multiply blocks of the rows in double precision by themselves, and do no more."""
    for start in range(0, len(X), 4096):
        block = X[start : start + 4096].astype(np.float64)
        block.T @ block


def kernel_products(X):
    """Multiply matrices as a pass over the rows must with 100 kernels, and do no more."""
    rows, rng = 768, np.random.default_rng(0)
    K, KS = (np.asfortranarray(rng.standard_normal((rows, m))) for m in (KERNELS, KERNELS + COLUMNS))
    block, landmarks = rng.standard_normal((rows, COLUMNS)), rng.standard_normal((KERNELS, COLUMNS))
    for _ in range(-(-len(X) // rows)):
        block @ landmarks.T
        K.T @ K
        K.T @ KS


def streamed(name, n_blocks, rows):
    """Fit a model to so many blocks; return CPU seconds of each block and of its limit, and megabytes resident."""
    mixing = (np.eye(COLUMNS) + 0.1 * np.eye(COLUMNS, k=1)).astype(np.float32)
    limit = kernel_products if name.startswith("kernel") else square
    seconds = {"fit": [], "limit": []}
    after = None

    def blocks():
        nonlocal after
        for number in range(n_blocks):
            if after is not None:
                seconds["fit"].append(time.process_time() - after)
            X = made(mixing, number, rows)
            start = time.process_time()
            limit(X)
            seconds["limit"].append(time.process_time() - start)
            after = time.process_time()
            yield X

    density = ScoreMatchingDensity(MODELS[name], alpha=1e-3, random_state=0)
    plan = density.plan(made(mixing, n_blocks, min(rows, 10_000)))
    fit_blocks(density, blocks(), plan=plan, n_jobs=1)
    seconds["limit"].pop()  # that of the last block, whose fit ends with the solution
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
    return {"seconds": {key: values[1:] for key, values in seconds.items()}, "resident_megabytes": resident}


def measured(name, n_blocks, rows):
    """Stream in a process of its own, whose peak of memory is that of this model alone."""
    command = [sys.executable, __file__, "--child", name, str(n_blocks), str(rows)]
    child = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = child["seconds"]
    per_row = summary(seconds["fit"])["median"] / rows
    return {
        "model": name,
        "rows": n_blocks * rows,
        "of_limit": ratio(seconds, "limit", "fit"),
        "rows_per_second": 1.0 / per_row,
        "whole_stream_seconds": per_row * STREAM,
        "resident_megabytes": child["resident_megabytes"],
        "seconds": {key: summary(values) for key, values in seconds.items()},
    }


def of_last_run(path):
    """Results of the last run by their models, none if there was no run."""
    fits = json.loads(path.read_text("utf-8"))["results"]["fits"] if path.exists() else []
    return {fit["model"]: fit for fit in fits}


def main(argv=None):
    """Stream each model; those that are not asked for keep their last results."""
    parser = command_line("stream", __doc__)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    arguments = parser.parse_args(argv)
    facts, rows = machine(), 2000 if arguments.quick else ROWS
    blocks = {"gaussian": 4} if arguments.quick else {name: BLOCKS[name] for name in arguments.models}
    former = {} if arguments.quick or len(blocks) == len(MODELS) else of_last_run(arguments.kept)
    found = former | {name: measured(name, n_blocks, rows) for name, n_blocks in blocks.items()}
    fits = [found[name] for name in MODELS if name in found]
    print_table(
        ["model", "rows run", "of its limit", "rows a second", "25 GB, s", "resident, MB"],
        [
            (
                fit["model"],
                f"{fit['rows']:,}",
                spread(fit["of_limit"]),
                f"{fit['rows_per_second']:.3g}",
                f"{fit['whole_stream_seconds']:.0f}",
                f"{fit['resident_megabytes']:.0f}",
            )
            for fit in fits
        ],
    )
    kept = None
    if not arguments.quick:
        kept = {
            fit["model"]: {
                "of_limit": fit["of_limit"]["median"] >= WANTED["of_limit"],
                "resident_megabytes": fit["resident_megabytes"] <= WANTED["resident_megabytes"],
            }
            for fit in fits
        }
    print(f"wanted {WANTED}, kept: {kept}")
    write(arguments, facts, {"wanted": WANTED, "kept": kept, "block_rows": rows, "fits": fits})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        with threadpool_limits(1):
            print(json.dumps(streamed(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
