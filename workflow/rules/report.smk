# One page of everything.


localrules:
    report,


rule report:
    input:
        **({"sounds": f"{RESULTS}/listening"} if "listening" in TABLES else {}),
        figures=[f"{RESULTS}/figures/{name}.png" for name in [*FIGURES, "costs"]],
        tables=[f"{RESULTS}/tables/{name}.md" for name in [*TABLES, "costs", *(["variant_costs"] if VARIANTS else [])]],
    output:
        update(f"{RESULTS}/report.html"),
    log:
        f"{RESULTS}/logs/report.log",
    params:
        configuration=config,
        code=code("report"),
    script:
        "../scripts/report.py"
