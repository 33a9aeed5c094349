"""Every benchmark runs on tiny sizes, and says on which machine it found what."""

import importlib.util
import json
from itertools import groupby
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("bench_*.py"))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a script's main on its tiny sizes and return the JSON that it wrote."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        output = tmp_path / "result.json"
        module.main(["--quick", "--output", str(output)])
        return json.loads(output.read_text("utf-8"))

    return run


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_runs_and_writes_its_results(path, run, capsys):
    content = run(path)
    assert capsys.readouterr().out
    assert content["question"].endswith("?")
    assert content["results"]
    assert {"cpu_count", "versions", "OPENBLAS_CORETYPE"} <= set(content["machine"])
    assert set(content["machine"]["versions"]) == {"numpy", "scipy", "scikit-learn", "numba"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_committed_result_answers_the_question_that_the_script_asks(path):
    question = path.read_text("utf-8").partition('"""')[2].partition("\n")[0]
    kept = json.loads(
        (BENCHMARKS / "results" / path.name.replace("bench_", "")).with_suffix(".json").read_text("utf-8")
    )
    assert kept["question"] == question


def test_every_row_of_the_answers_has_a_cell_for_each_column():
    lines = (BENCHMARKS / "README.md").read_text("utf-8").splitlines()
    tables = [list(table) for is_table, table in groupby(lines, lambda line: line.startswith("|")) if is_table]
    assert len(tables) > 3
    assert [table[0] for table in tables if len({line.count("|") for line in table}) > 1] == []
