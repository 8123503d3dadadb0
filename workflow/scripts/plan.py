"""Rule plan: predict the cost of this run on this machine, without computing any of its results."""

import tempfile
from pathlib import Path

from veracity.planning.dag import jobs_of, parts_of
from veracity.planning.prediction import as_page, by_stage, in_words, predict
from veracity.planning.probes import measure, n_gpus

from _job import job
from _tables import write_table

with job(snakemake):
    config, cores = snakemake.params.settings, snakemake.params.cores
    snakefile = Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile"
    with tempfile.TemporaryDirectory() as folder:
        jobs, parts = jobs_of(config, snakefile=snakefile, folder=Path(folder), cores=cores), parts_of(config)
    gpus = n_gpus(jobs)
    predicted = predict(jobs, parts, measure(jobs, parts, snakefile=snakefile, processes=snakemake.threads, gpus=gpus))
    plan, words = by_stage(predicted), in_words(jobs, predicted, parts, cores=cores, gpus=gpus)
    write_table(snakemake, plan, as_page(plan), f"What this run will cost: {words}")
    text = f"{as_page(plan).to_markdown(index=False)}\n\n{words}"
    print(text)
print(text)  # in the terminal, because the output above is in the log
