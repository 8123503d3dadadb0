"""Checkout of the workflow for tests, and a configuration that takes seconds."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import yaml
from networks import random_detector

from veracity.detector.checkpoints import Checkpoint, save_checkpoint

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("results", "small")
SMALL = {
    "run": "small",
    "device": "cpu",
    "corpus": {"note": "synthetic corpus of a test", "synthetic": {"n_train": 3, "n_valid": 1, "n_test": 1, "seconds": 8}},
    # After thirty updates, a threshold tuned on one song could make every decision "sing", so that nothing could flip.
    "detector": {"n_seeds": 1, "threshold": 0.5, "training": {"n_updates": 30, "batch": 8, "decay_every": 10}},
    "attacks": {"seconds": 4, "waveform": {"max_updates": 20}, "spectrogram": {"max_updates": 20}},
    "tuning": {
        "waveform": {"eps": [0.01], "eta": [0.0003], "alpha": [2, 10]},
        "spectrogram": {"eps": [0.1], "eta": [0.0005], "alpha": [15]},
    },
    "excerpts": {"per_direction": 2},
    # Twelve segments to save time; tests of controls have twenty, and tests/test_tables.py has the paper's grid.
    "lime": {"n_time": 4, "n_band": 3, "n_samples": 512},
    "controls": {
        "candidates": 4,
        "explainers": ["constant", "occlusion"],
        "confined": {"max_updates": 10},
        "shortcut": {"n_updates": 4, "batch": 4},
    },
    "drawings": {"shapes": ["wiggle", "horse"], "n_placements": 2},
    "stability": {"n_samples": [64, 512], "n_repeats": 2},
}

FIGURES = ("figure1", "figure2", "figure3", "figure4", "figure_stability", "figure_explainers", "figure_leaderboard")
BOTH = ("gap", "faithfulness_to_own_game", "fidelity_vs_correctness", "truths")  # a figure and a table
FIGURES += BOTH
TABLES = ("corpus", "detector", "attacks", "table1", "table2", "published", "smallest_sets", "localisation", "fidelity")
TABLES += ("sampling_error", "audits", "leaderboard", "contrasts", "sensitivity", "explainer_costs", "listening", *BOTH)


class Workspace:
    """Separate checkout of the workflow that uses the installed library."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("workflow", "config", "profiles"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", folder)

    @classmethod
    def copy_of(cls, other: "Workspace", folder: Path) -> "Workspace":
        """Copy a workspace with all its results, so that the copy can be changed."""
        shutil.copytree(other.folder, folder)
        for mark in folder.glob("results/*/.made_at"):  # its files count as created here, with Snakemake's records of them
            mark.write_text(mark.read_text())
        return cls.at(folder)

    @classmethod
    def at(cls, folder: Path) -> "Workspace":
        """Return the workspace in an existing folder."""
        workspace = object.__new__(cls)
        workspace.folder = folder
        return workspace

    def configure(self, name: str, *parts: dict) -> str:
        merged: dict = {}
        for part in parts:
            _merge(merged, part)
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(merged))
        return f"{name}.yaml"

    def snakemake(self, *arguments: str, config: str = "small.yaml") -> subprocess.CompletedProcess[str]:
        command = self._command(*arguments, config=config)
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=1200
        )

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line unchanged."""
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            env=env,
        )

    def kill_when(self, condition: Callable[[], object], *arguments: str, config: str = "small.yaml") -> None:
        """Start a run, and kill it with all its jobs as soon as a condition holds; then remove its lock."""
        command = self._command(*arguments, config=config)
        process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, start_new_session=True)
        while not condition():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert self.run(f"snakemake --unlock --configfile {config}").returncode == 0

    def _command(self, *arguments: str, config: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", config]

    def digests(self) -> dict[str, str]:
        """Return the digests of all artefacts, tables and images; only logs and measured costs contain times."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((self.folder / RESULTS).rglob("*.*"))
            if path.is_file() and path.suffix not in (".log", ".tsv") and path.stem != "costs"
        }


def _merge(into: dict, part: dict) -> None:
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = yaml.safe_load(yaml.safe_dump(value))


def write_corpus_of_one_song(folder, stem="a, song"):
    """Write a corpus in the layout of Jamendo with one test song of noise."""
    rng = np.random.default_rng(0)
    for part in ("audio", "labels", "filelists"):
        (folder / part).mkdir(parents=True)
    soundfile.write(folder / "audio" / f"{stem}.wav", 0.1 * rng.standard_normal(44100), 22050)
    (folder / "labels" / f"{stem}.lab").write_text("0 1 sing\n1 2 nosing\n")
    for split in ("train", "valid", "test"):
        (folder / "filelists" / split).write_text(f"{stem}.wav\n" if split == "test" else "")


def a_checkpoint(folder):
    """Write a random detector and return the configuration that uses it, because one song cannot train a detector."""
    save_checkpoint(folder / "random.pt", Checkpoint(random_detector(), threshold=0.5))
    return {"detector": {"checkpoint": str(folder / "random.pt")}}


def jobs_of(done):
    """Return the rules that a dry run would run."""
    said = done.stdout + done.stderr
    if "Nothing to be done" in said:
        return set()
    assert "Job stats:" in said, said
    return {line.split()[0] for line in said.split("Job stats:")[1].split("total")[0].splitlines()[3:] if line.strip()}
