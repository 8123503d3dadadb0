# Tables and figures, one line for each. The rules in pages.smk are made from these lines. Rule, script and module in
# veracity/results have the name of the line.
from dataclasses import dataclass, field

# Outputs by name; {} stands for the name of the page.
CSV = {"table": "tables/{}.csv"}
TABLE = {**CSV, "page": "tables/{}.md"}
PICTURE = {"png": "figures/{}.png", "pdf": "figures/{}.pdf"}
FIGURE = {**PICTURE, "table": "figures/{}.csv"}  # with its data
BOTH = {**TABLE, **PICTURE}
BY_EXCERPT = {"excerpts": "tables/{}_by_excerpt.csv"}


@dataclass
class Page:
    """Table or figure."""

    reads: list  # stages and other pages
    outputs: dict  # paths by name; other pages read the first one
    params: dict = field(default_factory=dict)  # parameters in addition to those in pages.smk
    when: bool = True  # whether the page is part of the target `all`
    inputs: dict = field(default_factory=dict)  # inputs in addition to those of `reads`
    runs: list = field(default_factory=lambda: [RUN])  # runs whose artefacts the job reads


def labels_without_use():
    """Return the files of the corpus that may contain labels and are not used; those of the Jamendo layout are used, except by a custom classifier."""
    if not RUN.songs or RUN.is_synthetic or not (BUILD or config["corpus"]["kind"] == "audio"):
        return []
    return unused_labels(config["corpus"]["folder"], () if BUILD else (song.labels for song in RUN.songs.values()))


EXACT = config["lime"]["exact"]  # all masks are evaluated, so that explainers can be scored
HAS_STUDY = bool(EXACT and config["stability"]["n_samples"])
AUDITED = ["explanations", "flips", "localised", *(["stability"] if HAS_STUDY else []), *([] if BUILD else ["drawings"])]
N_SEGMENTS = {"n_segments": config["lime"]["n_time"] * config["lime"]["n_band"]}
# Keys on which the published numbers depend.
PUBLISHED = keys("corpus", "frontend", "model", "detector", "attacks", "excerpts", "lime")
N_SONGS = {split: len(RUN.names(split)) for split in SPLITS}
HEARD = {
    "settings": RUN.part("frontend", "attacks.seconds", "lime.n_time", "lime.n_band", "lime.fill", "listening"),
    "songs": RUN.explained,
    "audio_digests": lambda wildcards: [RUN.outside("audio", song=name) for name in RUN.explained],
}
CONTRASTS = keys("truth.score", "truth.tested", "truth.against", "truth.margin")
PAGES = {
    "corpus": Page(["spectrograms"], TABLE, {"unused_labels": lambda wildcards: labels_without_use()}),
    "classifier": Page([], TABLE, {"settings": uses("classifier")}, when=bool(BUILD)),
    "detector": Page(["predictions"], TABLE, when=not BUILD),
    "attacks": Page(["perturbations", "excerpts"], TABLE),
    # paper: Tables 1 and 2, Figures 1 to 4
    "flip_rates": Page(["flips", "attributions"], CSV),
    "localised_rows": Page(["localised", "localised_attributions"], CSV),
    "table1": Page(["flip_rates"], TABLE, keys("lime.fill")),
    "table2": Page(["flip_rates"], TABLE, keys("lime.fill")),
    "published": Page(["flip_rates", "localised_rows"], TABLE, {"configuration": PUBLISHED, "n_songs": N_SONGS}),
    "figure1": Page(["drawings"], FIGURE, {"settings": RUN.part("frontend", "lime.n_time", "lime.n_band")}, when=not BUILD),
    "figure2": Page(["flip_rates"], FIGURE, keys("lime.fill")),
    "figure3": Page(["localised_rows"], FIGURE, {**keys("localised.k"), **N_SEGMENTS}),
    "figure4": Page(["localised_rows"], FIGURE),
    # beyond the paper
    "smallest_sets": Page(["flips"], TABLE),
    "localisation": Page(["localised_rows"], TABLE, {"stored": [one.name for one in RUN.explainers.values() if one.stored]}),
    "fidelity": Page(["explanations"], TABLE),
    "sampling_error": Page(["stability"], TABLE, when=HAS_STUDY),
    "figure_stability": Page(["sampling_error"], FIGURE, {**keys("lime.n_samples"), **N_SEGMENTS}, when=HAS_STUDY),
    "audits": Page(AUDITED, TABLE),
    # truth study: scores of all explainers against the exact flip sets
    "scores": Page(
        ["flips", "explanations", "attributions"], CSV, keys("seed", "lime.n_samples", "truth.n_rankings"), when=EXACT
    ),
    "figure_explainers": Page(["scores"], FIGURE, keys("lime.fill"), when=EXACT),
    "figure_leaderboard": Page(["leaderboard", "scores"], FIGURE, keys("lime.fill"), when=EXACT),
    "leaderboard": Page(["scores"], TABLE, keys("seed"), when=EXACT),
    "contrasts": Page(["scores"], TABLE, {**keys("lime.fill", "seed"), "contrasts": CONTRASTS}, when=EXACT),
    "gap": Page(["scores"], BOTH, keys("lime.fill", "seed"), when=EXACT),
    "sensitivity": Page(
        ["scores"],
        TABLE,
        {**keys("lime.fill", "seed"), "contrasts": keys("truth.tested", "truth.against", "truth.groups")},
        when=EXACT,
    ),
    "faithfulness_to_own_game": Page(
        ["leaderboard", "scores"], {**BOTH, "agreement": "tables/{}_agreement.csv"}, keys("lime.fill", "seed"), when=EXACT
    ),
    "fidelity_vs_correctness": Page(["scores"], BOTH, keys("lime.fill", "seed"), when=EXACT),
    "truths": Page(["flips"], {**BOTH, **BY_EXCERPT}, keys("seed"), when=EXACT),
    "explainer_costs": Page(["scores"], TABLE, {"results": RESULTS}, when=EXACT),
    "listening": Page(
        ["perturbations", "excerpts", "explanations", "flips"],
        {**TABLE, "sounds": "listening"},
        HEARD,
        when=bool(config["listening"]["per_panel"] and not BUILD and not RUN.predict),
        inputs={**ATTACKED, "audio": audio_of(RUN.explained)},
    ),
    "controls": Page(
        ["controlled"],
        {**BOTH, **BY_EXCERPT},
        {**keys("seed", "controls.margin"), "left_out": RUN.controls_left_out},
        when=config["controls"]["all"],
    ),
    "tuning": Page(["tuning_runs"], TABLE, when=False),
}
if not VARIANT:
    PAGES["compare"] = Page(
        COMPARED,
        {**BOTH, "curves": "figures/{}.csv"},
        {**keys("seed"), "runs": compared(), "note": note_of_comparison()},
        when=bool(config["variants"]),
        inputs=nothing_to_compare(),
        runs=list(RUNS.values()),
    )
    PAGES["variant_costs"] = Page(["compare"], TABLE, {"runs": needed_by_each()}, when=False, runs=list(RUNS.values()))
ALL = [name for name, page in PAGES.items() if page.when]
PAGES["costs"] = Page(ALL, BOTH, {"results": RESULTS}, when=False)
REPORTED = [*ALL, "costs", *(["variant_costs"] if config["variants"] else [])]
