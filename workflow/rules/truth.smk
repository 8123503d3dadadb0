# The truth study: every explainer against what all masks tell (config/truth.yaml; the same on any corpus).


if unknown := [song for song in config["truth"]["groups"] if SONGS and song not in SONGS]:
    raise refusal(
        f"truth.groups names the song {unknown[0]}, which the corpus does not hold: choose of {', '.join(sorted(SONGS))}"
    )


localrules:
    leaderboard,
    contrasts,
    gap,
    sensitivity,
    own_games,
    fidelity_worth,
    explainer_costs,
    figure_leaderboard,
    figure_explainers,


rule scores:
    input:
        flips=per_attack("flips"),
        explanations=per_attack("explanations"),
        attributions=per_explainer("attributions"),
    output:
        table=update(f"{RESULTS}/tables/scores.csv"),
    log:
        f"{RESULTS}/logs/scores.log",
    benchmark:
        f"{RESULTS}/benchmarks/scores.tsv"
    params:
        seed=config["seed"],
        n_samples=config["lime"]["n_samples"],
        n_rankings=config["truth"]["n_rankings"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("scores"),
    script:
        "../scripts/scores.py"


rule leaderboard:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/leaderboard.csv"),
        page=update(f"{RESULTS}/tables/leaderboard.md"),
    log:
        f"{RESULTS}/logs/leaderboard.log",
    benchmark:
        f"{RESULTS}/benchmarks/leaderboard.tsv"
    params:
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("leaderboard"),
    script:
        "../scripts/leaderboard.py"


rule contrasts:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/contrasts.csv"),
        page=update(f"{RESULTS}/tables/contrasts.md"),
    log:
        f"{RESULTS}/logs/contrasts.log",
    benchmark:
        f"{RESULTS}/benchmarks/contrasts.tsv"
    params:
        asked=lambda wildcards: {key: config["truth"][key] for key in ("score", "tested", "against", "margin")},
        fill=plainly(config["lime"]["fill"]),
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("contrasts"),
    script:
        "../scripts/contrasts.py"


rule gap:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/gap.csv"),
        page=update(f"{RESULTS}/tables/gap.md"),
        png=update(f"{RESULTS}/figures/gap.png"),
        pdf=update(f"{RESULTS}/figures/gap.pdf"),
    log:
        f"{RESULTS}/logs/gap.log",
    benchmark:
        f"{RESULTS}/benchmarks/gap.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("gap"),
    script:
        "../scripts/gap.py"


rule sensitivity:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/sensitivity.csv"),
        page=update(f"{RESULTS}/tables/sensitivity.md"),
    log:
        f"{RESULTS}/logs/sensitivity.log",
    benchmark:
        f"{RESULTS}/benchmarks/sensitivity.tsv"
    params:
        asked=lambda wildcards: {key: config["truth"][key] for key in ("tested", "against", "groups")},
        fill=plainly(config["lime"]["fill"]),
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("sensitivity"),
    script:
        "../scripts/sensitivity.py"


rule own_games:
    input:
        leaderboard=f"{RESULTS}/tables/leaderboard.csv",
        scores=f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/own_games.csv"),
        agreement=update(f"{RESULTS}/tables/own_games_agreement.csv"),
        page=update(f"{RESULTS}/tables/own_games.md"),
        png=update(f"{RESULTS}/figures/own_games.png"),
        pdf=update(f"{RESULTS}/figures/own_games.pdf"),
    log:
        f"{RESULTS}/logs/own_games.log",
    benchmark:
        f"{RESULTS}/benchmarks/own_games.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("own_games"),
    script:
        "../scripts/own_games.py"


rule fidelity_worth:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/fidelity_worth.csv"),
        page=update(f"{RESULTS}/tables/fidelity_worth.md"),
        png=update(f"{RESULTS}/figures/fidelity_worth.png"),
        pdf=update(f"{RESULTS}/figures/fidelity_worth.pdf"),
    log:
        f"{RESULTS}/logs/fidelity_worth.log",
    benchmark:
        f"{RESULTS}/benchmarks/fidelity_worth.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("fidelity_worth"),
    script:
        "../scripts/fidelity_worth.py"


rule truths:
    input:
        per_attack("flips"),
    output:
        table=update(f"{RESULTS}/tables/truths.csv"),
        page=update(f"{RESULTS}/tables/truths.md"),
        excerpts=update(f"{RESULTS}/tables/truths_by_excerpt.csv"),
        png=update(f"{RESULTS}/figures/truths.png"),
        pdf=update(f"{RESULTS}/figures/truths.pdf"),
    log:
        f"{RESULTS}/logs/truths.log",
    benchmark:
        f"{RESULTS}/benchmarks/truths.tsv"
    params:
        seed=config["seed"],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("truths"),
    script:
        "../scripts/truths.py"


rule explainer_costs:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        table=update(f"{RESULTS}/tables/explainer_costs.csv"),
        page=update(f"{RESULTS}/tables/explainer_costs.md"),
    log:
        f"{RESULTS}/logs/explainer_costs.log",
    benchmark:
        f"{RESULTS}/benchmarks/explainer_costs.tsv"
    params:
        results=lambda wildcards, output: Path(output.table).parents[1],
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("explainer_costs"),
    script:
        "../scripts/explainer_costs.py"


rule figure_leaderboard:
    input:
        leaderboard=f"{RESULTS}/tables/leaderboard.csv",
        scores=f"{RESULTS}/tables/scores.csv",
    output:
        png=update(f"{RESULTS}/figures/figure_leaderboard.png"),
        pdf=update(f"{RESULTS}/figures/figure_leaderboard.pdf"),
        table=update(f"{RESULTS}/figures/figure_leaderboard.csv"),
    log:
        f"{RESULTS}/logs/figure_leaderboard.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_leaderboard.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("figure_leaderboard"),
    script:
        "../scripts/figure_leaderboard.py"


rule figure_explainers:
    input:
        f"{RESULTS}/tables/scores.csv",
    output:
        png=update(f"{RESULTS}/figures/figure_explainers.png"),
        pdf=update(f"{RESULTS}/figures/figure_explainers.pdf"),
        table=update(f"{RESULTS}/figures/figure_explainers.csv"),
    log:
        f"{RESULTS}/logs/figure_explainers.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_explainers.tsv"
    params:
        fill=plainly(config["lime"]["fill"]),
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("figure_explainers"),
    script:
        "../scripts/figure_explainers.py"
