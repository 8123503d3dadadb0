"""Rule planted: train a copy of the attacked detector to decide by a short tone, for the control `cue`."""

from dataclasses import replace

from veracity.detector.checkpoints import load_checkpoint, save_checkpoint
from veracity.detector.planted import CueSettings, plant
from veracity.jobs.devices import reserve_device
from veracity.songs.audio import load_audio
from veracity.songs.frontend import FrontEnd

from _job import job

with job(snakemake):
    settings = snakemake.params.settings
    frontend = FrontEnd(**settings["frontend"])
    given = load_checkpoint(snakemake.input.detector, frontend=frontend)
    songs = [load_audio(path, sample_rate=frontend.sample_rate) for path in snakemake.input.audio]
    cue, device = CueSettings(**settings["controls"]["cue"]), reserve_device(snakemake.params.device)
    taught = plant(given.detector.to(device), songs, cue, seed=settings["seed"])
    save_checkpoint(snakemake.output[0], replace(taught, detector=taught.detector.cpu(), settings=settings))
