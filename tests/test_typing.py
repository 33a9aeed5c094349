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


def mypy_strict(path, cache):
    """Exit code and output for a user, to whom errors inside an installed package are not reported."""
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--cache-dir", str(cache)]
    command = [sys.executable, "-m", "mypy", *options, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_script_has_every_estimator_model_and_display():
    public = {*skscore.__all__, *models.__all__, *neural.__all__, *plotting.__all__}
    used = set(re.findall(r"\w+(?=[(.])", SCRIPT.read_text()))
    assert public - used == {"__version__"}


def test_a_script_over_all_estimators_passes_mypy_strict(tmp_path):
    code, output = mypy_strict(SCRIPT, tmp_path)
    assert code == 0, output
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from skscore import ScoreMatchingDensity\n\nScoreMatchingDensity(alpha=[0.1])\n")
    code, output = mypy_strict(wrong, tmp_path)
    assert code == 1
    assert 'Argument "alpha"' in output


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_a_script_over_all_estimators_passes_pyright(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from skscore import ScoreMatchingDensity\n\nScoreMatchingDensity(alpha=[0.1])\n")
    command = ["pyright", "--pythonpath", sys.executable]
    accepted, refused = (
        subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
        for path in (SCRIPT, wrong)
    )
    assert accepted.returncode == 0, accepted.stdout
    assert "alpha" in refused.stdout


def test_the_script_runs():
    assert np.isfinite(runpy.run_path(str(SCRIPT))["main"]())
