"""Measuring what a job of each stage costs, for `veracity.planning`: time, memory and disk.

A probe runs what the script of a stage runs, on a random detector and synthetic audio of any size. Each stage is measured in a
process of its own: ``python -m veracity.planning.measuring`` reads a request from its input and prints what it has measured.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..errors import VeracityError
from ..jobs.devices import pick_device, reserve_device
from ..jobs.usage import STATUS, give_back_free_memory, own_mb
from .material import Material
from .prediction import Cost
from .probes import probe_named
from .work import Songs, Work, device_of

# How a job starts: Snakemake's lines before the script's own, and what the script imports.
START_UP = {
    "torch": "import pickle, snakemake.logging, snakemake.iocontainers, veracity.attacks.song_scope, veracity.games.models",
    "table": "import pickle, snakemake.logging, snakemake.iocontainers, veracity.results.attacks, veracity.results.costs",
}
TELL = "import json, time; from veracity.jobs.usage import own_mb; print(json.dumps([time.process_time(), own_mb('VmHWM')]))"


def probe(name: str, config: Mapping[str, Any], stored: Mapping[str, Any], sizes: Sequence[tuple[float, float]]) -> list[dict]:
    """Run a probe (`veracity.planning.probes.probe_named`) in this process: its first size twice, then the others.

    Parameters
    ----------
    name : str
    config, stored : mapping
        As for `Material`.
    sizes : sequence of (units, steps)

    Returns
    -------
    list of dict
        ``units, steps, seconds, memory_mb, disk_mb`` of each run. Seconds are of the CPU, or of the clock where a GPU works.
        Memory is the peak beyond what this process held after its imports.
    """
    imports_mb = own_mb("VmRSS")
    device = reserve_device(device_of(name.split()[0], config))
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    points = []
    with tempfile.TemporaryDirectory() as folder:
        material = Material(config, stored, Path(folder), device)
        jobs = [probe_named(name)(material, *size) for size in sizes]
        for job, (units, steps) in zip([jobs[0], *jobs], [sizes[0], *sizes], strict=True):
            forget_peak()
            start = clock()
            paths = job()  # what it has written has left the GPU
            seconds = clock() - start
            disk_mb = sum(path.stat().st_size for path in paths) / 1e6
            memory_mb = own_mb("VmHWM") - imports_mb
            points.append({"units": units, "steps": steps, "seconds": seconds, "memory_mb": memory_mb, "disk_mb": disk_mb})
    return points


def forget_peak() -> None:
    """Hand back what is free and let the peak memory of this process begin anew, as in a new process; on Linux only."""
    gc.collect()
    give_back_free_memory()
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text("5", encoding="ascii")


def measure(config: Mapping[str, Any], songs: Songs, works: Sequence[Work], *, processes: int = 1) -> dict[str, Cost]:
    """Measure what jobs cost on this machine, with the configuration's own settings.

    Parameters
    ----------
    config : mapping
        The whole configuration.
    songs : Songs
    works : sequence of Work
    processes : int
        Stages that are measured at a time.

    Returns
    -------
    dict of str to Cost
        By `Work.probe`.

    Raises
    ------
    VeracityError
        When a stage cannot run with this configuration.
    """
    stored = asdict(songs)
    requests = [{"name": part.probe, "config": config, "stored": stored, "sizes": part.sizes} for part in works]
    start_ups = {}
    for kind in sorted({part.imports for part in works}):
        runs = [_python("-c", f"{START_UP[kind]}; {TELL}", what="start-up") for _ in range(2)]
        start_ups[kind] = min(seconds for seconds, _ in runs), runs[0][1]
    with ThreadPoolExecutor(processes) as pool:
        runs = list(
            pool.map(
                lambda request: _python("-m", "veracity.planning.measuring", what=request["name"], given=request), requests
            )
        )
    return {
        part.probe: fit(points, *start_ups[part.imports], holds_all=part.holds_all)
        for part, points in zip(works, runs, strict=True)
    }


def gpu_stages(config: Mapping[str, Any], works: Sequence[Work]) -> tuple[int, set[str]]:
    """Return how many GPUs work on this machine with that configuration, and the stages that do so."""
    stages = {part.stage for part in works if pick_device(device_of(part.stage, config)).type == "cuda"}
    return (torch.cuda.device_count() if stages else 0), stages


def fit(points: Sequence[Mapping[str, float]], startup: float, startup_mb: float, *, holds_all: bool) -> Cost:
    """Turn measurements into coefficients, none below zero.

    Parameters
    ----------
    points : sequence of mapping
        Of `probe`: small, small once more, large, and, where there are steps, small with more steps.
    startup, startup_mb : float
        CPU seconds and peak memory of the imports.
    holds_all : bool
        As of `veracity.planning.work.Work`: memory grows with units.
    """
    first, small, large, *more = points
    n_units = large["units"] - small["units"]

    def line(name: str) -> tuple[float, float]:
        slope = max(0.0, (large[name] - small[name]) / n_units)
        return max(0.0, small[name] - slope * small["units"]), slope

    per_step = max(0.0, (more[0]["seconds"] - small["seconds"]) / (more[0]["steps"] - small["steps"])) if more else 0.0
    per_unit = max(0.0, (large["seconds"] - small["seconds"] - per_step * (large["steps"] - small["steps"])) / n_units)
    fixed = max(0.0, small["seconds"] - per_unit * small["units"] - (per_step * small["steps"] if more else 0.0))
    fixed += max(0.0, first["seconds"] - small["seconds"])  # every job is the first of its process
    memory = line("memory_mb") if holds_all else (max(point["memory_mb"] for point in points), 0.0)
    return Cost(startup, fixed, per_unit, per_step, startup_mb + memory[0], memory[1], *line("disk_mb"))


def _python(*arguments: str, what: str, given: Any = None) -> Any:
    """Run Python as Snakemake runs a script that has one thread; return the JSON that it prints."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(  # noqa: S603 (this package)
        [sys.executable, *arguments],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env={**os.environ, **threads},
        check=False,
    )
    if done.returncode:
        raise VeracityError(f"the cost of {what} cannot be measured: {(done.stderr.splitlines() or ['killed'])[-1]}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(probe(**json.load(sys.stdin))))
