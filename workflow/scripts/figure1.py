"""Rule figure1: drawings that change "no sing" to "sing", and LIME's top segments (paper Figure 1)."""

from pathlib import Path

from veracity.experiments.drawings import DrawnExcerpt
from veracity.games.grid import SegmentGrid
from veracity.jobs import store
from veracity.results import figure1
from veracity.results.canvas import save
from veracity.songs.settings import FrontEnd, band_hz

from _job import job
from _tables import write_table

with job(snakemake):
    drawn = [(Path(path).stem, store.read(path, DrawnExcerpt)) for path in snakemake.input]
    lime, frontend = snakemake.params.settings["lime"], snakemake.params.settings["frontend"]
    hertz = band_hz(FrontEnd(**frontend))
    grid = SegmentGrid(lime["n_time"], lime["n_band"], frontend["excerpt_frames"], frontend["n_mels"])
    frames_per_second = frontend["sample_rate"] / frontend["hop_samples"]
    write_table(snakemake, figure1.table(drawn))
    figure = figure1.plot(drawn, grid=grid, frames_per_second=frames_per_second, footnote=snakemake.params.note, hertz=hertz)
    save(figure, snakemake.output.png, snakemake.output.pdf)
