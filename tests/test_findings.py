"""No claim without its row: every estimate with an interval in docs/findings.md stands in a table that its section names."""

import re

import pandas as pd
import pytest
from workspaces import ROOT

PAGE = ROOT / "docs" / "findings.md"
SECTIONS = re.findall(r"^### (\d+\..*?)(?=^##|\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
NUMBER = r"([+-]?\d+(?:\.\d+)?)"


def rows_of(section):
    """Return (mean, low, high) of every row of the tables that a section names."""
    found = []
    for name in re.findall(r"\]\((truth/\w+\.csv)\)", section):
        table = pd.read_csv(ROOT / "docs" / name)
        for middle in ("mean", "difference", "auc", "own_game", "truth"):
            low, high = (f"{middle}_low", f"{middle}_high") if f"{middle}_low" in table else ("low", "high")
            if middle in table:
                found += table[[middle, low, high]].dropna().to_numpy().tolist()
    return found


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split(".")[0])
def test_every_estimate_has_its_row(section):
    claims = re.findall(rf"{NUMBER} \({NUMBER} to {NUMBER}\)", section)
    assert claims, "a claim has its interval"
    rows = rows_of(section)
    for claim in claims:
        digits = max(len(number.partition(".")[2]) for number in claim)
        wanted = tuple(float(number) for number in claim)
        assert any(tuple(round(value, digits) + 0.0 for value in row) == wanted for row in rows), claim
    for words in ("Refuted by", "n ="):
        assert words in section


def test_its_figures_are_there():
    pictures = re.findall(r"\]\((truth/\w+\.png)\)", PAGE.read_text(encoding="utf-8"))
    assert len(pictures) >= 5
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)
