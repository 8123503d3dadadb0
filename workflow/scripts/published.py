"""Rule published: all numbers published in the paper with those of this run, and a verdict."""

from veracity.results import published
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name, configuration = snakemake.params.label_name, snakemake.params.configuration
    differing = published.differences(configuration, snakemake.params.n_songs)
    rates, localised = (read_table(path, label_name) for path in (snakemake.input.flip_rates, snakemake.input.localised_rows))
    table = published.table(rates, localised, fill=configuration["lime"]["fill"], comparable=not differing)
    preface = published.preface(differing)
    write_table(
        snakemake, table, published.page(table, label_name), "Published numbers compared with this run", preface=preface
    )
