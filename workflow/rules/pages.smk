# Tables and figures, with one rule for each line of the table in page_table.smk.


def upstream_pages(page):
    """Return the other pages that a page reads, directly or through others."""
    return {one for name in PAGES[page].reads if name in PAGES for one in (name, *upstream_pages(name))}


def stages_read(page):
    """Return the stages whose artefacts a page reads, directly or through other pages."""
    return {name for one in (page, *upstream_pages(page)) for name in PAGES[one].reads if name not in PAGES}


def code_of_page(page):
    """Return a parameter with digests of the scripts of a page and of all pages and stages upstream; see `code_of`."""
    stages = {one for name in stages_read(page) for one in (name, *upstream(RUN.stages, name))}
    return code(page, *sorted(upstream_pages(page)), *sorted(stages))


def settings_read(page):
    """Return a parameter with digests of the settings of all artefacts that a page reads; see `code_of`."""
    return lambda wildcards: [run.digest_of_stages(stages_read(page)) for run in PAGES[page].runs]


def outputs_of(page):
    return {name: f"{RESULTS}/{path.format(page)}" for name, path in PAGES[page].outputs.items()}


def all_of(stage, runs):
    """Return an input function for all artefacts of a stage of the given runs, which may share some."""
    return lambda wildcards: list(dict.fromkeys(path for run in runs for path in run.paths(stage)))


def inputs_of(page):
    """Return the inputs of a page: all artefacts of the stages and the first output of the pages that it reads."""
    row = PAGES[page]
    read = {name: next(iter(outputs_of(name).values())) if name in PAGES else all_of(name, row.runs) for name in row.reads}
    return read | row.inputs


for page, row in PAGES.items():

    rule:
        name:
            page
        input:
            **inputs_of(page),
        output:
            **{name: directory(path) if name == "sounds" else path for name, path in outputs_of(page).items()},
        log:
            log_of(page),
        benchmark:
            benchmark_of(page)
        # The classifier is checked first. It is not an input of attacks, because a change of explanation settings would then
        # re-run all attacks.
        priority: 1000 if page == "classifier" else 0
        localrule: page not in ("classifier", "corpus", "listening", "scores", "truths")  # these are slow
        params:
            **as_they_are({"note": RUN.note, "label_name": RUN.label_name, **row.params}),
            page=page,
            settings_read=settings_read(page),
            code=code_of_page(page),
        script:
            "../scripts/{params.page}.py"  # from params, because `page` has its last value when the job runs
