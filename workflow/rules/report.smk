# One HTML page of all tables, figures and sounds.


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
        settings_read=settings_read("costs"),
        code=lambda wildcards: code("report")(wildcards) + code_of_page("costs")(wildcards),
    script:
        "../scripts/report.py"
