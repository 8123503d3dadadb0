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
        cores=lambda wildcards: workflow.cores or 1,
        note=plainly(NOTE),
        code=[code(path.stem) for path in sorted(SCRIPTS.glob("[!_]*.py"))],  # all of it is measured
    script:
        "../scripts/plan.py"
