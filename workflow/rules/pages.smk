# Tables and figures, with one rule for each line of the table in page_table.smk.


def pages_behind(page):
    """Return the other pages that a page reads, directly or through others."""
    return {one for name in PAGES[page].reads if name in PAGES for one in (name, *pages_behind(name))}


def stages_behind(page):
    """Return the stages whose artefacts a page reads, directly or through other pages."""
    return {name for one in (page, *pages_behind(page)) for name in PAGES[one].reads if name not in PAGES}


def code_of_page(page):
    """Return a parameter with digests of the scripts of a page and of all pages and stages upstream; see `code_of`."""
    stages = {one for name in stages_behind(page) for one in (name, *upstream(RUN.stages, name))}
    return code(page, *sorted(pages_behind(page)), *sorted(stages))


def settings_behind(page):
    """Return a parameter with digests of the settings of all artefacts that a page reads; see `code_of`."""
    return lambda wildcards: [run.digest_of_stages(stages_behind(page)) for run in PAGES[page].runs]


def inputs_of(page):
    """Return the inputs of a page by the name of the stage or page: all artefacts of the stage, or the first output."""

    def artefacts_of(stage):
        return lambda wildcards: list(dict.fromkeys(path for run in PAGES[page].runs for path in run.paths(stage)))

    reads = PAGES[page].reads
    return {name: outputs_of(name)[0] if name in PAGES else artefacts_of(name) for name in reads} | PAGES[page].inputs


def outputs_of(page):
    return [f"{RESULTS}/{path.format(page)}" for path in PAGES[page].outputs.values()]


for page, row in PAGES.items():

    rule:
        name:
            page
        input:
            **inputs_of(page),
        output:
            **{kind: directory(path) if kind == "sounds" else path for kind, path in zip(row.outputs, outputs_of(page))},
        log:
            log_of(page),
        benchmark:
            benchmark_of(page)
        # The classifier is checked first. It is not an input of attacks, because a change of explanation settings would then
        # re-run all attacks.
        priority: 1000 if page == "classifier" else 0
        localrule: page not in ("classifier", "corpus", "listening", "scores", "truths")  # these take long
        params:
            **as_they_are({"note": RUN.note, "label_name": RUN.label_name, **row.params}),
            page=page,
            settings_behind=settings_behind(page),
            code=code_of_page(page),
        script:
            "../scripts/{params.page}.py"  # from params, because `page` has its last value when the job runs


rule report:
    input:
        **({"sounds": f"{RESULTS}/listening"} if PAGES["listening"].when else {}),
        figures=[f"{RESULTS}/figures/{name}.png" for name in REPORTED if "png" in PAGES[name].outputs],
        tables=[f"{RESULTS}/tables/{name}.md" for name in REPORTED if "page" in PAGES[name].outputs],
    output:
        f"{RESULTS}/report.html",
    log:
        log_of("report"),
    localrule: True
    params:
        configuration=as_it_is(config),
        settings_behind=settings_behind("costs"),
        code=lambda wildcards: code("report")(wildcards) + code_of_page("costs")(wildcards),
    script:
        "../scripts/report.py"
