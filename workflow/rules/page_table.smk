# Tables and figures, for the rules in pages.smk. Rule, script and module in veracity/results have the same name.
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
    return {"contrasts": {key: config["truth"][key] for key in keys}}


RATES, ROWS, SCORES = ["flip_rates"], ["localised_rows"], ["scores"]
LEADERS = ["leaderboard", "scores"]
ALL_RESULTS = {"results": lambda wildcards, output: str(Path(output.table).parents[1])}  # with benchmarks and logs
CSV = {"table": "tables/{}.csv"}
BY_EXCERPT = {"excerpts": "tables/{}_by_excerpt.csv"}
# Inputs of each table or figure (stages, and other tables), outputs, and parameters in addition to those in pages.smk.
PAGES = {
    "corpus": (["spectrograms"], TABLE, {}),
    "detector": (["predictions"], TABLE, {}),
    "attacks": (["perturbations", "excerpts"], TABLE, {}),
    # paper: Tables 1 and 2, Figures 1 to 4
    "flip_rates": (["flips", "attributions"], CSV, {}),
    "localised_rows": (["localised", "localised_attributions"], CSV, {}),
    "table1": (RATES, TABLE, FILL),
    "table2": (RATES, TABLE, FILL),
    "published": (
        [*RATES, *ROWS],
        TABLE,
        {
            "configuration": {key: config[key] for key in PUBLISHED},
            "n_songs": {split: len(RUN.names(split)) for split in SPLITS},
        },
    ),
    "figure1": (["drawings"], PLOTTED, {"settings": RUN.part("frontend", "lime.n_time", "lime.n_band")}),
    "figure2": (RATES, PLOTTED, FILL),
    "figure3": (ROWS, PLOTTED, {"k": config["localised"]["k"], "n_segments": N_SEGMENTS}),
    "figure4": (ROWS, PLOTTED, {}),
    # beyond the paper
    "smallest_sets": (["flips"], TABLE, {}),
    "localisation": (ROWS, TABLE, {}),
    "fidelity": (["explanations"], TABLE, {}),
    "sampling_error": (["stability"], TABLE, {}),
    "figure_stability": (["sampling_error"], PLOTTED, {"n_samples": config["lime"]["n_samples"], "n_segments": N_SEGMENTS}),
    "audits": (
        ["explanations", "flips", "localised", *(["stability"] if HAS_STUDY else []), *([] if BUILD else ["drawings"])],
        TABLE,
        {},
    ),
    # truth study: scores of all explainers against the exact flip sets
    "scores": (
        ["flips", "explanations", "attributions"],
        CSV,
        {**SEED, "n_samples": config["lime"]["n_samples"], "n_rankings": config["truth"]["n_rankings"]},
    ),
    "leaderboard": (SCORES, TABLE, SEED),
    "contrasts": (SCORES, TABLE, {**FILL, **SEED, **truth("score", "tested", "against", "margin")}),
    "gap": (SCORES, {**TABLE, **FIGURE}, {**FILL, **SEED}),
    "sensitivity": (SCORES, TABLE, {**FILL, **SEED, **truth("tested", "against", "groups")}),
    "faithfulness_to_own_game": (LEADERS, {**TABLE, **FIGURE, "agreement": "tables/{}_agreement.csv"}, {**FILL, **SEED}),
    "fidelity_vs_correctness": (SCORES, {**TABLE, **FIGURE}, {**FILL, **SEED}),
    "truths": (["flips"], {**TABLE, **FIGURE, **BY_EXCERPT}, SEED),
    "explainer_costs": (SCORES, TABLE, ALL_RESULTS),
    "figure_leaderboard": (LEADERS, PLOTTED, FILL),
    "figure_explainers": (SCORES, PLOTTED, FILL),
    "controls": (
        ["controlled"],
        {**TABLE, **FIGURE, **BY_EXCERPT},
        {**SEED, "margin": config["controls"]["margin"], "left_out": as_it_is(RUN.controls_left_out)},
    ),
}
STUDY = ["sampling_error", "figure_stability"] if HAS_STUDY else []
TRUTH = [
    *("figure_explainers", "figure_leaderboard", "leaderboard", "contrasts", "gap", "sensitivity"),
    *("faithfulness_to_own_game", "fidelity_vs_correctness", "truths", "explainer_costs"),
]
# Pages of the target `all`, and those of them that are tables and figures.
ALL = [
    *("corpus", "classifier" if BUILD else "detector", "attacks", "table1", "table2", "published"),
    *([] if BUILD else ["figure1"]),
    *("figure2", "figure3", "figure4", "smallest_sets", "localisation", "fidelity", *STUDY, "audits"),
    *(TRUTH if config["lime"]["exact"] else []),
    *(["listening"] if config["listening"]["per_panel"] and not BUILD and not RUN.predict else []),
    *(["controls"] if config["controls"]["all"] else []),
    *(["compare"] if config["variants"] else []),
]
if not VARIANT:
    # Inputs of `compare` are in `inputs_of`.
    PAGES["compare"] = ([], {**TABLE, **FIGURE, "curves": "figures/{}.csv"}, {**SEED, "runs": as_it_is(compared())})
    PAGES["variant_costs"] = (["compare"], TABLE, {"runs": as_it_is(needed_by_each())})
TABLES = [name for name in ALL if name not in PAGES or "page" in PAGES[name][1]]
FIGURES = [name for name in ALL if name in PAGES and "png" in PAGES[name][1]]
PAGES["costs"] = (ALL, {**TABLE, **FIGURE}, ALL_RESULTS)


def pages_above(page):
    """Return the pages and the stages that a page reads, directly or through others."""
    read = PAGES[page][0] if page in PAGES else []
    return {two for one in read for two in ({one} | (above(RUN.stages, one) if one in RUN.stages else pages_above(one)))}


def inputs_of(page):
    """Return the inputs of a page, by the stage or page that makes them."""
    if page == "compare":
        return {"artefacts": compared_files}
    if page == "costs":
        figures = [f"{RESULTS}/figures/{name}.png" for name in FIGURES]
        return {"figures": figures, "tables": [table(name) for name in TABLES]}
    return {one: all_of(one) if one in RUN.stages else table(one) for one in PAGES[page][0]}


def decided_by(page):
    """Return a parameter with a digest of the settings of all stages above a page (for the reason in `code_of`)."""
    runs = RUNS.values() if page in ("compare", "variant_costs") else [RUN]
    stages = COMPARED if page in ("compare", "variant_costs") else pages_above(page) & RUN.stages.keys()
    return lambda wildcards: [run.digest_of_stages(stages) for run in runs]
