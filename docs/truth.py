"""Copy the tables of the truth study into docs/truth, and draw its figures from them: python docs/truth.py [RUN].

Without RUN, only the figures are drawn again. docs/truth/README.md, which describes each file, is written in both cases.
"""

import gzip
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from veracity.experiments.drawings import DrawnExcerpt
from veracity.explainers.lime import LimeSettings
from veracity.jobs import store
from veracity.results import (
    controls,
    faithfulness_to_own_game,
    fidelity_vs_correctness,
    figure1,
    figure2,
    figure3,
    figure4,
    figure_explainers,
    figure_leaderboard,
    figure_stability,
    gap,
    truths,
)
from veracity.results.canvas import save
from veracity.results.pooling import read_table
from veracity.songs.settings import FrontEnd, band_hz
from veracity.workflow.configuration import defaults

FOLDER = Path(__file__).with_suffix("")
DRAWN = ("04-inside", "04-you-are", "05-dance")  # songs in figure1.png
#: Files in the folder tables/ of a run.
TABLES = {
    "scores.csv": "scores of each explanation: 15 scores, the score of a random ranking, the flip curve; 15 digits",
    "leaderboard.csv": "each score of each explainer in each panel: mean over songs, interval, chance level",
    "contrasts.csv": "the declared contrasts: p of sign-flip tests, and p adjusted over all rows by step-down min-P",
    "gap.csv": "parts of the gap between the paper's LIME and the best ranking; data of gap.png",
    "sensitivity.csv": "the same estimates as ratios of sums, as unnormalised areas, and with intervals over artists",
    "faithfulness_to_own_game.csv": "agreement with the explainer's own game, and its score; data of the figure of this name",
    "faithfulness_to_own_game_agreement.csv": "rank correlation of the two over unprivileged explainers of the fill game",
    "fidelity_vs_correctness.csv": "correct and wrong explanations by fidelity, all fills; data of fidelity_vs_correctness.png",
    "truths.csv": "sizes and numbers of flip sets: means over songs, medians and ranges over excerpts",
    "truths_by_excerpt.csv": "the same for each excerpt; data of truths.png",
    "controls.csv": "expectation, measurement and verdict of each control; data of controls.png",
    "controls_by_excerpt.csv": "the same for each excerpt",
    "table1.csv": "label flips with three segments (paper Table 1), for all explainers",
    "table2.csv": "label flips with all segments of positive weight (paper Table 2)",
    "localisation.csv": "perturbed segments that LIME identifies, of perturbations confined to k segments",
    "fidelity.csv": "fidelity of LIME on clean and adversarial excerpts, by fill",
    "detector.csv": "scores of the detector on the songs of the lists valid and test",
    "sampling_error.csv": "sampled against exact LIME from 512 to 32 768 samples",
    "attacks.csv": "excerpts that the attacks flip, by panel",
    "explainer_costs.csv": "model queries and seconds, by explainer",
    "costs.csv": "CPU and wall time, memory and disk of each stage (`snakemake costs`)",
}
#: Files in the folder figures/ of a run.
FIGURE_DATA = {
    "figure1.csv": "drawings that flip the label (paper Figure 1); figure1.png shows three of them",
    "figure2.csv": "label flips by number of segments (paper Figure 2); figure2.png shows the paper's curves and bounds",
    "figure3.csv": "number of perturbed segments that LIME identifies (paper Figure 3)",
    "figure4.csv": "fidelity and correctness of explanations (paper Figure 4)",
    "figure_leaderboard.csv": "normalised AUFC of each explainer; figure_leaderboard.png shows the best of each query budget",
    "figure_explainers.csv": "flip curves of each explainer; figure_explainers.png shows the best of each kind",
}
FILL, MARGIN = {"fill": defaults()["lime"]["fill"]}, {"margin": defaults()["controls"]["margin"]}
#: Figures, as functions of a reader of tables and of the footnote.
FIGURES: dict[str, Callable[..., Figure]] = {
    "figure2": lambda read, **shown: figure2.plot(_without_explainers(read("figure2")), **shown),
    "figure3": lambda read, **shown: figure3.plot(read("figure3"), **shown),
    "figure4": lambda read, **shown: figure4.plot(read("figure4"), **shown),
    "figure_stability": lambda read, **shown: figure_stability.plot(
        read("sampling_error"), n_segments=20, paper_n_samples=8192, **shown
    ),
    "gap": lambda read, **shown: gap.plot(read("gap"), **shown),
    "faithfulness_to_own_game": lambda read, **shown: faithfulness_to_own_game.plot(
        read("faithfulness_to_own_game"), read("faithfulness_to_own_game_agreement"), **FILL, **shown
    ),
    "fidelity_vs_correctness": lambda read, **shown: fidelity_vs_correctness.plot(
        read("fidelity_vs_correctness"), **FILL, **shown
    ),
    "truths": lambda read, **shown: truths.plot(read("truths_by_excerpt"), **shown),
    "controls": lambda read, **shown: controls.plot(read("controls"), read("controls_by_excerpt"), **MARGIN, **shown),
    "figure_leaderboard": lambda read, **shown: figure_leaderboard.plot(
        read("figure_leaderboard"), read("scores"), **FILL, **shown
    ),
    "figure_explainers": lambda read, **shown: figure_explainers.plot(read("figure_explainers"), **shown),
}
PACKED = (
    "scores.csv",
    "leaderboard.csv",
    "controls_by_excerpt.csv",
    "figure2.csv",
    "figure_explainers.csv",
)  # large; pandas reads them
INTRODUCTION = """# Tables and figures of the truth study

The tables are those of one run of `snakemake --cores 2 all costs --configfile config/truth.yaml` at commit fc59224, copied by
`python docs/truth.py RUN`. Afterwards, names of columns, files, query budgets, controls and scores were converted to those of
this version, and `gap.csv` was computed again from `scores.csv.gz`, because it has one more kind of row. `python docs/truth.py`
draws the figures from the tables. [Findings](../findings.md) is written from the tables, too.

All intervals over songs can be recomputed. `veracity.results.leaderboard.table`, `contrasts.table`, `gap.table`,
`sensitivity.table`, `faithfulness_to_own_game.agreement` and `fidelity_vs_correctness.table` require `scores.csv.gz`,
`truths.table` requires `truths_by_excerpt.csv`, and `controls.table` requires `controls_by_excerpt.csv.gz`, each as read by
`veracity.results.pooling.read_table`, with the settings of `config/truth.yaml`.

| file | content |
|---|---|
"""


def copy(run: Path, folder: Path = FOLDER) -> None:
    """Copy the tables of a run.

    Raises
    ------
    SystemExit
        If the run lacks one of them; nothing is copied then.
    """
    sources = {name: run / "tables" / name for name in TABLES} | {name: run / "figures" / name for name in FIGURE_DATA}
    if missing := [str(path) for path in sources.values() if not path.is_file()]:
        raise SystemExit(f"{missing[0]}: missing, with {len(missing) - 1} more. Run snakemake all costs first.")
    folder.mkdir(exist_ok=True)
    for name, path in sources.items():
        if name in PACKED:
            (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        else:
            shutil.copyfile(path, folder / name)


def draw_figure1(drawn: list[tuple[str, DrawnExcerpt]], *, footnote: str) -> Figure:
    """Draw Figure 1, which requires the drawings of a run, with the paper's settings."""
    frontend, lime = FrontEnd(), LimeSettings()
    grid = lime.grid(frontend.excerpt_frames, frontend.n_mels)
    return figure1.plot(
        drawn, grid=grid, frames_per_second=frontend.frames_per_second, footnote=footnote, hertz=band_hz(frontend)
    )


def _without_explainers(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the flip rates of the paper's selections and their bounds."""
    return rates[rates.selection.isin(figure2.CURVES)]


def draw(folder: Path = FOLDER) -> None:
    """Draw all figures from the tables in a folder."""

    def read(name: str) -> object:
        return read_table(folder / f"{name}.csv{'.gz' * (f'{name}.csv' in PACKED)}")

    for name, plot in FIGURES.items():
        save(plot(read, footnote=read("gap").corpus[0]), folder / f"{name}.png")


def describe(folder: Path = FOLDER) -> None:
    """Write the README of the folder."""
    words = {f"{name}.gz" if name in PACKED else name: text for name, text in {**TABLES, **FIGURE_DATA}.items()}
    lines = [f"| [{name}]({name}) | {text} |" for name, text in words.items()]
    (folder / "README.md").write_text(INTRODUCTION + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        copy(run := Path(sys.argv[1]))
        drawn = [(song, store.read(run / "drawings" / f"{song}.h5", DrawnExcerpt)) for song in DRAWN]
        save(draw_figure1(drawn, footnote=read_table(FOLDER / "gap.csv").corpus[0]), FOLDER / "figure1.png")
    draw()
    describe()
