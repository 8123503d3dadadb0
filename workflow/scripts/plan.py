"""Rule plan: what a run with this configuration will cost on this machine; nothing of it is run."""

import pandas as pd

from veracity.planning.measuring import gpu_stages, measure
from veracity.planning.prediction import as_page, in_words, predict, summarise
from veracity.planning.schedule import jobs_of
from veracity.planning.sharing import configurations
from veracity.planning.work import only, songs_of, work

from _job import job
from _tables import write_table

with job(snakemake):
    config, cores = snakemake.params.settings, snakemake.params.cores
    variants, plans, jobs, gpu_work = configurations(config), [], [], set()
    for name, its in {"": config, **variants}.items():
        songs = songs_of(its)
        works = work(its, songs)
        if name:
            works = only(works, snakemake.params.own[name], assumed=songs.assumed)
        if not works:
            continue  # a variant that shares everything
        costs, (gpus, stages) = measure(its, songs, works, processes=snakemake.threads), gpu_stages(its, works)
        plans.append(predict(works, costs).assign(variant=name))
        jobs += jobs_of(works, costs, its, cores=cores, gpu_stages=stages, variant=name)
        gpu_work |= set(stages)
    plan = pd.concat(plans, ignore_index=True)
    summary = summarise(plan, jobs, cores=cores, gpus=gpus, gpu_stages=gpu_work)
    page, words = as_page(plan), ". ".join([in_words(summary, songs_of(config)).rstrip("."), *snakemake.params.shared]) + "."
    write_table(snakemake, plan, page, f"What this run will cost: {words}")
    text = f"{page.to_markdown(index=False)}\n\n{words}"
    print(text)
print(text)  # on the terminal too, not only in the log
