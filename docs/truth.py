"""Copy the tables and figures of the truth study into docs/truth: python docs/truth.py [RUN], results/truth by default.

Each file is described in docs/truth/README.md, which is written, too. Everything comes from one run, or nothing is copied.
"""

import gzip
import shutil
import sys
from pathlib import Path

FOLDER = Path(__file__).with_suffix("")
#: Below tables/ of a run.
TABLES = {
    "scores.csv": "each explainer's answer to each excerpt: 15 scores, what a random ranking gets, the flip curve; 15 digits",
    "leaderboard.csv": "each score of each explainer in each panel: mean of songs, interval, chance",
    "contrasts.csv": "the declared comparisons: p of sign flips, and adjusted by step-down min-P over all rows",
    "gap.csv": "from the paper's LIME to the best ranking, in parts; data of gap.png",
    "sensitivity.csv": "the same estimates as ratios of sums, as plain areas, and with intervals over artists",
    "own_games.csv": "agreement with the explainer's own game beside its score; data of own_games.png",
    "own_games_agreement.csv": "rank correlation of the two over unprivileged explainers of the fill game",
    "fidelity_worth.csv": "right and wrong answers by fidelity, all fills; data of fidelity_worth.png",
    "truths.csv": "sizes and numbers of flipping sets: means of songs, medians and ranges of excerpts",
    "truths_by_excerpt.csv": "the same for each excerpt; data of truths.png",
    "controls.csv": "what is expected and measured in each control, with a verdict; data of controls.png",
    "controls_by_excerpt.csv": "the same for each excerpt",
    "sampling_error.csv": "sampled against exact LIME from 512 to 32 768 samples",
    "attacks.csv": "excerpts that the attacks flip, by panel",
    "explainer_costs.csv": "rows read and seconds, by explainer",
    "costs.csv": "CPU and wall time, memory and disk of each stage (`snakemake costs`)",
}
#: Below figures/ of a run.
FIGURES = {
    "figure_leaderboard.csv": "normalised AUFC of each explainer; figure_leaderboard.png shows the best of each query budget",
    "figure_explainers.csv": "flip curves of each explainer; figure_explainers.png shows the best of each kind",
    "gap.png": "",
    "own_games.png": "",
    "fidelity_worth.png": "",
    "truths.png": "",
    "controls.png": "",
    "figure_leaderboard.png": "",
    "figure_explainers.png": "",
}
PACKED = ("scores.csv", "controls_by_excerpt.csv")  # too large as they are; pandas reads both
INTRODUCTION = """# Tables and figures of the truth study

Made by `snakemake --cores 2 all costs --configfile config/truth.yaml` and copied by `python docs/truth.py`, which writes this
page; all files are of one run. [Findings](../findings.md) is written from them.

Every interval over songs can be made again: `veracity.results.leaderboard.table`, `contrasts.table`, `gap.table`,
`sensitivity.table`, `own_games.agreement` and `fidelity_worth.table` take `scores.csv.gz`, `truths.table` takes
`truths_by_excerpt.csv` and `controls.table` takes `controls_by_excerpt.csv.gz`, each as `veracity.results.pooling.read_table`
reads it, with the settings of `config/truth.yaml`.

| file | what it holds |
|---|---|
"""


def copy(run: Path, folder: Path = FOLDER) -> list[str]:
    """Copy a run's tables and figures, and describe them; returns the names of the files.

    Raises
    ------
    SystemExit
        When the run lacks one of them.
    """
    sources = {name: run / "tables" / name for name in TABLES} | {name: run / "figures" / name for name in FIGURES}
    if missing := [str(path) for path in sources.values() if not path.is_file()]:
        raise SystemExit(f"{missing[0]}: missing, with {len(missing) - 1} more. Run snakemake all costs first.")
    folder.mkdir(exist_ok=True)
    lines = []
    for name, path in sources.items():
        target = folder / (f"{name}.gz" if name in PACKED else name)
        if name in PACKED:
            target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        else:
            shutil.copyfile(path, target)
        if words := {**TABLES, **FIGURES}[name]:
            lines.append(f"| [{target.name}]({target.name}) | {words} |")
    (folder / "README.md").write_text(INTRODUCTION + "\n".join(lines) + "\n", encoding="utf-8")
    return [path.name for path in sorted(folder.iterdir())]


if __name__ == "__main__":
    print("\n".join(copy(Path(sys.argv[1] if len(sys.argv) > 1 else "results/truth"))))
