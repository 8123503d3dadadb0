"""Rule plan: what a run with this configuration will cost on this machine; nothing of it is run."""

from veracity.planning.measuring import gpu_stages, measure
from veracity.planning.prediction import as_page, in_words, predict, summarise
from veracity.planning.schedule import jobs_of
from veracity.planning.work import songs_of, work

from _job import job
from _tables import write_table

with job(snakemake):
    config = snakemake.params.settings
    songs = songs_of(config)
    works = work(config, songs)
    costs, cores = measure(config, songs, works, processes=snakemake.threads), snakemake.params.cores
    plan, (gpus, stages) = predict(works, costs), gpu_stages(config, works)
    jobs = jobs_of(works, costs, config, cores=cores, gpu_stages=stages)
    summary = summarise(plan, jobs, cores=cores, gpus=gpus, gpu_stages=stages)
    page, words = as_page(plan), in_words(summary, songs)
    write_table(snakemake, plan, page, f"What this run will cost: {words}")
    text = f"{page.to_markdown(index=False)}\n\n{words}"
    print(text)
print(text)  # on the terminal too, not only in the log
