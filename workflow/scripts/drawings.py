"""Rule drawings: draw on a "no sing" excerpt of one song until the decision is "sing", and explain it."""

from veracity.errors import ConfigError, quoted
from veracity.experiments import drawings
from veracity.experiments.drawing.files import import_drawings
from veracity.jobs import store
from veracity.songs.spectra import Spectrogram, padded_log_mel

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    frontend = of_run.frontend
    if frontend is None:
        build = quoted(snakemake.params.settings["model"]["build"])
        raise ConfigError(
            f"model.build: drawings require the spectrogram of the paper's detector, got {build}. Set it to null."
        )
    of_drawings = snakemake.params.settings["drawings"]
    shape = {"n_frames": frontend.excerpt_frames, "n_mels": frontend.n_mels}
    imported = import_drawings(of_drawings["folder"], **shape) if of_drawings["folder"] else {}
    result = drawings.compute(
        padded_log_mel(store.read(snakemake.input.spectrograms, Spectrogram), frontend).numpy(),
        of_run.model,
        of_run.lime,
        choices=drawings.DrawingChoices(of_drawings["shapes"], of_drawings["n_placements"], imported),
        threshold=of_run.threshold,
        n_frames=frontend.excerpt_frames,
        seed=snakemake.params.settings["seed"],
        song=snakemake.wildcards.song,
    )
    store.write(snakemake.output[0], result, provenance(snakemake))
