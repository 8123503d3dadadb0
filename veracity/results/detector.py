"""Table ``detector``: how well the detectors detect, frame by frame."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..detector.evaluation import Scores, mean_and_std

SHARES = ("error", "recall", "specificity", "precision", "f1")  # of the detector's scores, shown in percent


def table(scores: Mapping[str, Mapping[str, Scores]], thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Tabulate the scores of detectors, and their mean and standard deviation over seeds.

    Parameters
    ----------
    scores : mapping
        Split to name of the detector to its scores.
    thresholds : mapping
        Name of the detector to its threshold.

    Returns
    -------
    DataFrame
        One row for each split and detector and, where there are several, one of their mean; shares in percent but AUROC.
    """
    rows = []
    for split, of_split in scores.items():
        for name, own in of_split.items():
            rows.append({"split": split, "detector": name, "threshold": thresholds[name], **vars(own)})
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
    """Arrange `table` for reading: mean ± standard deviation where there are several seeds."""

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
