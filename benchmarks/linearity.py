"""Cost of each stage against the number of songs: whole runs on 1 to 93 synthetic songs of full length.

python benchmarks/linearity.py                  writes benchmarks/linearity.csv
python benchmarks/linearity.py --songs 1 2      fewer songs; shows the table only

A run has so many songs to train on and as many to attack, and one for the threshold. Songs have their full length; there are
fewer updates and excerpts than the paper has: the work on a song is what stays the same.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
N_SONGS = (1, 10, 93)
SECONDS = 240.0


def overlay(n_songs: int) -> dict:
    """Return the configuration of a run, to be merged over the default one."""
    return {
        "run": "linearity",
        "device": "cpu",
        "corpus": {"synthetic": {"n_train": n_songs, "n_valid": 1, "n_test": n_songs, "seconds": SECONDS}},
        "detector": {"n_seeds": 1, "training": {"n_updates": 100}},
        "attacks": {"waveform": {"max_updates": 30}, "spectrogram": {"max_updates": 30}},
        "excerpts": {"per_direction": 1},
        "lime": {"fills": ["mean"]},
        "localised": {"k": [1]},
        "drawings": {"shapes": ["house"], "n_placements": 1},
        "stability": {"n_samples": [512], "n_repeats": 2},
    }


def costs(n_songs: int, cores: int) -> pd.DataFrame:
    """Run everything on so many songs, in a folder that is deleted afterwards, and return what its stages cost."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(yaml.safe_dump(overlay(n_songs)), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "all", "costs", "--cores", str(cores), "--quiet", "progress"]
        command += [
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--directory",
            folder,
            "--configfile",
            str(ROOT / "config" / "config.yaml"),
            str(config),
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 (the project's own workflow)
        table = pd.read_csv(Path(folder, "results", "linearity", "tables", "costs.csv"))
    return table.assign(songs=n_songs)[["stage", "songs", "jobs", "cpu_seconds", "peak_memory_mb", "disk_mb"]]


def main() -> int:
    """Read the command line, run, show and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, nargs="+", help=f"numbers of songs; of {N_SONGS} the table is kept")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    table = pd.concat([costs(n_songs, options.cores) for n_songs in options.songs or N_SONGS], ignore_index=True)
    table["cpu_seconds_per_song"] = table.cpu_seconds / table.songs
    wide = table.pivot(index="stage", columns="songs", values="cpu_seconds_per_song")
    print("CPU seconds per song\n" + wide.sort_values(wide.columns[-1], ascending=False).to_markdown(floatfmt=".3g"))
    if not options.songs:
        table.to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
