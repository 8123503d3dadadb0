"""The page of findings: no claim without its row in a table that the run has made, its n, and what would refute it."""

import re
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings.md"
TEXT = PAGE.read_text(encoding="utf-8")
CLAIMS = re.split(r"^### (?=\d+\. )", TEXT.split("\n## Controls")[0], flags=re.MULTILINE)[1:]
INTERVAL = re.compile(r"(?<![\d.])(-?\d+\.\d+) \((-?\d+\.\d+) to (-?\d+\.\d+)\)")
VALUES = ("mean", "difference", "auc", "own_game", "truth")


def linked(section, suffix):
    """Return the files of a kind that a section links or shows."""
    return [PAGE.parent / name for name in re.findall(rf"\]\(([\w/.-]+\.{suffix})\)", section)]


def rows_of(section):
    """Return every estimate with its interval in the tables that a section links, as (value, low, high)."""
    found = []
    for path in linked(section, "csv"):
        table = pd.read_csv(path)
        for value in VALUES:
            for low, high in (("low", "high"), (f"{value}_low", f"{value}_high")):
                if {value, low, high} <= set(table):
                    found += table[[value, low, high]].dropna().to_numpy().tolist()
    return found


def near(said, row):
    """Tell whether numbers are a row's, rounded as they are printed."""
    return all(
        abs(float(text) - number) <= 0.51 * 10 ** -len(text.partition(".")[2]) for text, number in zip(said, row, strict=True)
    )


@pytest.mark.parametrize("section", CLAIMS, ids=[claim.partition("\n")[0] for claim in CLAIMS])
def test_each_number_of_a_claim_stands_in_a_table(section):
    said = INTERVAL.findall(section)
    rows = rows_of(section)
    assert said, "a claim without a number"
    for one in said:
        assert any(near(one, row) for row in rows), f"{one[0]} ({one[1]} to {one[2]}) stands in no table of this claim"


@pytest.mark.parametrize("section", CLAIMS, ids=[claim.partition("\n")[0] for claim in CLAIMS])
def test_each_claim_says_how_many_and_what_would_refute_it(section):
    assert "**Refuted by**" in section
    assert re.search(r"n = \d+", section)
    assert linked(section, "csv")


def test_every_picture_and_table_is_there():
    pictures, tables = (linked(TEXT, suffix) for suffix in ("png", "csv"))
    assert len(pictures) >= 6
    assert len(set(tables)) >= 7
    assert all(path.is_file() for path in (*pictures, *tables))
    assert len(CLAIMS) >= 5


def test_every_control_has_its_line():
    controls = pd.read_csv(PAGE.parent / "truth" / "controls.csv")
    section = TEXT.split("\n## Controls")[1]
    for control in controls.control.unique():
        assert f"`{control}`" in section
    for count, of in re.findall(r"(\d+) of (\d+) as expected", section):
        assert int(count) <= int(of)
    stated = controls[controls.verdict.isin(["as expected", "not as expected"])]
    assert f"{(stated.verdict == 'as expected').sum()} of {len(stated)} as expected" in section


def test_numbers_by_hand():
    assert near(("0.55", "0.50", "0.60"), (0.551, 0.496, 0.604))
    assert not near(("0.55", "0.50", "0.60"), (0.551, 0.484, 0.604))
    assert INTERVAL.findall("worth 0.55 (-0.10 to 0.60), or 1.5 of 3") == [("0.55", "-0.10", "0.60")]
