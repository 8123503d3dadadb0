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
    detector = attacked_detector(snakemake, "cpu")
    frontend = detector.frontend
    grid = SegmentGrid(settings["lime"]["n_time"], settings["lime"]["n_band"], frontend.excerpt_frames, frontend.n_mels)
    stages = ("perturbations", "excerpts", "explanations", "flips")
    paths = {stage: {(Path(p).parent.name, Path(p).stem): p for p in snakemake.input[stage]} for stage in stages}
    excerpts = {key: store.read(path, Excerpts) for key, path in paths["excerpts"].items()}
    folder.mkdir(parents=True, exist_ok=True)
    for domain, name, e in listening.chosen(excerpts, settings["listening"]["per_panel"], settings["seed"]):
        attack, explanations, flips = (paths[stage][domain, name] for stage in ("perturbations", "explanations", "flips"))
        audio = load_audio(audio_of[name], sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
        part = central(audio, settings["attacks"]["seconds"], frontend.sample_rate, frontend.hop_samples)
        song = listening.AttackedSong(name, *part, read_attack(attack), excerpts[domain, name], store.read(flips, Flips))
        of_lime, fill = store.read(explanations, Explanations), settings["lime"]["fill"]
        rows += listening.write_sounds(folder, song, e, of_lime, detector, grid, fill=fill)
    table = pd.DataFrame(rows, columns=listening.COLUMNS)
    write_table(snakemake, table, listening.page(table), "Sounds of explanations")
