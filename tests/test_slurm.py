"""The demonstration on a real SLURM through profiles/slurm: a job killed for memory, a coordinator killed, equal artefacts."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import slurm_node
from workspaces import RESULTS, SMALL

pytestmark = pytest.mark.slow

# The training requests too little memory at first; SLURM kills it, and the profile's retry requests more.
TOO_LITTLE_MEMORY = ("--set-resources", "training:mem_mb=250 * attempt ** 4")
OPTIONS = (
    *("--profile", "profiles/slurm"),
    # Options for a node without an accounting database, and a short interval between status checks.
    *("--slurm-status-command", "squeue", "--slurm-no-account", "--slurm-init-seconds-before-status-checks", "2"),
    *("--latency-wait", "5", *TOO_LITTLE_MEMORY),
    # At most the resources of a small node. The undisturbed run has two cores and gives the same bytes with other threads.
    *("--set-threads", "training=1", "perturbations=2"),
)


# Targets that need every stage of a song, a figure and a table, and no more, because each job starts Snakemake again.
TARGETS = ("figure2", "table1")


class Coordinator:
    """Running ``snakemake`` that submits to SLURM, and its output."""

    def __init__(self, workspace, name, targets=TARGETS, config="small.yaml"):
        self.log = workspace.folder / name
        command = (sys.executable, "-m", "snakemake", *targets, *OPTIONS, "--configfile", config)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=workspace.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def said(self):
        return self.log.read_text()

    def wait_for(self, condition, seconds=900):  # without other load it takes 60 s; other load must not fail the test
        """Wait until a condition holds, or fail with the output of the run."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.said()[-4000:]
            assert self.process.poll() is None, self.said()[-4000:]
            time.sleep(0.2)


def queue(*arguments):
    return subprocess.run(["squeue", "--noheader", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    reason = slurm_node.missing()
    if reason:
        pytest.skip(f"no SLURM can be run: {reason}")
    with slurm_node.running(tmp_path_factory.mktemp("slurm")):
        yield


def test_a_run_with_faults_ends_with_the_artefacts_of_an_undisturbed_one(slurm, copy, finished_run):
    """Reuse the corpus and the spectrograms of the undisturbed run to save time."""
    undisturbed = finished_run.digests()
    results = copy.folder / RESULTS
    for stage in results.iterdir():
        if stage.is_dir() and stage.name not in ("synthetic_corpus", "spectrograms"):
            shutil.rmtree(stage)
    first = Coordinator(copy, "first.log")
    first.wait_for(lambda: (results / "predictions" / "seed0.h5").is_file())
    assert "Trying to restart job" in first.said()
    attempts = sorted((copy.folder / ".snakemake" / "slurm_logs" / "rule_training" / "seed0").glob("*.log"))
    assert "exceeded memory limit" in attempts[0].read_text()
    first.wait_for(lambda: "RUNNING" in queue("--states", "RUNNING", "--format", "%T"))
    os.killpg(first.process.pid, signal.SIGKILL)  # in the middle of the attacks
    first.process.wait()
    running = queue("--states", "RUNNING,PENDING", "--format", "%i").split()
    assert running  # SLURM continues submitted jobs, so they are cancelled as described in docs/cluster.md
    subprocess.run(["scancel", *running], check=True)
    assert set(copy.digests()) < set(undisturbed)

    assert copy.snakemake("--unlock").returncode == 0
    with_variant = copy.configure("variant", SMALL, {"variants": {"grid_3x2": {"lime": {"n_time": 3, "n_band": 2}}}})
    second = Coordinator(copy, "second.log", (*TARGETS, "compare"), with_variant)
    assert second.process.wait(timeout=900) == 0, second.said()[-4000:]
    assert "rule training" not in second.said()  # finished files are kept
    assert "rule grid_3x2__flips" in second.said()
    made = copy.digests()
    in_base = {path for path in made if path in undisturbed}
    assert {path.removeprefix(f"{RESULTS}/").split("/")[0] for path in made.keys() - in_base} == {
        "variants",
        "figures",
        "tables",
    }
    assert {f"{RESULTS}/figures/figure2.png", f"{RESULTS}/tables/table1.csv"} <= in_base
    assert {path: made[path] for path in in_base} == {path: undisturbed[path] for path in in_base}
    assert (results / "tables" / "compare.csv").is_file()
    assert set(queue("--states", "all", "--format", "%C").split()) == {
        "1",
        "2",
    }  # numbers of cores: two for attacks, one for all other jobs
