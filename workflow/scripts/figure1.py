"""Rule figure1: drawings that turn "no sing" into "sing", and LIME's segments (paper Figure 1)."""

from pathlib import Path

from veracity import store
from veracity.artefacts import DrawnExcerpt
from veracity.figures import figure1, save
from veracity.grid import SegmentGrid
from veracity.summaries import drawings_table

from _job import job, write_table

with job(snakemake):
    drawn = [(Path(path).stem, store.read(path, DrawnExcerpt)) for path in snakemake.input]
    lime, frontend = snakemake.params.settings["lime"], snakemake.params.settings["frontend"]
    grid = SegmentGrid(lime["n_time"], lime["n_band"], frontend["excerpt_frames"], frontend["n_mels"])
    frames_per_second = frontend["sample_rate"] / frontend["hop_samples"]
    write_table(snakemake, drawings_table(drawn))
    figure = figure1(drawn, grid=grid, frames_per_second=frames_per_second, footnote=snakemake.params.note)
    save(figure, snakemake.output.png, snakemake.output.pdf)
