# Figures: small tables to PNG and PDF, with the numbers shown in a CSV beside them.


localrules:
    figure1,
    figure2,
    figure3,
    figure4,
    figure_stability,
    costs,


rule figure1:
    input:
        per_song("drawings"),
    output:
        png=update(f"{RESULTS}/figures/figure1.png"),
        pdf=update(f"{RESULTS}/figures/figure1.pdf"),
        table=update(f"{RESULTS}/figures/figure1.csv"),
    log:
        f"{RESULTS}/logs/figure1.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure1.tsv"
    params:
        settings=settings("frontend", "lime.n_time", "lime.n_band"),
        note=plainly(NOTE),
        code=code("figure1"),
    script:
        "../scripts/figure1.py"


rule figure2:
    input:
        f"{RESULTS}/tables/flip_rates.csv",
    output:
        png=update(f"{RESULTS}/figures/figure2.png"),
        pdf=update(f"{RESULTS}/figures/figure2.pdf"),
        table=update(f"{RESULTS}/figures/figure2.csv"),
    log:
        f"{RESULTS}/logs/figure2.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure2.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("figure2"),
    script:
        "../scripts/figure2.py"


rule figure3:
    input:
        f"{RESULTS}/tables/localised_rows.csv",
    output:
        png=update(f"{RESULTS}/figures/figure3.png"),
        pdf=update(f"{RESULTS}/figures/figure3.pdf"),
        table=update(f"{RESULTS}/figures/figure3.csv"),
    log:
        f"{RESULTS}/logs/figure3.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure3.tsv"
    params:
        k=config["localised"]["k"],
        n_segments=config["lime"]["n_time"] * config["lime"]["n_band"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("figure3"),
    script:
        "../scripts/figure3.py"


rule figure4:
    input:
        f"{RESULTS}/tables/localised_rows.csv",
    output:
        png=update(f"{RESULTS}/figures/figure4.png"),
        pdf=update(f"{RESULTS}/figures/figure4.pdf"),
        table=update(f"{RESULTS}/figures/figure4.csv"),
    log:
        f"{RESULTS}/logs/figure4.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure4.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("figure4"),
    script:
        "../scripts/figure4.py"


rule figure_stability:
    input:
        f"{RESULTS}/tables/sampling_error.csv",
    output:
        png=update(f"{RESULTS}/figures/figure_stability.png"),
        pdf=update(f"{RESULTS}/figures/figure_stability.pdf"),
        table=update(f"{RESULTS}/figures/figure_stability.csv"),
    log:
        f"{RESULTS}/logs/figure_stability.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_stability.tsv"
    params:
        n_samples=config["lime"]["n_samples"],
        n_segments=config["lime"]["n_time"] * config["lime"]["n_band"],
        note=plainly(NOTE),
        code=code("figure_stability"),
    script:
        "../scripts/figure_stability.py"


rule costs:
    input:
        [f"{RESULTS}/figures/{name}.png" for name in FIGURES],
        [f"{RESULTS}/tables/{name}.csv" for name in TABLES],
    output:
        png=update(f"{RESULTS}/figures/costs.png"),
        pdf=update(f"{RESULTS}/figures/costs.pdf"),
        table=update(f"{RESULTS}/tables/costs.csv"),
        page=update(f"{RESULTS}/tables/costs.md"),
    log:
        f"{RESULTS}/logs/costs.log",
    params:
        results=lambda wildcards, output: Path(output.table).parents[1],
        note=plainly(NOTE),
        code=code("costs"),
    script:
        "../scripts/costs.py"
