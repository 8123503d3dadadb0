# Predicted cost of a run.


rule plan:
    output:
        table=f"{RESULTS}/tables/plan.csv",
        page=f"{RESULTS}/tables/plan.md",
    log:
        log_of("plan"),
    localrule: True
    threads: 2
    params:
        settings=as_it_is(config),
        cores=lambda wildcards: workflow.cores or 1,
        note=as_it_is(RUN.note),
        code=lambda wildcards: [code_digest(path) for path in sorted(SCRIPTS.glob("[!_]*.py"))],  # of all scripts
    script:
        "../scripts/plan.py"
