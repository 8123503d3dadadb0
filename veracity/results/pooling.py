"""Functions shared by tables: selections, the paper's order of rows and columns, reading, and display."""

import os
from collections.abc import Iterable, Mapping

import pandas as pd

from ..attacks.settings import DOMAINS
from ..errors import ArtefactError
from ..explainers.settings import AS_MANY, POSITIVE
from ..labels import LABELS, SING, title

Keyed = Iterable[tuple[str, str, object]]  # song, domain, artefact


UNDETERMINED = "none"  # displayed in place of a missing number

#: Columns of tables that contain text.
TEXTS = (
    *("song", "domain", "original", "direction", "scope", "model", "selection", "fill", "method", "stage", "input", "corpus"),
    *("explainer", "budget", "score", "against", "verdict", "what", "kind", "part", "predictor", "where", "among"),
)

#: Selections of segments in the flip experiments, in the order of figures.
SELECTIONS = ("lime", "lime_exact", "norm", "best", "best_found", "random", "random_sampled", "worst")
WIDE = 9  # largest number of selections that are displayed as columns instead of rows
METHODS = ("sampled", "exact")  # methods of LIME in tables of localised perturbations


def judged(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the explainers among the selections or methods of a table, without `known` names and without duplicates."""
    others = [name for name in dict.fromkeys(names) if name not in set(known)]
    return [name for name in others if not name.endswith((POSITIVE, AS_MANY, f"{AS_MANY}_exact"))]


def in_paper_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by original label and domain, as in the paper."""
    order = table.assign(_o=table.original.map(LABELS.index), _d=table.domain.map(DOMAINS.index))
    return order.sort_values(["_o", "_d"], kind="stable").drop(columns=["_o", "_d"]).reset_index(drop=True)


def as_paper_table(table: pd.DataFrame, selections: Mapping[str, str]) -> pd.DataFrame:
    """Arrange a table as in the paper, with one row per direction and one column per domain and selection.

    Parameters
    ----------
    table : DataFrame
        Result of `veracity.results.table1.table` or `veracity.results.table2.table`.
    selections : mapping
        Titles of the selections to show.

    Returns
    -------
    DataFrame
        Table of formatted values. With more than `WIDE` selections, rows are selections and columns are domains and directions.
    """
    rows = []
    for direction, part in table.groupby("direction", sort=False):
        row = {"direction": direction}
        for domain in DOMAINS:
            for selection, heading in selections.items():
                cell = part[(part.domain == domain) & (part.selection == selection)]
                if len(cell):
                    row_of_cell = cell.iloc[0]
                    row[f"{domain}: {heading}"] = f"{row_of_cell.percent:.0f} % ({row_of_cell.flipped:.3g} of {row_of_cell.n})"
        rows.append(row)
    if len(selections) > WIDE:  # many explainers are rows
        return _turned(rows, selections.values())
    return pd.DataFrame(rows)


def _turned(rows: list[dict[str, str]], headings: Iterable[str]) -> pd.DataFrame:
    """Arrange a table with one row per selection and one column per domain and direction."""
    turned = []
    for heading in headings:
        cells = {f"{d}: {row['direction']}": row.get(f"{d}: {heading}", UNDETERMINED) for d in DOMAINS for row in rows}
        if any(cell != UNDETERMINED for cell in cells.values()):
            turned.append({"chosen by": heading, **cells})
    return pd.DataFrame(turned)


def in_words(table: pd.DataFrame, label_name: str) -> pd.DataFrame:
    """Return a table with display names of labels: `label_name` for "sing", and "no" followed by `label_name` for "nosing"."""
    if label_name == SING or "original" not in table:
        return table
    words = {name: title(name, label_name) for name in LABELS}
    return table.assign(original=[words.get(name, name) for name in table.original])


def read_table(path: str | os.PathLike, label_name: str = SING) -> pd.DataFrame:
    """Read a table written by a rule, with column types that do not depend on whether it is empty.

    An empty CSV file does not determine types. Columns other than `TEXTS` are then numeric.

    Parameters
    ----------
    path : path-like
        Path to the CSV file.
    label_name : str
        Display name of "sing" in the file. Display names of both labels are replaced by "sing" and "nosing".

    Returns
    -------
    DataFrame
        The table.

    Raises
    ------
    ArtefactError
        If the file is damaged.
    """
    try:
        columns = pd.read_csv(path, nrows=0).columns
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise ArtefactError(f"{path}: cannot be read as a table. Delete it, and run snakemake again.") from None
    missing = {column: ["", "nan"] for column in columns if column not in TEXTS}  # texts may contain NA
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=missing)
    if label_name != SING and "original" in table:
        codes = {title(name, label_name): name for name in LABELS}
        table["original"] = [codes.get(word, word) for word in table.original]
    return table if len(table) else table.astype({column: float for column in table if column not in TEXTS})


NOTHING = "No rows: no excerpt flipped (counts are in tables/attacks)."
NO_TRUTH = (
    "No rows: no excerpt flipped (tables/attacks), or not all masks of the model are known (tables/classifier, lime.exact)."
)


def as_markdown(page: pd.DataFrame, empty: str = NOTHING) -> str:
    """Format a table as Markdown; `empty` replaces a table without rows, and undetermined values are displayed as text."""
    if page.empty:
        return empty
    shown = page.copy()
    for column in shown.columns[shown.isna().any()]:
        shown[column] = [
            UNDETERMINED if pd.isna(value) else value if isinstance(value, str) else f"{value:.4g}" for value in shown[column]
        ]
    for column in shown.columns:
        shown[column] = [value.replace("|", r"\|") if isinstance(value, str) else value for value in shown[column]]
    shown.columns = [str(column).replace("|", r"\|") for column in shown]
    texts = [i for i, column in enumerate(shown) if column in TEXTS]  # the name of a song may be 01 or 1e5
    return shown.to_markdown(index=False, floatfmt=".4g", disable_numparse=texts)
