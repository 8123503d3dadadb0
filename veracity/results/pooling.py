"""What several tables share: artefacts keyed by song and domain, and the paper's order of rows and columns."""

from collections.abc import Iterable, Mapping

import pandas as pd

from ..attacks.settings import DOMAINS
from ..labels import LABELS

Keyed = Iterable[tuple[str, str, object]]  # song, domain, artefact


#: How segments are chosen in the flip experiments, in the order of figures.
SELECTIONS = ("lime", "lime_exact", "norm", "best", "random", "worst")


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
            for selection, title in selections.items():
                cell = part[(part.domain == domain) & (part.selection == selection)]
                if len(cell):
                    one = cell.iloc[0]
                    row[f"{domain}: {title}"] = f"{one.percent:.0f} % ({one.flipped:.3g} of {one.n})"
        rows.append(row)
    return pd.DataFrame(rows)
