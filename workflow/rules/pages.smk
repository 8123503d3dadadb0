# Tables and figures, with one rule for each line of the table in page_table.smk. Rule, script and module in veracity/results
# have the same name.
for page, (read, outputs, params) in PAGES.items():

    rule:
        name:
            page
        input:
            **inputs_of(page),
        output:
            **{kind: f"{RESULTS}/{path.format(page)}" for kind, path in outputs.items()},
        log:
            log_of(page),
        benchmark:
            benchmark_of(page)
        localrule: page not in ("corpus", "scores", "truths")  # these take long
        params:
            **params,
            note=as_it_is(note_of_comparison() if page == "compare" else RUN.note),
            label_name=as_it_is(RUN.label_name),
            page=page,
            above=decided_by(page),
            code=code(page, *sorted(pages_above(page))),
        script:
            "../scripts/{params.page}.py"  # from params, because `page` has its last value when the job runs


rule tuning:
    input:
        tuning_runs_of_all,
    output:
        table=f"{RESULTS}/tables/tuning.csv",
        page=f"{RESULTS}/tables/tuning.md",
    log:
        log_of("tuning"),
    benchmark:
        benchmark_of("tuning")
    localrule: True
    params:
        note=as_it_is(RUN.note),
        code=code("tuning", "tuning_runs"),
    script:
        "../scripts/tuning.py"


rule report:
    input:
        **({"sounds": f"{RESULTS}/listening"} if "listening" in TABLES else {}),
        figures=[f"{RESULTS}/figures/{name}.png" for name in [*FIGURES, "costs"]],
        tables=[
            f"{RESULTS}/tables/{name}.md" for name in [*TABLES, "costs", *(["variant_costs"] if config["variants"] else [])]
        ],
    output:
        f"{RESULTS}/report.html",
    log:
        log_of("report"),
    localrule: True
    params:
        configuration=as_it_is(config),
        above=decided_by("costs"),
        code=code("report", *sorted(pages_above("costs"))),
    script:
        "../scripts/report.py"
