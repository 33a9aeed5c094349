"""What does `import skscore` cost, and what does it load?

Wall time of `import skscore` in a fresh interpreter against `import sklearn.mixture, numba`, the parts of its
dependencies that it cannot do without; at most 1.2 times. torch, matplotlib, polars and dask must not be loaded, nor
pandas, unless scikit-learn itself has loaded it (it does where it finds it installed).
"""  # noqa: D400 - a question

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1.2
FACE, DEPENDENCIES = "import skscore", "import sklearn.mixture, numba"
HEAVY = {"torch", "matplotlib", "pandas", "polars", "dask"}
IMPORT_TIME = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)")


def interpreter(code, *options):
    """Run code in a fresh interpreter at the root of the repository."""
    return subprocess.run([sys.executable, *options, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)


def import_seconds(statement):
    """Return the wall time of an import statement, without the start of the interpreter."""
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return float(interpreter(code).stdout)


def seconds_by_package():
    """Return the seconds that `import skscore` spends in modules of each package, and the packages of scikit-learn.

    The latter is the first that skscore imports, so that it may be imported first.
    """
    code = f"import sklearn.base, sys; print(*{{name.partition('.')[0] for name in sys.modules}}); {FACE}"
    printed, spent = interpreter(code, "-X", "importtime"), Counter()
    for microseconds, module in IMPORT_TIME.findall(printed.stderr):
        spent[module.partition(".")[0]] += 1e-6 * int(microseconds)
    return spent, set(printed.stdout.split())


def main(argv=None):
    """Time both imports, and list what the first one loads."""
    arguments = command_line("import", __doc__).parse_args(argv)
    facts = machine()
    statements = {"skscore": FACE, "dependencies": DEPENDENCIES}
    seconds = interleaved(statements, 1 if arguments.quick else 15, clock=import_seconds)
    spent, of_sklearn = seconds_by_package()
    heavy = HEAVY & set(spent)
    results = {
        "limit": LIMIT,
        "ratio": ratio(seconds, "skscore", "dependencies"),
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "heavy_modules": sorted(heavy),
        "heavy_modules_beyond_sklearn": sorted(heavy - of_sklearn),
        "seconds_by_package": dict(spent.most_common(8)),
    }
    results["kept"] = results["ratio"]["median"] <= LIMIT and not results["heavy_modules_beyond_sklearn"]
    print_table(
        ["statement", "seconds"], [[statements[name], spread(numbers)] for name, numbers in results["seconds"].items()]
    )
    print(f"ratio {spread(results['ratio'])}, at most {LIMIT}")
    print(f"heavy modules loaded beyond scikit-learn's own: {results['heavy_modules_beyond_sklearn'] or 'none'}")
    print_table(["package", "seconds"], [[name, f"{s:.3f}"] for name, s in results["seconds_by_package"].items()])
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
