# Tables and figures, with one rule for each. Rule, script and module in veracity/results have the same name.
# Each entry of PAGES consists of inputs, outputs, and parameters in addition to the note and the name of the label.
TABLE = {"table": "tables/{}.csv", "page": "tables/{}.md"}
FIGURE = {"png": "figures/{}.png", "pdf": "figures/{}.pdf"}
PLOTTED = {**FIGURE, "table": "figures/{}.csv"}  # a figure and its data
FILL, SEED = {"fill": config["lime"]["fill"]}, {"seed": config["seed"]}
N_SEGMENTS = config["lime"]["n_time"] * config["lime"]["n_band"]
HAS_STUDY = bool(config["stability"]["n_samples"]) and config["lime"]["exact"]
# Keys on which the published numbers depend.
PUBLISHED = ("corpus", "frontend", "model", "detector", "attacks", "excerpts", "lime")


def table(name):
    return f"{RESULTS}/tables/{name}.csv"


def truth(*keys):
    return {"asked": {key: config["truth"][key] for key in keys}}


RATES, ROWS, SCORES = ({"rows": table(name)} for name in ("flip_rates", "localised_rows", "scores"))
LEADERS = {"leaderboard": table("leaderboard"), "scores": table("scores")}
LOOK = {"results": RESULTS}  # the script reads benchmarks and logs
PAGES = {
    "corpus": ({"spectrograms": spectrograms_of(RUN.decoded)}, TABLE, {}),
    "detector": ({"predictions": [RUN.path("predictions", detector=name) for name in RUN.detectors]}, TABLE, {}),
    "attacks": ({stage: per_attack(stage) for stage in ("perturbations", "excerpts")}, TABLE, {}),
    "tuning": ({"runs": tuning_runs_of_all}, TABLE, {}),
    # Tables 1 and 2, Figures 1 to 4 of the paper
    "flip_rates": (
        {"flips": per_attack("flips"), "attributions": per_explainer("attributions")},
        {"table": "tables/{}.csv"},
        {},
    ),
    "localised_rows": (
        {"localised": per_attack("localised"), "attributions": per_explainer("localised_attributions")},
        {"table": "tables/{}.csv"},
        {},
    ),
    "table1": (RATES, TABLE, FILL),
    "table2": (RATES, TABLE, FILL),
    "published": (
        {"rates": table("flip_rates"), "localised": table("localised_rows")},
        TABLE,
        {
            "configuration": {key: config[key] for key in PUBLISHED},
            "n_songs": {split: len(RUN.names(split)) for split in SPLITS},
        },
    ),
    "figure1": (
        {"drawings": lambda wildcards: [RUN.path("drawings", song=name) for name in RUN.explained]},
        PLOTTED,
        {"settings": settings("frontend", "lime.n_time", "lime.n_band")},
    ),
    "figure2": (RATES, PLOTTED, FILL),
    "figure3": (ROWS, PLOTTED, {"k": config["localised"]["k"], "n_segments": N_SEGMENTS}),
    "figure4": (ROWS, PLOTTED, {}),
    # results not in the paper
    "smallest_sets": ({"flips": per_attack("flips")}, TABLE, {}),
    "localisation": (ROWS, TABLE, {}),
    "fidelity": ({"explanations": per_attack("explanations")}, TABLE, {}),
    "sampling_error": ({"stability": per_attack("stability")}, TABLE, {}),
    "figure_stability": (
        {"rows": table("sampling_error")},
        PLOTTED,
        {"n_samples": config["lime"]["n_samples"], "n_segments": N_SEGMENTS},
    ),
    "audits": (
        {
            **{stage: per_attack(stage) for stage in ("explanations", "flips", "localised")},
            "stability": per_attack("stability") if HAS_STUDY else [],
            "drawings": [] if BUILD else [RUN.path("drawings", song=name) for name in RUN.explained],
        },
        TABLE,
        {},
    ),
    # truth study: scores of all explainers against the exact flip sets
    "scores": (
        {
            **{stage: per_attack(stage) for stage in ("flips", "explanations")},
            "attributions": per_explainer("attributions"),
        },
        {"table": "tables/{}.csv"},
        {**SEED, "n_samples": config["lime"]["n_samples"], "n_rankings": config["truth"]["n_rankings"]},
    ),
    "leaderboard": (SCORES, TABLE, SEED),
    "contrasts": (SCORES, TABLE, {**FILL, **SEED, **truth("score", "tested", "against", "margin")}),
    "gap": (SCORES, {**TABLE, **FIGURE}, {**FILL, **SEED}),
    "sensitivity": (SCORES, TABLE, {**FILL, **SEED, **truth("tested", "against", "groups")}),
    "own_games": (LEADERS, {**TABLE, **FIGURE, "agreement": "tables/{}_agreement.csv"}, {**FILL, **SEED}),
    "fidelity_worth": (SCORES, {**TABLE, **FIGURE}, {**FILL, **SEED}),
    "truths": (
        {"flips": per_attack("flips")},
        {**TABLE, **FIGURE, "excerpts": "tables/{}_by_excerpt.csv"},
        SEED,
    ),
    "explainer_costs": (SCORES, TABLE, LOOK),
    "figure_leaderboard": (LEADERS, PLOTTED, {}),
    "figure_explainers": (SCORES, PLOTTED, FILL),
    "controls": (
        {"controlled": controlled_of_all},
        {**TABLE, **FIGURE, "excerpts": "tables/{}_by_excerpt.csv"},
        {**SEED, "margin": config["controls"]["margin"], "left_out": as_it_is(RUN.controls_left_out)},
    ),
}
TRUTH_TABLES = ["leaderboard", "contrasts", "gap", "sensitivity", "own_games", "fidelity_worth", "truths", "explainer_costs"]
TRUTH_FIGURES = ["figure_explainers", "figure_leaderboard", "gap", "own_games", "fidelity_worth", "truths"]
# Tables and figures of the target `all`.
TABLES = [
    *("corpus", "classifier" if BUILD else "detector", "attacks", "table1", "table2", "published", "smallest_sets"),
    *("localisation", "fidelity", *(["sampling_error"] if HAS_STUDY else []), "audits"),
    *(TRUTH_TABLES if config["lime"]["exact"] else []),
    *(["listening"] if config["listening"]["per_panel"] and not BUILD and not RUN.predict else []),
    *(["controls"] if config["controls"]["all"] else []),
    *(["compare"] if config["variants"] else []),
]
FIGURES = [
    *([] if BUILD else ["figure1"]),
    *("figure2", "figure3", "figure4", *(["figure_stability"] if HAS_STUDY else [])),
    *(TRUTH_FIGURES if config["lime"]["exact"] else []),
    *(["controls"] if config["controls"]["all"] else []),
    *(["compare"] if config["variants"] else []),
]
if not VARIANT:
    PAGES["compare"] = (
        {"artefacts": compared_files},
        {**TABLE, **FIGURE, "curves": "figures/{}.csv"},
        {**SEED, "runs": as_it_is(compared())},
    )
    PAGES["variant_costs"] = (
        {"rows": table("compare")},
        TABLE,
        {"runs": as_it_is(needed_by_each())},
    )
PAGES["costs"] = (
    {
        "figures": [f"{RESULTS}/figures/{name}.png" for name in FIGURES],
        "tables": [table(name) for name in TABLES],
    },
    {**TABLE, **FIGURE},
    LOOK,
)

for page, (inputs, outputs, params) in PAGES.items():

    rule:
        name:
            page
        input:
            **inputs,
        output:
            **{kind: f"{RESULTS}/{path.format(page)}" for kind, path in outputs.items()},
        log:
            log_of(page),
        benchmark:
            benchmark_of(page)
        localrule: page not in ("corpus", "scores", "truths")
        params:
            **params,
            note=as_it_is(note_of_comparison() if page == "compare" else RUN.note),
            called=as_it_is(RUN.label_name),
            page=page,
            code=code(page),
        script:
            "../scripts/{params.page}.py"  # from params, because `page` has its last value when the job runs


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
        code=code("report"),
    script:
        "../scripts/report.py"
