"""Rule imported: check a supplied checkpoint and convert it to the format of veracity."""

from dataclasses import replace

from veracity.detector.checkpoints import load_checkpoint, save_checkpoint
from veracity.detector.pretrained import PRETRAINED
from veracity.detector.settings import Architecture
from veracity.songs.frontend import FrontEnd

from _job import job

with job(snakemake):
    settings = snakemake.params.settings
    checkpoint = load_checkpoint(
        snakemake.input[0] if snakemake.input else PRETRAINED,
        architecture=Architecture(**settings["detector"]["architecture"]),
        frontend=FrontEnd(**settings["frontend"]),
    )
    save_checkpoint(snakemake.output[0], replace(checkpoint, settings=settings))
