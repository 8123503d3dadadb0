"""Rule report: figures, tables and provenance of this run on one page."""

from pathlib import Path

from veracity.jobs.origins import inputs_of
from veracity.jobs.usage import warnings_of
from veracity.results.report import write_report

from _job import job

with job(snakemake):
    run = Path(snakemake.output[0]).parent
    write_report(
        snakemake.output[0],
        figures={Path(path).stem: path for path in snakemake.input.figures},
        tables={Path(path).stem: path for path in snakemake.input.tables},
        configuration=snakemake.params.configuration,
        warnings=warnings_of(run),
        inputs=inputs_of(run),
        sounds=snakemake.input.get("sounds"),
    )
