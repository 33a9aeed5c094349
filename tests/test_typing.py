"""Public signatures are annotated: a user's script over all estimators passes mypy --strict, and runs."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skscore
from skscore import models, neural, plotting

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tests" / "typing" / "user_script.py"


CONFIG = """
[mypy]
strict = true
follow_imports = silent
[mypy-torch.*]
follow_imports = skip
"""
WRONG = "from skscore import ScoreMatchingDensity\n\nScoreMatchingDensity(alpha=[0.1])\n"


def mypy_strict(folder, *paths):
    """What mypy says to a user, to whom errors inside an installed package are not reported; torch takes it long."""
    (folder / "mypy.ini").write_text(CONFIG)
    options = ["--config-file", str(folder / "mypy.ini"), "--cache-dir", str(folder / "cache")]
    command = [sys.executable, "-m", "mypy", *options, *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def test_the_script_has_every_estimator_model_and_display():
    public = {*skscore.__all__, *models.__all__, *neural.__all__, *plotting.__all__}
    used = set(re.findall(r"\w+(?=[(.])", SCRIPT.read_text()))
    assert public - used == {"__version__"}


def test_mypy_strict_accepts_a_script_over_all_estimators_and_refuses_a_wrong_argument(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    error, end = mypy_strict(tmp_path, SCRIPT, wrong)
    assert error.startswith(f"{wrong}:3: error: ")
    assert 'Argument "alpha"' in error
    assert end == "Found 1 error in 1 file (checked 2 source files)"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_a_script_over_all_estimators_passes_pyright(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    command = ["pyright", "--pythonpath", sys.executable]
    accepted, refused = (
        subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
        for path in (SCRIPT, wrong)
    )
    assert accepted.returncode == 0, accepted.stdout
    assert "alpha" in refused.stdout


def test_the_script_runs():
    assert np.isfinite(runpy.run_path(str(SCRIPT))["main"]())
