"""What several tables share: artefacts keyed by song and domain, and the paper's order of rows and columns."""

import os
from collections.abc import Iterable, Mapping

import pandas as pd

from ..attacks.settings import DOMAINS
from ..errors import ArtefactError
from ..explainers.settings import AS_MANY, POSITIVE
from ..labels import LABELS, SING, title

Keyed = Iterable[tuple[str, str, object]]  # song, domain, artefact


UNDETERMINED = "none"  # in a page, where there is no number

#: Columns of tables that hold words.
TEXTS = (
    *("song", "domain", "original", "direction", "scope", "model", "selection", "fill", "method", "stage", "input", "corpus"),
    *("explainer", "budget", "score", "against", "verdict", "what", "kind", "part", "predictor", "where", "among"),
)

#: How segments are chosen in the flip experiments, in the order of figures.
SELECTIONS = ("lime", "lime_exact", "norm", "best", "best_found", "random", "random_sampled", "worst")
WIDE = 9  # selections: more than that a page shows as rows, not as columns
METHODS = ("sampled", "exact")  # of LIME, in tables of localised perturbations


def judged(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the explainers among the selections or methods of a table: what is not known by another name, each once."""
    others = [name for name in dict.fromkeys(names) if name not in set(known)]
    return [name for name in others if not name.endswith((POSITIVE, AS_MANY, f"{AS_MANY}_exact"))]


def in_paper_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by original label and domain, as the paper does."""
    order = table.assign(_o=table.original.map(LABELS.index), _d=table.domain.map(DOMAINS.index))
    return order.sort_values(["_o", "_d"], kind="stable").drop(columns=["_o", "_d"]).reset_index(drop=True)


def as_paper_table(table: pd.DataFrame, selections: Mapping[str, str]) -> pd.DataFrame:
    """Arrange a table as the paper prints it: a row for each direction, a column for each domain and selection.

    Parameters
    ----------
    table : DataFrame
        Of `veracity.results.table1.table` or `veracity.results.table2.table`.
    selections : mapping
        Selections to show and their titles.
    """
    rows = []
    for direction, part in table.groupby("direction", sort=False):
        row = {"direction": direction}
        for domain in DOMAINS:
            for selection, heading in selections.items():
                cell = part[(part.domain == domain) & (part.selection == selection)]
                if len(cell):
                    one = cell.iloc[0]
                    row[f"{domain}: {heading}"] = f"{one.percent:.0f} % ({one.flipped:.3g} of {one.n})"
        rows.append(row)
    if len(selections) > WIDE:  # many explainers: one below the other
        return _turned(rows, selections.values())
    return pd.DataFrame(rows)


def _turned(rows: list[dict[str, str]], headings: Iterable[str]) -> pd.DataFrame:
    """Arrange with a row for each selection, a column for each domain and direction."""
    turned = []
    for heading in headings:
        cells = {f"{d}: {row['direction']}": row.get(f"{d}: {heading}", UNDETERMINED) for d in DOMAINS for row in rows}
        if any(cell != UNDETERMINED for cell in cells.values()):
            turned.append({"chosen by": heading, **cells})
    return pd.DataFrame(turned)


def in_words(table: pd.DataFrame, called: str) -> pd.DataFrame:
    """Return a table whose labels have the words of the classifier: what "sing" is `called`, and "no" and that."""
    if called == SING or "original" not in table:
        return table
    words = {name: title(name, called) for name in LABELS}
    return table.assign(original=[words.get(name, name) for name in table.original])


def read_table(path: str | os.PathLike, called: str = SING) -> pd.DataFrame:
    """Read a table back that a rule has written, with the types that its columns have when it holds rows.

    An empty CSV tells no types: then what is no text is a number.
    """
    try:
        columns = pd.read_csv(path, nrows=0).columns
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise ArtefactError(f"{path} is damaged and holds no table: delete it, and its rule makes it again") from None
    missing = {column: ["", "nan"] for column in columns if column not in TEXTS}  # a note may say NA
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=missing)
    if called != SING and "original" in table:
        codes = {title(name, called): name for name in LABELS}
        table["original"] = [codes.get(word, word) for word in table.original]
    return table if len(table) else table.astype({column: float for column in table if column not in TEXTS})


NOTHING = "No rows: there was nothing to count (no excerpt flipped; tables/attacks tells how many of how many)."
NO_TRUTH = (
    "No rows: no excerpt flipped (tables/attacks), or not all masks of the model are known (tables/classifier, lime.exact)."
)


def as_markdown(page: pd.DataFrame, empty: str = NOTHING) -> str:
    """Write a table for reading; what its data do not determine is said in words."""
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
    texts = [i for i, column in enumerate(shown) if column in TEXTS]  # a song may be called 01, or 1e5
    return shown.to_markdown(index=False, floatfmt=".4g", disable_numparse=texts)
