"""Rule report: figures, tables and provenance of this run on one page."""

from pathlib import Path

from veracity.results.report import write_report

from _job import job

with job(snakemake):
    write_report(
        snakemake.output[0],
        figures={Path(path).stem: path for path in snakemake.input.figures},
        tables={Path(path).stem: path for path in snakemake.input.tables},
        configuration=snakemake.params.configuration,
    )
