"""The benchmarks run; measured times are not tested."""

import csv
import subprocess
import sys

import pytest
from workspaces import ROOT

pytestmark = pytest.mark.slow

SOME = ["lime_memory", "attack_threads", "training_threads", "decode_stft"]


def test_some_benchmarks_run_quickly_and_agree_with_the_plain_way(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "run.py", "--quick", "--devices", "cpu", "--only", *SOME]
    done = subprocess.run(
        [*command, "--output", tmp_path / "rows.csv"], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "rows.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == SOME
