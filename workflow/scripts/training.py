"""Rule training: train one detector; goes on where a killed job stopped."""

import pandas as pd

from veracity import store
from veracity.artefacts import Spectrogram
from veracity.detector import Architecture, Checkpoint, save_checkpoint
from veracity.devices import reserve_device
from veracity.files import replacing
from veracity.frontend import FrontEnd
from veracity.training import TrainingData, TrainingSettings, train

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
    )
    save_checkpoint(snakemake.output.checkpoint, Checkpoint(detector, settings=settings))
    with replacing(snakemake.output.curve) as temporary:
        pd.DataFrame(curve).to_csv(temporary, index=False, float_format="%.6g")
    saved.remove()
