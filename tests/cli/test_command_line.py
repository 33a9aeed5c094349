"""The command line, from a table in a file to new rows: every job, and every way to ask for what cannot be."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from sklearn.exceptions import ConvergenceWarning

import skscore
from skscore import ScoreMatchingDensity, TabularDensity
from skscore.__main__ import main
from skscore.cli.progress import progress_on_a_terminal, warnings_of_one_line
from skscore.cli.table_file import read_table, write_table

PENGUINS = Path(__file__).resolve().parents[3] / "shared" / "data" / "mixed" / "penguins.parquet"
CLOSED = ["--numeric", "gaussian", "--discrete", "tree", "--random-state", "1"]


def table(n=120):
    """Whole numbers and numbers with missing cells, true and false, dates, text with commas, codes with zeros."""
    rng = np.random.default_rng(6)
    hole = rng.random(n) < 0.2
    weight = rng.normal(50.0, 9.0, n).round(1)
    return pa.table(
        {
            "id": np.arange(1, n + 1),
            "kind": pa.array(rng.choice(["a, b", "é", 'the "c"'], n)),
            "count": pa.array(rng.integers(0, 70, n), mask=hole),
            "weight": pa.array(weight, mask=np.roll(hole, 3)),
            "flag": rng.random(n) < 0.4,
            "day": pa.array(rng.integers(18000, 19000, n).astype(np.int32), pa.date32()),
            "zip": pa.array(rng.choice(["007", "010"], n)),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table and the model of it."""
    folder = tmp_path_factory.mktemp("work")
    write_table(table(), str(folder / "table.csv"))
    given = ["--column-types", "zip=categorical", "--drop", "id"]
    assert main(["fit", str(folder / "table.csv"), "-o", str(folder / "model.skops"), *CLOSED, *given]) == 0
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def lines_of(capfd):
    """Lines of the standard output and error."""
    captured = capfd.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


def is_on_steps(column, step):
    steps = np.array(column.drop_null()) / step
    return np.abs(steps - steps.round()).max() < 1e-6


# ---- jobs ----------------------------------------------------------------------------------------


def test_new_rows_are_compared_with_a_table(here, capfd):
    write_table(table(60), "other.csv")
    assert main(["report", "table.csv", "other.csv", "-o", "report.csv", "--figure", "report.png"]) == 0
    found = read_table("report.csv")
    assert "two-sample AUC" in found["quantity"].to_pylist()
    assert (here / "report.png").stat().st_size > 1000
    assert main(["report", "table.csv", "other.csv", "--holdout", "other.csv"]) == 0
    out, err = lines_of(capfd)
    assert any(line.startswith("two-sample AUC") for line in out)
    assert not err


def test_tables_of_other_columns_are_not_compared(here, capfd):
    write_table(table(60).drop_columns("weight"), "less.csv")
    assert main(["report", "table.csv", "less.csv"]) == 2
    _, err = lines_of(capfd)
    assert len(err) == 1
    assert "weight" in err[0]


def test_from_a_table_to_scores_new_rows_and_filled_cells(here, capfd):
    original = read_table("table.csv", ["zip"])
    assert main(["score", "model.skops", "table.csv", "-o", "scores.csv"]) == 0
    scores = read_table("scores.csv")["log_density"].to_numpy()
    np.testing.assert_array_equal(scores, skscore.load("model.skops").score_samples(original))

    assert main(["sample", "model.skops", "-n", "1000", "-o", "new.csv", "--random-state", "2"]) == 0
    new = read_table("new.csv", ["zip"])
    assert new.num_rows == 1000
    assert new.schema.equals(original.drop(["id"]).schema)
    for name in ("kind", "flag", "zip"):
        assert set(new[name].unique().to_pylist()) == set(original[name].unique().to_pylist())
    assert is_on_steps(new["weight"], 0.1)
    assert 0.1 < new["count"].null_count / 1000 < 0.3

    assert main(["impute", "model.skops", "table.csv", "-o", "filled.csv", "--random-state", "3"]) == 0
    filled = read_table("filled.csv", ["zip"])
    assert filled.schema.equals(original.schema)
    for name in original.column_names:
        there = original[name].is_valid()
        assert filled[name].null_count == 0
        assert filled[name].filter(there).equals(original[name].filter(there))
    assert lines_of(capfd) == ([], [])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_penguins(suffix, tmp_path, monkeypatch, capfd):
    if not PENGUINS.exists():
        pytest.skip("the mixed tables lie beside the repository, in shared/data/mixed")
    monkeypatch.chdir(tmp_path)
    penguins, new, filled = f"penguins{suffix}", f"new{suffix}", f"filled{suffix}"
    write_table(parquet.read_table(PENGUINS), penguins)
    assert main(["fit", penguins, "-o", "model.skops", *CLOSED]) == 0
    assert main(["score", "model.skops", penguins]) == 0
    scores, _ = lines_of(capfd)
    assert len(scores) == 345
    assert main(["sample", "model.skops", "-n", "1000", "-o", new, "--random-state", "1"]) == 0
    assert main(["impute", "model.skops", penguins, "-o", filled]) == 0
    real, drawn, whole = (read_table(path) for path in (penguins, new, filled))
    assert drawn.schema.equals(real.schema)
    assert whole.schema.equals(real.schema)
    assert sum(column.null_count for column in whole.columns) == 0
    for name in ("species", "island", "sex", "year"):
        assert set(drawn[name].unique().to_pylist()) == set(real[name].unique().to_pylist())
    assert is_on_steps(drawn["bill_length_mm"], 0.1)
    assert is_on_steps(drawn["body_mass_g"], 25.0)
    assert lines_of(capfd) == ([], [])


def test_rows_of_which_some_cells_are_given(here, capfd):
    given = ["kind=a, b", "flag=TRUE", "weight=41.5", "day=2020-05-05", "zip=007"]
    assert main(["sample", "model.skops", "-n", "3", "--given", *given, "--given", "count=7"]) == 0
    lines, errors = lines_of(capfd)
    assert lines[1:] == ['"a, b",7,41.5,true,2020-05-05,"007"'] * 3
    assert errors == []


def test_cells_that_fit_did_not_see(here, capfd):
    write_table(table(3).set_column(1, "kind", pa.array(["new", "é", "é"])), "strange.csv")
    assert main(["score", "model.skops", "strange.csv", "--handle-unknown", "neg_inf"]) == 0
    lines, _ = lines_of(capfd)
    assert lines[1] == "-inf"
    assert float(lines[2]) > -np.inf


def test_a_model_of_another_estimator(here, capfd):
    X = np.random.default_rng(1).standard_normal((40, 2))
    skscore.save(ScoreMatchingDensity(random_state=1).fit(X), "gaussian.skops")
    write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), "numbers.csv")
    assert main(["score", "gaussian.skops", "numbers.csv"]) == 0
    np.testing.assert_allclose(
        [float(x) for x in lines_of(capfd)[0][1:]], skscore.load("gaussian.skops").score_samples(X)
    )
    assert main(["sample", "gaussian.skops", "-n", "2"]) == 0
    assert lines_of(capfd)[0][0] == '"x0","x1"'


def test_a_model_of_an_array(here, capfd):
    X = np.random.default_rng(1).standard_normal((40, 2)).round(1)
    skscore.save(TabularDensity("gaussian", "tree", random_state=1).fit(X), "array.skops")
    write_table(pa.table({"x0": [0.1, None], "x1": [0.2, 0.3]}), "two.csv")
    assert main(["impute", "array.skops", "two.csv", "--handle-unknown", "na", "-o", "whole.csv"]) == 0
    assert read_table("whole.csv").num_rows == 2


def test_the_version(capfd):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert lines_of(capfd)[0] == [f"skscore {skscore.__version__}"]


# ---- what cannot be ------------------------------------------------------------------------------


def written(name, content):
    Path(name).write_bytes(content)
    return name


def csv_of(name, **columns):
    csv.write_csv(pa.table(columns), name)
    return name


def changed_model(change):
    return written("changed.skops", change(Path("model.skops").read_bytes()))


def full_disk(name):
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    Path(name).unlink(missing_ok=True)
    os.symlink("/dev/full", name)
    return name


SCORE, SAMPLE = ["score", "model.skops"], ["sample", "model.skops"]
BAD = {
    "no such table": (lambda: [*SCORE, "nothing.csv"], "nothing.csv: No such file"),
    "no such model": (lambda: ["sample", "nothing.skops"], "nothing.skops: No such file"),
    "a folder": (lambda: ["sample", "."], ".: Is a directory"),
    "an empty file": (lambda: [*SCORE, written("empty.csv", b"")], "empty.csv is damaged or no table: Empty CSV file"),
    "a line of names": (lambda: [*SCORE, written("names.csv", b"a,b\n")], "names.csv has no rows"),
    "other columns": (lambda: [*SCORE, csv_of("other.csv", a=[1], b=[2])], "not the columns that fit saw"),
    "a column less": (lambda: ["fit", "table.csv", "-o", "m", "--drop", "beak"], "column 'beak', but the frame has"),
    "an unknown level": (
        lambda: [*SCORE, written("level.csv", Path("table.csv").read_bytes().replace("é".encode(), b"emu"))],
        "'kind' holds what fit did not see there: 'emu'. With handle_unknown='neg_inf'",
    ),
    "text for numbers": (
        lambda: [*SCORE, written("text.csv", Path("table.csv").read_bytes().replace(b",true,", b",maybe,"))],
        "'flag' holds what fit did not see there: ",
    ),
    "a column of names": (lambda: ["fit", "table.csv", "-o", "m", *CLOSED], "Column 'id' seems to name the rows"),
    "an unknown kind": (
        lambda: ["fit", "table.csv", "-o", "m", "--column-types", "id=key"],
        "the kind 'key': give one",
    ),
    "no kind": (lambda: ["fit", "table.csv", "-o", "m", "--column-types", "id"], "write it as column=value"),
    "a full disk": (lambda: [*SCORE, "table.csv", "-o", full_disk("full.csv")], "No space left on device"),
    "no folder": (lambda: ["fit", "table.csv", "-o", "nowhere/m"], "nowhere is no folder that you may write to"),
    "no folder for rows": (lambda: [*SAMPLE, "-o", "nowhere/rows.csv"], "No such file or directory"),
    "a folder of a file": (lambda: [*SAMPLE, "-o", "table.csv/rows.csv"], "Not a directory"),
    "a damaged model": (lambda: ["sample", changed_model(lambda m: m[:-9] + bytes(9))], "is damaged"),
    "a truncated model": (lambda: ["sample", changed_model(lambda m: m[:5000])], "is damaged"),
    "an archive of others": (lambda: ["sample", changed_model(lambda m: m[m.index(b"PK") :])], "is no model that"),
    "a newer model": (
        lambda: ["sample", changed_model(lambda m: m.replace(b"model 1 by 0.1.0", b"model 7 by 9.1.0", 1))],
        "read it with skscore 9.1.0",
    ),
    "a model for a table": (lambda: [*SCORE, "model.skops"], "model.skops is no table by its ending"),
    "a table for a model": (lambda: ["sample", "table.csv"], "table.csv is no model that skscore wrote"),
    "no number": (lambda: [*SAMPLE, "--given", "weight=heavy"], "--given weight=heavy is not a number"),
    "no truth": (lambda: [*SAMPLE, "--given", "flag=maybe"], "--given flag=maybe is not true or false"),
    "no value": (lambda: [*SAMPLE, "--given", "weight"], "--given weight has no ="),
    "no such column": (lambda: [*SAMPLE, "--given", "beak=1"], "no column 'beak'"),
    "no rows": (lambda: [*SAMPLE, "-n", "0"], "-n 0 is no number of rows: give 1 or more"),
    "fewer than no rows": (lambda: [*SAMPLE, "-n", "-3"], "-n -3 is no number of rows"),
    "half a row": (lambda: [*SAMPLE, "-n", "0.5"], "argument -n: invalid int value: '0.5'"),
    "garbage": (lambda: [*SCORE, written("garbage.csv", bytes(range(256)) * 9)], "garbage.csv is damaged or no table"),
    "a picture": (lambda: [*SCORE, written("a.parquet", b"\x89PNG\r\n" * 9)], "a.parquet is damaged or no table"),
    "two of one name": (
        lambda: [*SCORE, written("two.csv", b"a,b,a\n1,2,3\n")],
        "more than one column of the name 'a'",
    ),
    "no ending": (lambda: [*SAMPLE, "-o", "rows"], "rows is no table by its ending"),
    "no command": (list, "the following arguments are required: COMMAND"),
    "no such command": (lambda: ["draw"], "invalid choice: 'draw'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_is_said_in_one_line(kind, here, capfd):
    asked, message = BAD[kind]
    try:
        code = main(asked())
    except SystemExit as left:
        code = left.code
    out, errors = lines_of(capfd)
    assert (code, out, len(errors)) == (2, [], 1), errors
    assert message in errors[0]
    assert not {"m", "rows.csv"} & set(os.listdir(here))
    assert not list(here.glob("*.part"))


def test_without_pyarrow_the_message_names_the_extra(here, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["score", "model.skops", "table.csv"]) == 2
    assert "pip install 'skscore[cli]'" in lines_of(capfd)[1][0]


# ---- while one waits -----------------------------------------------------------------------------


class Terminal(StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_one_line_of_progress(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "12")
    with progress_on_a_terminal() as shown:
        print("step 1, 9 s to go")
    assert shown
    assert sys.stderr.getvalue() == "\r\x1b[Kstep 1, 9 s\r\x1b[K"


def test_a_file_shows_no_progress(capfd):
    with progress_on_a_terminal() as shown:
        print("a result")
    assert not shown
    assert lines_of(capfd) == (["a result"], [])


def test_a_warning_is_one_line_and_comes_once(capfd):
    with warnings_of_one_line():
        for _ in range(2):
            skscore.estimators.checks.warn_user("two\n  lines", ConvergenceWarning)
    assert lines_of(capfd)[1] == ["skscore: warning: two lines"]


def interrupted(self, X):
    """In place of `fit`, after a while."""
    Path(self.numeric.checkpoint).write_bytes(b"a training") if self.discrete == "network" else None
    raise KeyboardInterrupt


def test_an_interrupted_fit_keeps_the_training(here, monkeypatch, capfd):
    monkeypatch.setattr(TabularDensity, "fit", interrupted)
    assert main(["fit", "table.csv", "-o", "other.skops"]) == 130
    kept = "skscore: interrupted, other.skops.training keeps the training: the same command goes on from there"
    assert lines_of(capfd)[1] == [kept]
    assert (here / "other.skops.training").exists()
    assert not (here / "other.skops").exists()


def test_an_interrupted_fit_without_a_training_leaves_nothing(here, monkeypatch, capfd):
    monkeypatch.setattr(TabularDensity, "fit", interrupted)
    assert main(["fit", "table.csv", "-o", "third.skops", "--discrete", "tree"]) == 130
    assert lines_of(capfd)[1] == ["skscore: interrupted, nothing was written"]
    assert not list(here.glob("third*"))


# ---- the process ---------------------------------------------------------------------------------


def started(here, n, redirection):
    """Exit code and standard error of a process that draws n rows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHON": sys.executable}
    command = f'"$PYTHON" -m skscore sample model.skops -n {n} {redirection}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.splitlines()


def test_a_reader_that_leaves_is_no_error(here):
    assert started(here, 4000, "| head -n 1 > /dev/null") == (141, [])


def test_a_full_disk_behind_the_output(here):
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    assert started(here, 10, "> /dev/full") == (2, ["skscore: the output: No space left on device"])
