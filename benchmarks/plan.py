"""Predict what a run will cost on this machine, compare that with a run that is done, or measure how cost grows with songs.

python benchmarks/plan.py config/jamendo.yaml --cores 8              what a run will cost
python benchmarks/plan.py config.yaml --against results/synthetic    the same beside what that run has cost
python benchmarks/plan.py --linearity                                seconds per song for 1 to 93 songs of 240 s
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
import yaml
from snakemake.utils import update_config

from veracity import store
from veracity.config import check
from veracity.corpus import Song, write_labels
from veracity.devices import pick_device
from veracity.frontend import FrontEnd
from veracity.planning import as_page, compare, in_words, predict, songs_of, summarise, work
from veracity.probes import measure
from veracity.spectra import compute_spectrogram
from veracity.summaries import costs_table
from veracity.synthesis import synthesise_song

ROOT = Path(__file__).resolve().parents[1]
N_SONGS = (1, 3, 10, 30, 93)


def configuration(paths: list[Path]) -> dict:
    """Merge configurations over the default one, as ``--configfile`` does, and check the outcome."""
    merged: dict = {}
    for path in (ROOT / "config" / "config.yaml", *paths):
        update_config(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
    check(merged, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    return merged


def linearity() -> pd.DataFrame:
    """Decode and transform so many full-length songs, each from a file of its own; CPU seconds per song."""
    frontend, rows = FrontEnd(), []
    sound = synthesise_song(np.random.default_rng(0), seconds=240, sample_rate=frontend.sample_rate)
    torch.set_num_threads(1)
    for n_songs in N_SONGS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            soundfile.write(folder / "0.flac", sound.audio, sound.sample_rate)
            write_labels(folder / "0.lab", sound.intervals)
            for i in range(1, n_songs):
                shutil.copy(folder / "0.flac", folder / f"{i}.flac")
            start = time.process_time()
            for i in range(n_songs):
                song = Song(f"{i}", folder / f"{i}.flac", folder / "0.lab", "train")
                store.write(folder / f"{i}.h5", compute_spectrogram(song, frontend))
            seconds = time.process_time() - start
            on_disk = sum(path.stat().st_size for path in folder.glob("*.h5")) / 1e6
        rows.append({"stage": "spectrograms", "songs": n_songs, "cpu_seconds": seconds, "disk_mb": on_disk})
    table = pd.DataFrame(rows)
    return table.assign(cpu_seconds_per_song=table.cpu_seconds / table.songs, disk_mb_per_song=table.disk_mb / table.songs)


def main() -> int:
    """Read the command line, measure, show and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path, help="merged over config/config.yaml")
    parser.add_argument("--cores", type=int, default=2, help="jobs that will run at a time")
    parser.add_argument("--output", type=Path, help="CSV file to write")
    parser.add_argument("--against", type=Path, metavar="results/RUN", help="compare with what this run has cost")
    parser.add_argument("--linearity", action="store_true", help="measure cost against the number of songs instead")
    options = parser.parse_args()
    if options.linearity:
        shown = table = linearity()
    else:
        config = configuration(options.configs)
        gpus = torch.cuda.device_count() if pick_device(config["device"]).type == "cuda" else 0
        songs = songs_of(config)
        works = work(config, songs)
        table = predict(works, measure(config, songs, works, processes=2))
        print(in_words(summarise(table, cores=options.cores, gpus=gpus), songs), end="\n\n")
        shown = as_page(table)
        if options.against:
            shown = table = compare(table, costs_table(options.against))
    print(shown.to_markdown(index=False, floatfmt=".4g"))
    output = options.output or (Path(__file__).parent / "linearity.csv" if options.linearity else None)
    if output:
        table.to_csv(output, index=False, float_format="%.4g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
