"""Rule spectrograms: decode one song, compute magnitudes, align labels."""

from pathlib import Path

from veracity.jobs import store
from veracity.songs.corpus import Song
from veracity.songs.frontend import FrontEnd
from veracity.songs.spectrograms import compute_spectrogram

from _job import job, provenance
from _songs import song_files

with job(snakemake):
    audio, labels = song_files(snakemake)
    song = Song(snakemake.wildcards.song, Path(audio), Path(labels) if labels else None, snakemake.params.split)
    settings = snakemake.params.settings
    spectrogram = compute_spectrogram(song, FrontEnd(**settings["frontend"]), settings["corpus"]["words"])
    store.write(snakemake.output[0], spectrogram, provenance(snakemake))
