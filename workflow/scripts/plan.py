"""Rule plan: predict the cost of this run on this machine, without computing any of its results."""

from pathlib import Path

from veracity.planning.prediction import as_page, plan

from _job import job
from _tables import write_table

with job(snakemake):
    snakefile = Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile"
    cores, processes = snakemake.params.cores, snakemake.threads
    table, (words,) = plan(snakemake.params.settings, snakefile, cores=[cores], processes=processes)
    write_table(snakemake, table, as_page(table), f"Predicted cost of this run: {words}")
    text = f"{as_page(table).to_markdown(index=False)}\n\n{words}"
    print(text)
print(text)  # in the terminal, because the output above is in the log
