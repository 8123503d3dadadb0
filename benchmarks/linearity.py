"""Cost of each stage by number of songs, from whole runs on 3 to 93 synthetic songs of full length.

python benchmarks/linearity.py                writes benchmarks/linearity.csv
python benchmarks/linearity.py --runs 1 2     runs the smallest two only; prints the table and writes nothing

Songs are split like the paper's 93 (61 for training, 16 for the threshold, 16 for attacks), so a stage processes up to 16, 61
or 93 of them. There are fewer updates and excerpts than in the paper, so that the runs take an hour. The work per song is the
same in all runs.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ((1, 1, 1), (8, 2, 2), (20, 5, 5), (61, 16, 16))  # songs for training, for the threshold, for attacks
SECONDS = 240.0
# Splits whose songs a stage processes, by their position above; all other stages process the attacked songs.
WORKS_ON = {
    "synthetic_corpus": (0, 1, 2),
    "spectrograms": (0, 1, 2),
    "training": (0,),
    "predictions": (1, 2),
    "detector": (1, 2),
}


def overlay(counts: tuple[int, int, int]) -> dict:
    """Return the configuration of a run, to be merged over the default one."""
    songs = dict(zip(("n_train", "n_valid", "n_test"), counts, strict=True))
    return {
        "run": "linearity",
        "device": "cpu",
        "corpus": {"synthetic": {**songs, "seconds": SECONDS}},
        "detector": {"n_seeds": 1, "training": {"n_updates": 100}},
        "attacks": {"seconds": None, "waveform": {"max_updates": 8}, "spectrogram": {"max_updates": 8}},
        "excerpts": {"per_direction": 1},
        "lime": {"fills": ["mean"]},
        "stability": {"n_samples": [512], "n_repeats": 2},
    }


def costs(counts: tuple[int, int, int], cores: int) -> pd.DataFrame:
    """Run the workflow on the given numbers of songs in a temporary folder, and return the costs of its stages."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(yaml.safe_dump(overlay(counts)), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "all", "costs", "--cores", str(cores), "--quiet", "progress"]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        command += ["--configfile", str(ROOT / "config" / "config.yaml"), str(config)]
        subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 (the project's own workflow)
        table = pd.read_csv(Path(folder, "results", "linearity", "tables", "costs.csv"))
    songs = [sum(counts[i] for i in WORKS_ON.get(stage, (2,))) for stage in table.stage]
    table = table.assign(corpus=sum(counts), songs=songs)
    return table[["stage", "corpus", "songs", "jobs", "cpu_seconds", "peak_memory_mb", "disk_mb"]]


def lines(table: pd.DataFrame) -> pd.DataFrame:
    """Fit a straight line to the CPU seconds of each stage as a function of the number of songs that it processes.

    Returns
    -------
    DataFrame
        One row per stage: CPU seconds by size of the corpus, ``fixed`` and ``per_song`` CPU seconds of the line, and
        ``off_percent``, the largest distance of a run from the line relative to the largest run.
    """
    wide = table.pivot(index="stage", columns="corpus", values="cpu_seconds")
    for stage, runs in table.groupby("stage"):
        per_song, fixed = np.polyfit(runs.songs, runs.cpu_seconds, 1)
        off = np.abs(runs.cpu_seconds - fixed - per_song * runs.songs).max() / runs.cpu_seconds.max()
        wide.loc[stage, ["fixed", "per_song", "off_percent"]] = fixed, per_song, 100 * off
    return wide.sort_values("per_song", ascending=False)


def main() -> int:
    """Parse the command line, run the workflow, and print and write the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=int, nargs="+", choices=range(1, len(SPLITS) + 1), help="numbers of the runs, 1 for the smallest"
    )
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    runs = [SPLITS[i - 1] for i in options.runs] if options.runs else SPLITS
    table = pd.concat([costs(counts, options.cores) for counts in runs], ignore_index=True)
    print("CPU seconds by songs of the corpus\n" + lines(table).to_markdown(floatfmt=".3g"))
    if not options.runs:
        table.to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
