"""Rule training: train one detector; a killed job resumes."""

import pandas as pd

from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.detector.settings import Architecture, TrainingSettings
from veracity.detector.training import train
from veracity.detector.training_data import TrainingData
from veracity.jobs import store
from veracity.jobs.devices import reserve_device
from veracity.jobs.files import replacing
from veracity.songs.frontend import FrontEnd
from veracity.songs.spectra import Spectrogram

from _job import job
from _resumed import saved_state

with job(snakemake):
    settings, saved = snakemake.params.settings, saved_state(snakemake)
    songs = (store.read(path, Spectrogram) for path in snakemake.input)
    data = TrainingData(
        ((song.magnitude, song.is_sing) for song in songs),
        FrontEnd(**settings["frontend"]),
        TrainingSettings(**settings["detector"]["training"]),
    )
    detector, curve = train(
        data,
        Architecture(**settings["detector"]["architecture"]),
        seed=settings["seed"] + int(snakemake.wildcards.detector.removeprefix("seed")),
        device=reserve_device(snakemake.params.device),
        saved=saved,
        threads=snakemake.threads,
    )
    save_checkpoint(snakemake.output.checkpoint, Checkpoint(detector, settings=settings))
    with replacing(snakemake.output.curve) as temporary:
        pd.DataFrame(curve).to_csv(temporary, index=False, float_format="%.6g")
    saved.remove()
