"""Table ``detector``: frame-wise scores of the detectors."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..detector.evaluation import Scores, mean_and_std

SHARES = ("error", "recall", "specificity", "precision", "f1")  # scores of the detector that are shown in per cent


def table(scores: Mapping[str, Mapping[str, Scores]], thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Tabulate the scores of detectors, with mean and standard deviation over seeds.

    Parameters
    ----------
    scores : mapping
        Scores by split and name of the detector.
    thresholds : mapping
        Decision threshold by name of the detector.

    Returns
    -------
    DataFrame
        One row per split and detector and, for several detectors, one row with their mean. Shares are in per cent; AUROC is
        not.
    """
    rows = []
    for split, of_split in scores.items():
        for name, evaluation in of_split.items():
            rows.append({"split": split, "detector": name, "threshold": thresholds[name], **vars(evaluation)})
        if len(of_split) == 1:
            continue
        first = next(iter(of_split.values()))
        counts = {"n_songs": first.n_songs, "n_frames": first.n_frames, "n_sing": first.n_sing}
        mean_threshold = float(np.mean(list(thresholds.values())))
        summary = {"split": split, "detector": f"mean of {len(of_split)}", "threshold": mean_threshold}
        rows.append({**summary, **counts, **mean_and_std(list(of_split.values()))})
    table = pd.DataFrame(rows)
    for column in (*SHARES, "auroc"):
        if f"{column}_std" not in table:
            table[f"{column}_std"] = np.nan  # a single detector
    for share in SHARES:
        for suffix in ("", "_std"):
            table[f"{share}_percent{suffix}"] = 100 * table.pop(f"{share}{suffix}")
    return table[[column for column in table if "auroc" not in column] + ["auroc", "auroc_std"]]


def page(table: pd.DataFrame) -> pd.DataFrame:
    """Format `table` for display, with mean ± standard deviation for several seeds."""

    def cell(row: pd.Series, column: str) -> str:
        if not row.n_frames:
            return "no labels"
        digits = 3 if column == "auroc" else 2
        spread = "" if np.isnan(row[f"{column}_std"]) else f" ± {row[f'{column}_std']:.{digits}f}"
        return f"{row[column]:.{digits}f}{spread}"

    titles = {**{f"{share}_percent": f"{share} [%]" for share in SHARES}, "auroc": "AUROC"}
    rows = [
        {
            **row[["split", "detector", "threshold", "n_songs", "n_frames", "n_sing"]],
            **{title: cell(row, column) for column, title in titles.items()},
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)
