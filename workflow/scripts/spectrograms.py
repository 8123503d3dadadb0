"""Rule spectrograms: decode one song, compute magnitudes, align labels."""

from pathlib import Path

from veracity.jobs import store
from veracity.songs.corpus import Song
from veracity.songs.frontend import FrontEnd
from veracity.songs.spectrograms import compute_spectrogram

from _job import job, provenance
from _songs import song_files

with job(snakemake):
    song = Song(snakemake.wildcards.song, *map(Path, song_files(snakemake)), snakemake.params.split)
    spectrogram = compute_spectrogram(song, FrontEnd(**snakemake.params.settings["frontend"]))
    store.write(snakemake.output[0], spectrogram, provenance(snakemake))
