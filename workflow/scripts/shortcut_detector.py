"""Rule shortcut_detector: train a copy of the attacked detector to decide by a short tone, for the control `shortcut`."""

from dataclasses import replace

from veracity.detector.checkpoints import load_checkpoint, save_checkpoint
from veracity.detector.shortcut import ShortcutSettings, train_shortcut
from veracity.jobs.devices import reserve_device
from veracity.songs.audio import load_audio
from veracity.songs.frontend import FrontEnd

from _job import job

with job(snakemake):
    settings = snakemake.params.settings
    frontend = FrontEnd(**settings["frontend"])
    start = load_checkpoint(snakemake.input.detector, frontend=frontend)
    songs = [load_audio(path, sample_rate=frontend.sample_rate) for path in snakemake.input.audio]
    shortcut, device = ShortcutSettings(**settings["controls"]["shortcut"]), reserve_device(snakemake.params.device)
    trained = train_shortcut(start.detector.to(device), songs, shortcut, seed=settings["seed"])
    save_checkpoint(snakemake.output[0], replace(trained, detector=trained.detector.cpu(), settings=settings))
