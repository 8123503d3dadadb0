"""Rule listening: sounds of a few excerpts of each panel, with predictions of the detector."""

from pathlib import Path

import pandas as pd

from veracity.attacks.excerpts import Excerpts
from veracity.attacks.perturbations import read_attack
from veracity.attacks.perturbed import central
from veracity.experiments import listening
from veracity.experiments.explanations import Explanations
from veracity.experiments.flips import Flips
from veracity.games.grid import SegmentGrid
from veracity.jobs import store
from veracity.songs.audio import load_audio

from _attacked import attacked_detector
from _job import job
from _tables import write_table

with job(snakemake):
    settings, folder, rows = snakemake.params.settings, Path(snakemake.output.sounds), []
    audio_of = dict(zip(snakemake.params.songs, snakemake.input.audio, strict=True))
    network, frontend, threshold = attacked_detector(snakemake, "cpu")
    grid = SegmentGrid(settings["lime"]["n_time"], settings["lime"]["n_band"], frontend.excerpt_frames, frontend.n_mels)
    stages = ("perturbations", "excerpts", "explanations", "flips")
    paths = {stage: {(Path(p).parent.name, Path(p).stem): p for p in snakemake.input[stage]} for stage in stages}
    excerpts = {key: store.read(path, Excerpts) for key, path in paths["excerpts"].items()}
    folder.mkdir(parents=True, exist_ok=True)
    for domain, song, e in listening.chosen(excerpts, settings["listening"]["per_panel"], settings["seed"]):
        attack, explained, flips = (paths[stage][domain, song] for stage in ("perturbations", "explanations", "flips"))
        audio = load_audio(audio_of[song], sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        audio, start = central(audio, settings["attacks"]["seconds"], frontend.sample_rate, frontend.hop_samples)
        known = {"fill": settings["lime"]["fill"], "threshold": threshold, "song": song, "start_seconds": start}
        read = store.read(explained, Explanations), store.read(flips, Flips)
        item = read_attack(attack), excerpts[domain, song], e
        rows += listening.write_sounds(folder, audio, *item, *read, network, frontend, grid, **known)
    table = pd.DataFrame(rows, columns=listening.COLUMNS)
    write_table(snakemake, table, listening.page(table), "Sounds of explanations")
