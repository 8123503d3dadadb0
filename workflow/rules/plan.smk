# What a run will cost, before it is run.


rule plan:
    output:
        table=f"{RESULTS}/tables/plan.csv",
        page=f"{RESULTS}/tables/plan.md",
    log:
        f"{RESULTS}/logs/plan.log",
    localrule: True
    threads: 2
    params:
        settings=config,
        cores=workflow.cores or 1,
        note=config["corpus"]["note"],
        code=code("plan"),
    script:
        "../scripts/plan.py"
