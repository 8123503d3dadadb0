# Tables: artefacts of all songs to tidy CSV, and a page to read.


localrules:
    flip_rates,
    table1,
    table2,
    localised_rows,
    published,
    smallest_sets,
    localisation,
    fidelity,
    sampling_error,
    audits,


rule flip_rates:
    input:
        flips=per_attack("flips"),
        attributions=per_explainer("attributions"),
    output:
        table=update(f"{RESULTS}/tables/flip_rates.csv"),
    log:
        f"{RESULTS}/logs/flip_rates.log",
    benchmark:
        f"{RESULTS}/benchmarks/flip_rates.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("flip_rates"),
    script:
        "../scripts/flip_rates.py"


rule table1:
    input:
        f"{RESULTS}/tables/flip_rates.csv",
    output:
        table=update(f"{RESULTS}/tables/table1.csv"),
        page=update(f"{RESULTS}/tables/table1.md"),
    log:
        f"{RESULTS}/logs/table1.log",
    benchmark:
        f"{RESULTS}/benchmarks/table1.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("table1"),
    script:
        "../scripts/table1.py"


rule table2:
    input:
        f"{RESULTS}/tables/flip_rates.csv",
    output:
        table=update(f"{RESULTS}/tables/table2.csv"),
        page=update(f"{RESULTS}/tables/table2.md"),
    log:
        f"{RESULTS}/logs/table2.log",
    benchmark:
        f"{RESULTS}/benchmarks/table2.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("table2"),
    script:
        "../scripts/table2.py"


rule localised_rows:
    input:
        localised=per_attack("localised"),
        attributions=per_explainer("localised_attributions"),
    output:
        table=update(f"{RESULTS}/tables/localised_rows.csv"),
    log:
        f"{RESULTS}/logs/localised_rows.log",
    benchmark:
        f"{RESULTS}/benchmarks/localised_rows.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("localised_rows"),
    script:
        "../scripts/localised_rows.py"


rule localisation:
    input:
        f"{RESULTS}/tables/localised_rows.csv",
    output:
        table=update(f"{RESULTS}/tables/localisation.csv"),
        page=update(f"{RESULTS}/tables/localisation.md"),
    log:
        f"{RESULTS}/logs/localisation.log",
    benchmark:
        f"{RESULTS}/benchmarks/localisation.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("localisation"),
    script:
        "../scripts/localisation.py"


rule published:
    input:
        rates=f"{RESULTS}/tables/flip_rates.csv",
        localised=f"{RESULTS}/tables/localised_rows.csv",
    output:
        table=update(f"{RESULTS}/tables/published.csv"),
        page=update(f"{RESULTS}/tables/published.md"),
    log:
        f"{RESULTS}/logs/published.log",
    benchmark:
        f"{RESULTS}/benchmarks/published.tsv"
    params:
        configuration={key: config[key] for key in PUBLISHED},
        n_songs={split: len(names(split)) for split in SPLITS},
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("published"),
    script:
        "../scripts/published.py"


rule smallest_sets:
    input:
        per_attack("flips"),
    output:
        table=update(f"{RESULTS}/tables/smallest_sets.csv"),
        page=update(f"{RESULTS}/tables/smallest_sets.md"),
    log:
        f"{RESULTS}/logs/smallest_sets.log",
    benchmark:
        f"{RESULTS}/benchmarks/smallest_sets.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("smallest_sets"),
    script:
        "../scripts/smallest_sets.py"


rule fidelity:
    input:
        per_attack("explanations"),
    output:
        table=update(f"{RESULTS}/tables/fidelity.csv"),
        page=update(f"{RESULTS}/tables/fidelity.md"),
    log:
        f"{RESULTS}/logs/fidelity.log",
    benchmark:
        f"{RESULTS}/benchmarks/fidelity.tsv"
    params:
        note=plainly(NOTE),
        code=code("fidelity"),
    script:
        "../scripts/fidelity.py"


rule sampling_error:
    input:
        per_attack("stability"),
    output:
        table=update(f"{RESULTS}/tables/sampling_error.csv"),
        page=update(f"{RESULTS}/tables/sampling_error.md"),
    log:
        f"{RESULTS}/logs/sampling_error.log",
    benchmark:
        f"{RESULTS}/benchmarks/sampling_error.tsv"
    params:
        note=plainly(NOTE),
        code=code("sampling_error"),
    script:
        "../scripts/sampling_error.py"


rule audits:
    input:
        explanations=per_attack("explanations"),
        flips=per_attack("flips"),
        localised=per_attack("localised"),
        stability=per_attack("stability") if HAS_STUDY else [],
        drawings=[] if BUILD else per_song("drawings"),
    output:
        table=update(f"{RESULTS}/tables/audits.csv"),
        page=update(f"{RESULTS}/tables/audits.md"),
    log:
        f"{RESULTS}/logs/audits.log",
    benchmark:
        f"{RESULTS}/benchmarks/audits.tsv"
    params:
        note=plainly(NOTE),
        code=code("audits"),
    script:
        "../scripts/audits.py"
