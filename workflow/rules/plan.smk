# What a run will cost, before it is run.


rule plan:
    output:
        table=update(f"{RESULTS}/tables/plan.csv"),
        page=update(f"{RESULTS}/tables/plan.md"),
    log:
        f"{RESULTS}/logs/plan.log",
    localrule: True
    threads: 2
    params:
        settings=config,
        own=lambda wildcards: {name: counted(RUNS.own(one)) for name, one in zip(VARIANTS, RUNS[1:])},
        shared=lambda wildcards: variants_words(),
        cores=lambda wildcards: workflow.cores or 1,
        note=plainly(NOTE),
        code=code("plan"),
    script:
        "../scripts/plan.py"
