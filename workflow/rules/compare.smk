# A run and its variants side by side.


localrules:
    compare,
    variant_costs,


rule compare:
    input:
        lambda wildcards: compared_files(),
    output:
        table=update(f"{RESULTS}/tables/compare.csv"),
        page=update(f"{RESULTS}/tables/compare.md"),
        png=update(f"{RESULTS}/figures/compare.png"),
        pdf=update(f"{RESULTS}/figures/compare.pdf"),
        curves=update(f"{RESULTS}/figures/compare.csv"),
    log:
        f"{RESULTS}/logs/compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare.tsv"
    params:
        runs=lambda wildcards: compared(),
        seed=config["seed"],
        note=lambda wildcards: note_of_comparison(),
        called=plainly(CALLED),
        code=code("compare"),
    script:
        "../scripts/compare.py"


rule variant_costs:
    input:
        f"{RESULTS}/tables/compare.csv",
    output:
        table=update(f"{RESULTS}/tables/variant_costs.csv"),
        page=update(f"{RESULTS}/tables/variant_costs.md"),
    log:
        f"{RESULTS}/logs/variant_costs.log",
    params:
        runs=lambda wildcards: needed_by_each(),
        note=plainly(NOTE),
        code=code("variant_costs"),
    script:
        "../scripts/variant_costs.py"
