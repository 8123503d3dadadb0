"""Rule predictions: predictions of one detector for validation and test songs, and its threshold."""

from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.predictions import predict_songs
from veracity.jobs import store
from veracity.jobs.devices import reserve_device
from veracity.songs.frontend import FrontEnd
from veracity.songs.spectra import Spectrogram

from _job import job, provenance

with job(snakemake):
    checkpoint = load_checkpoint(snakemake.input.detector, frontend=FrontEnd(**snakemake.params.settings["frontend"]))
    detector = checkpoint.detector
    settings = snakemake.params.settings["detector"]
    predictions = predict_songs(
        detector.network().to(reserve_device(snakemake.params.device)),
        (store.read(path, Spectrogram) for path in snakemake.input.spectrograms),
        detector.frontend,
        detector=snakemake.wildcards.detector,
        checkpoint_threshold=checkpoint.threshold,
        **settings,
    )
    store.write(snakemake.output[0], predictions, provenance(snakemake))
