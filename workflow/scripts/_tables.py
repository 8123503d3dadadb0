"""Tables as tidy CSV and as a page."""

from typing import Any

import pandas as pd

from veracity.jobs.files import replacing
from veracity.labels import SING
from veracity.results.pooling import NOTHING, as_markdown, in_words


def write_table(
    snakemake: Any,
    table: pd.DataFrame,
    page: pd.DataFrame | None = None,
    title: str = "",
    *,
    preface: str = "",
    empty: str = NOTHING,
) -> None:
    """Write a table as tidy CSV and, if the rule has this output, as a page in Markdown.

    Parameters
    ----------
    snakemake : Snakemake
        Object that Snakemake provides to scripts.
    table : DataFrame
        Table to write. A column with the description of the corpus is added.
    page : DataFrame, optional
        Content of the page, by default `table`.
    title : str
        Title of the page.
    preface : str
        Paragraph above the table, none by default.
    empty : str
        Text of the page if the table is empty.
    """
    label_name = snakemake.params.get("label_name", SING)
    table = write_csv(snakemake, table, snakemake.output.table)
    if "page" in snakemake.output.keys():  # noqa: SIM118 - Namedlist of Snakemake is not a mapping
        shown = as_markdown(table.drop(columns="corpus") if page is None else in_words(page, label_name), empty)
        parts = [f"# {title}", f"Corpus: {snakemake.params.note}.", *([preface] if preface else []), f"{shown}\n"]
        with replacing(snakemake.output.page) as temporary:
            temporary.write_text("\n\n".join(parts), encoding="utf-8")


def write_csv(snakemake: Any, table: pd.DataFrame, path: str, *, digits: int = 6) -> pd.DataFrame:
    """Write a table as tidy CSV, with a column for the description of the corpus.

    Parameters
    ----------
    snakemake : Snakemake
        Object that Snakemake provides to scripts.
    table : DataFrame
        Table to write.
    path : str
        Output file.
    digits : int
        Number of significant digits, 6 by default.

    Returns
    -------
    DataFrame
        The written table.
    """
    table = in_words(table, snakemake.params.get("label_name", SING)).assign(corpus=snakemake.params.note)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{digits}g")
    return table
