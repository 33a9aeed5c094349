"""How far is log Z from the truth, and does its standard error say so?

On the law exp(Σ_j x_j²/2 − x_j⁴/4) in d dimensions, two modes along every axis and Z known by quadrature in one
dimension: quadrature (d ≤ 2), importance sampling, annealed importance sampling, and what the estimators choose between
them (`normalizer`), each for several seeds. A calibrated method has errors of about one stated standard error: the root
mean square of error / stderr is near 1.
"""  # noqa: D400 - a question

from __future__ import annotations

import numpy as np
import quartic
from paired import seconds_of, summary
from report import command_line, machine, print_table, write
from threadpoolctl import threadpool_limits

from skscore import likelihood
from skscore.samplers import Target

FULL = {"columns": (1, 2, 4, 8, 16), "seeds": 10}
QUICK = {"columns": (1, 2, 3), "seeds": 2}

TARGET = Target(quartic.log_density, quartic.grad_log_density)
METHODS = {
    "quadrature": lambda d, rng: likelihood.quadrature(TARGET.log_density, d),
    "importance": lambda d, rng: likelihood.importance_sampling(TARGET.log_density, d, rng=rng),
    "annealing": lambda d, rng: likelihood.annealed_importance_sampling(TARGET, d, rng=rng),
    "chosen": lambda d, rng: likelihood.normalizer(TARGET, d, rng),
}


def measured(name, d, seeds):
    """Return errors, stated standard errors, effective sizes and seconds of one method in d dimensions."""
    truth, estimates, seconds = quartic.log_normalizer(d), [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        seconds.append(seconds_of(lambda rng=rng: estimates.append(METHODS[name](d, rng))))
    log_z, stderr, ess = np.array(estimates).T
    exact = name == "quadrature" or ess.min() == 1.0  # the error is that of the last doubling, no random number
    error = log_z - truth
    return {
        "method": name,
        "columns": d,
        "absolute_error": summary(np.abs(error).tolist()),
        "stderr": summary(stderr.tolist()),
        "rms_error_over_stderr": None if exact else float(np.sqrt(np.mean((error / stderr) ** 2))),
        "effective_fraction": summary(ess.tolist()),
        "seconds": summary(seconds),
    }


def shown(case):
    """Return the row of the table for one case."""
    error, calibration = case["absolute_error"], case["rms_error_over_stderr"]
    return (
        case["method"],
        case["columns"],
        f"{error['median']:.1e}",
        f"{error['max']:.1e}",
        f"{case['stderr']['median']:.1e}",
        "exact" if calibration is None else f"{calibration:.2f}",
        f"{case['effective_fraction']['median']:.3f}",
        f"{case['seconds']['median']:.2f}",
    )


def main(argv=None):
    """Run all methods in all dimensions."""
    arguments = command_line("normalizer", __doc__).parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    pairs = [(name, d) for d in plan["columns"] for name in METHODS if name != "quadrature" or d <= 2]
    with threadpool_limits(1):
        cases = [measured(name, d, plan["seeds"]) for name, d in pairs]
    print_table(
        ["method", "d", "|error|, nat", "worst", "stderr, nat", "rms error / stderr", "ESS", "seconds"],
        [shown(case) for case in cases],
    )
    write(arguments, facts, {"plan": plan, "cases": cases})


if __name__ == "__main__":
    main()
