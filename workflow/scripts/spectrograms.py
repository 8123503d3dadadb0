"""Rule spectrograms: decode one song, compute magnitudes, align labels."""

from pathlib import Path

from veracity.jobs import store
from veracity.songs.corpus import Song
from veracity.songs.frontend import FrontEnd
from veracity.songs.spectrograms import compute_spectrogram

from _job import job, provenance

with job(snakemake):
    settings, labels = snakemake.params.settings, snakemake.input.get("labels")
    song = Song(snakemake.wildcards.song, Path(snakemake.input.audio), Path(labels) if labels else None, settings["split"])
    spectrogram = compute_spectrogram(song, FrontEnd(**settings["frontend"]), settings["corpus"]["words"])
    store.write(snakemake.output[0], spectrogram, provenance(snakemake))
