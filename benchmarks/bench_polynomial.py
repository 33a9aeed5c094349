"""What do fitting and evaluating a polynomial density of degree 4 cost?

Three comparisons on one thread, for d columns and the interactions of pairs:

* assembling Γ and g by the compiled moments kernel against the generic route, which forms the Jacobian of every
  monomial at every row from a user's functions and multiplies it by itself;
* `score_samples` and `grad_log_density` against `KernelDensity.score_samples` for the same rows, whose cost also grows
  with the number of rows fitted;
* the multiplications and additions that the kernels need, per second, against those of a matrix product (dgemm).
"""  # noqa: D400 - a question

from __future__ import annotations

import numpy as np
import quartic
from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.models import ExponentialFamily, Polynomial
from skscore.models.objectives import Implicit, assemble

DEGREE = 4
FULL = {"columns": (2, 5, 10), "rows": 5_000, "fitted_rows": 5_000, "product": 1_000, "repetitions": 5}
QUICK = {"columns": (2,), "rows": 200, "fitted_rows": 200, "product": 50, "repetitions": 1}


class Monomials:
    """The monomials with the given exponents (m, d) as a user would write them: T, its Jacobian and its Laplacian."""

    def __init__(self, exponents):
        self.exponents = exponents

    def _lowered(self, X, *lowered):
        """Values (n, m) of the monomials differentiated once along each of some columns."""
        powers, factor = self.exponents.copy(), 1.0
        for j in lowered:
            factor = factor * powers[:, j]
            powers[:, j] = np.maximum(powers[:, j] - 1, 0)
        table = X[None] ** np.arange(DEGREE + 1)[:, None, None]
        values = table[powers[:, 0], :, 0]
        for j in range(1, X.shape[1]):
            values = values * table[powers[:, j], :, j]
        return values.T * factor

    def statistics(self, X):
        """Return T(x), (n, m)."""
        return self._lowered(X)

    def jacobian(self, X):
        """Return ∂T/∂x, (n, m, d)."""
        return np.stack([self._lowered(X, j) for j in range(X.shape[1])], axis=2)

    def laplacian(self, X):
        """Return ΔT, (n, m)."""
        return sum(self._lowered(X, j, j) for j in range(X.shape[1]))


def generic_family(density):
    """Return the family of the same monomials in a fitted density's rows, built from functions of the user."""
    T = Monomials(density.exponents_)
    model = ExponentialFamily(T.statistics, T.jacobian, T.laplacian)
    return model.family(density._fit.summary.moments)


def gemm_flops_per_second(size, repetitions):
    """Return the best rate of a square matrix product in this process."""
    A = np.random.default_rng(0).standard_normal((size, size))
    seconds = interleaved({"product": lambda: A @ A}, max(3, repetitions))["product"]
    return 2.0 * size**3 / min(seconds)


def kernel_flops(family, rows, columns):
    """Return the least operations of the kernels: one product for each monomial, one sum for each of its uses."""
    m, moments = len(family.basis), len(family.moment_basis)
    return {
        "assemble": 2.0 * rows * moments,
        "log_density": 3.0 * rows * m,
        "gradient": rows * m * (1.0 + 2.0 * columns),
    }


def measured(columns, plan):
    """Return ratios, rates and sizes for one number of columns."""
    rng = np.random.default_rng(0)
    X, queries = (quartic.sample(plan[name], columns, rng) for name in ("fitted_rows", "rows"))
    density = ScoreMatchingDensity(Polynomial(DEGREE, base=None), random_state=0).fit(X)
    density.score_samples(queries[:2])  # the normaliser is computed once and is not the question here
    family, generic, kernel_density = density._fit.family, generic_family(density), KernelDensity(bandwidth=0.3).fit(X)
    assembly = interleaved(
        {
            "kernel": lambda: family.assemble(X, None, None, Implicit()),
            "generic": lambda: assemble(generic, X, None, None, Implicit()),
            "fit": lambda: ScoreMatchingDensity(Polynomial(DEGREE, base=None)).fit(X),
        },
        plan["repetitions"],
    )
    evaluation = interleaved(
        {
            "log_density": lambda: density.score_samples(queries),
            "gradient": lambda: density.grad_log_density(queries),
            "kernel_density": lambda: kernel_density.score_samples(queries),
        },
        plan["repetitions"],
    )
    flops = kernel_flops(family, len(queries), columns)
    seconds = {name: summary(values) for name, values in (assembly | evaluation).items()}
    return {
        "columns": columns,
        "parameters": family.n_parameters,
        "moments": len(family.moment_basis),
        "fitted_rows_per_second": len(X) / seconds["fit"]["median"],
        "generic_to_kernel": ratio(assembly, "generic", "kernel"),
        "log_density_to_kernel_density": ratio(evaluation, "log_density", "kernel_density"),
        "gradient_to_kernel_density": ratio(evaluation, "gradient", "kernel_density"),
        "flops_per_second": {
            "assemble": flops["assemble"] * len(X) / len(queries) / seconds["kernel"]["median"],
            "log_density": flops["log_density"] / seconds["log_density"]["median"],
            "gradient": flops["gradient"] / seconds["gradient"]["median"],
        },
        "seconds": seconds,
    }


def main(argv=None):
    """Run all numbers of columns."""
    arguments = command_line("polynomial", __doc__).parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    with threadpool_limits(1):
        rate = gemm_flops_per_second(plan["product"], plan["repetitions"])
        cases = [measured(columns, plan) for columns in plan["columns"]]
    print_table(
        ["d", "parameters", "moments", "fit, rows/s", "generic / kernel", "log p / KDE", "gradient / KDE"],
        [
            [c["columns"], c["parameters"], c["moments"], f"{c['fitted_rows_per_second']:.3g}"]
            + [spread(c["generic_to_kernel"], 1)]
            + [spread(c[f"{name}_to_kernel_density"], 3) for name in ("log_density", "gradient")]
            for c in cases
        ],
    )
    print(f"share of this process's dgemm rate, {rate / 1e9:.1f} Gflop/s")
    names = ["assemble", "log_density", "gradient"]
    print_table(
        ["d", *names],
        [[c["columns"]] + [f"{c['flops_per_second'][name] / rate:.1%}" for name in names] for c in cases],
    )
    write(arguments, facts, {"plan": plan, "dgemm_flops_per_second": rate, "cases": cases})


if __name__ == "__main__":
    main()
