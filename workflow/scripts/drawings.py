"""Rule drawings: draw on a "no sing" excerpt of one song until the decision is "sing", and explain it."""

from veracity.errors import ConfigError, quoted
from veracity.experiments import drawings
from veracity.experiments.drawing.files import import_drawings
from veracity.jobs import store
from veracity.songs.spectra import Spectrogram, padded_log_mel

from _explained import explained
from _job import job, provenance

with job(snakemake):
    model, settings, frontend, threshold = explained(snakemake)
    if frontend is None:
        build = quoted(snakemake.params.settings["model"]["build"])
        raise ConfigError(
            f"model.build: drawings require the spectrogram of the paper's detector, got {build}. Set it to null."
        )
    own = snakemake.params.settings["drawings"]
    shape = {"n_frames": frontend.excerpt_frames, "n_mels": frontend.n_mels}
    padded = padded_log_mel(store.read(snakemake.input.spectrograms, Spectrogram), frontend).numpy()
    result = drawings.compute(
        padded,
        model,
        settings,
        threshold=threshold,
        n_frames=frontend.excerpt_frames,
        shapes=own["shapes"],
        imported=import_drawings(own["folder"], **shape) if own["folder"] else None,
        n_placements=own["n_placements"],
        seed=snakemake.params.settings["seed"],
        song=snakemake.wildcards.song,
    )
    store.write(snakemake.output[0], result, provenance(snakemake))
