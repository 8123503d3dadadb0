"""The page of findings: numbers are read from rows of tables, quantifiers are conditions on tables, and both can fail."""

import contextlib
import gzip
import re
import runpy
import shutil

import numpy as np
import pandas as pd
import pytest
from workspaces import ROOT

DOCS = ROOT / "docs"
WRITTEN = runpy.run_path(str(DOCS / "findings.py"))
TEMPLATE = (DOCS / "findings.in").read_text(encoding="utf-8")
README = (DOCS / "findings_readme.in").read_text(encoding="utf-8")
TEXT = (DOCS / "findings.md").read_text(encoding="utf-8")
CLAIMS = re.split(r"^### (?=\d+\. )", TEXT.split("\n## Controls")[0], flags=re.MULTILINE)[1:]
TITLES = [claim.partition("\n")[0] for claim in CLAIMS]
PLACEHOLDERS = sorted(
    {one for one in re.findall(r"\{([^{}]+)\}", TEMPLATE + README) if not re.match(r"(=|holds|defined)(\s|$)", one)}
)
Tables = WRITTEN["Tables"]


def linked(section, suffix):
    """Return the files of a kind that a section links or shows."""
    return [DOCS / name for name in re.findall(rf"\]\(([\w/.-]+\.{suffix})\)", section)]


ALL = Tables()


class Changed(Tables):
    """The tables after a change of each, as a function of name and table."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def __getitem__(self, name):
        if name not in self.known:
            self.known[name] = self.change(name, ALL[name].copy())
        return self.known[name]


def changed(change):
    return Changed(change)


def test_pages_are_what_the_tables_give():
    for path, text in WRITTEN["pages"](ALL).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} differs: python docs/findings.py"


@pytest.mark.parametrize("words", PLACEHOLDERS)
def test_a_number_follows_its_rows_and_no_others(words):
    tables = ALL
    text = WRITTEN["read"](tables, words)
    name = words.split(" ")[0]
    wanted = dict(one.split("=", 1) for one in WRITTEN["shlex"].split(words)[1:])
    wanted = {key: value for key, value in wanted.items() if key not in ("show", "digits", "column")}
    rows = tables.rows(name, **wanted).index
    numeric = tables[name].select_dtypes("number").columns.difference(list(wanted))

    def moved(index):
        return changed(lambda one, table: table.assign(**_moved(table, index)) if one == name else table)

    def _moved(table, index):
        return {column: table[column] + 7 * table.index.isin(index) for column in numeric}

    assert WRITTEN["read"](moved(rows), words) != text
    assert WRITTEN["read"](moved(tables[name].index.difference(rows)), words) == text
    if len(rows) > 1 and "show=range" not in words:  # panels in another order
        turned = changed(lambda one, table: _turned(table, rows) if one == name else table)
        assert WRITTEN["read"](turned, words) != text or tables[name].loc[rows, numeric].round(2).nunique().max() == 1


def _turned(table, rows):
    columns = table.select_dtypes("number").columns
    table.loc[rows, columns] = table.loc[rows[::-1], columns].to_numpy()
    return table


MUTATIONS = {
    "negative": lambda table, numbers: -table[numbers] - 0.5,
    "from one": lambda table, numbers: 1 - table[numbers],
    "one": lambda table, numbers: table[numbers] * 0 + 1,
    "larger": lambda table, numbers: table[numbers] + 2,
    "backwards": lambda table, numbers: table[numbers][::-1].to_numpy(),
    "zero": lambda table, numbers: table[numbers] * 0,
}


def mutated(kind):
    def change(_, table):
        numbers = table.select_dtypes("number").columns
        if len(numbers):
            table[numbers] = table[numbers].astype(float)
            table[numbers] = MUTATIONS[kind](table, numbers)
        if "verdict" in table:
            table["verdict"] = "not as expected"
        return table

    return changed(change)


def test_every_claim_holds_and_can_fail():
    tables, others = ALL, [mutated(kind) for kind in MUTATIONS]
    used = set(re.findall(r"\{holds ([^{}]+)\}", TEMPLATE + README))
    assert used == set(WRITTEN["CLAIMS"])
    for name, claim in WRITTEN["CLAIMS"].items():
        assert claim(tables), name
        assert not all(fails_not(claim, other) for other in others), f"{name} holds whatever the tables say"


def fails_not(claim, tables):
    try:
        return bool(claim(tables))
    except (ValueError, AssertionError, IndexError):
        return False


def test_every_computed_number_is_used_and_follows_its_tables():
    used = set(re.findall(r"\{= ([^{}]+)\}", TEMPLATE + README))
    assert used == set(WRITTEN["NUMBERS"])
    tables, others = ALL, [mutated("larger"), mutated("backwards"), mutated("zero")]

    def shown(compute, of):
        try:
            return compute(of)
        except (ValueError, AssertionError, SystemExit):
            return None

    fixed = {"tests", "blind rows", "expectations", "correlated"}  # numbers of rows
    for name, compute in WRITTEN["NUMBERS"].items():
        assert name in fixed or any(shown(compute, other) != compute(tables) for other in others), name


def test_swapped_rows_are_noticed():
    page = WRITTEN["render"](TEMPLATE, ALL)
    assert "{" not in page
    for name, column, first, second in (
        ("faithfulness_to_own_game", "explainer", "occlusion", "permutation_shap"),
        ("figure_leaderboard", "explainer", "gradient_x_perturbation", "lime_perturbation"),
        ("truths", "what", "norm_flips_3", "best_flips_3"),
        ("gap", "part", "question", "question: fill zero"),
    ):
        swap = {first: second, second: first}
        tables = changed(
            lambda one, table, name=name, column=column, swap=swap: (
                table.assign(**{column: table[column].replace(swap)}) if one == name else table
            )
        )
        with contextlib.suppress(SystemExit):  # for a claim that no longer holds
            assert WRITTEN["render"](TEMPLATE, tables) != page, name


def test_a_claim_that_does_not_hold_is_not_written():
    def change(name, table):
        return table.assign(high=table.high + 1) if name == "contrasts" else table

    with pytest.raises(SystemExit, match="sampling is within the margin: does not hold"):
        WRITTEN["render"](TEMPLATE, changed(change))


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("It reaches 0.97 in the mean.", True),
        ("It reaches {figure_leaderboard explainer=occlusion} in the mean.", False),
        ("It reaches {figure_leaderboard explainer=occlusion} in every panel.", True),
        ("It reaches {figure_leaderboard explainer=occlusion} in every panel {holds nobody reaches 0.9}.", False),
        ("### 3. Sampling makes no difference\n\nIt is so.", True),
        ("### 3. Sampling matters\n\nIt is so.", False),
        ("- None is above {defined}.", False),
        ("It is so. Most do. It is so.", True),
        ("`kernel_shap_512` of [a table](truth/table2.csv).", False),
        ("## References\n\nNature 35, 2023.", False),
    ],
)
def test_a_sentence_that_counts_needs_its_rows(text, loose):
    assert bool(WRITTEN["unbound"](f"\n{text}")) == loose


def test_no_sentence_of_the_pages_counts_without_rows():
    assert WRITTEN["unbound"](TEMPLATE) == WRITTEN["unbound"](README) == []


@pytest.mark.parametrize("section", CLAIMS, ids=TITLES)
def test_each_claim_says_how_many_and_what_would_refute_it(section):
    assert "**Refuted by**" in section
    assert re.search(r"n = \d+", section)
    assert linked(section, "csv")


def test_every_picture_and_table_is_there():
    pictures, tables = (linked(TEXT, suffix) for suffix in ("png", "csv"))
    assert len(pictures) >= 6
    assert len(set(tables)) >= 7
    assert all(path.is_file() for path in (*pictures, *tables))
    assert len(CLAIMS) == 7


def test_every_control_has_its_line():
    controls = pd.read_csv(DOCS / "truth" / "controls.csv")
    section = TEXT.split("\n## Controls")[1]
    for control in controls.control.unique():
        assert f"`{control}`" in section


def test_numbers_are_rounded_as_they_say():
    number, at_most, at_least = WRITTEN["number"], WRITTEN["at_most"], WRITTEN["at_least"]
    assert [at_least(one, 3) for one in (0.0898, 0.126, 0.12699)] == ["0.089", "0.126", "0.126"]
    assert [number(one, 2) for one in (-0.001, 0.125, -0.126)] == ["0.00", "0.12", "-0.13"]
    assert number(504.5, "g") == "504.5"
    assert [at_most(one, 2) for one in (0.0239, 0.02, 0.0201)] == ["0.03", "0.02", "0.03"]


def test_the_tables_of_a_run_are_copied_whole_or_not_at_all(tmp_path):
    exported = runpy.run_path(str(DOCS / "truth.py"))
    run, folder = tmp_path / "run", tmp_path / "truth"
    with pytest.raises(SystemExit, match=r"tables/scores\.csv: missing, with \d+ more\. Run snakemake all costs first\."):
        exported["copy"](run, folder)
    assert not folder.exists()
    for part, names in (("tables", exported["TABLES"]), ("figures", exported["FIGURE_DATA"])):
        (run / part).mkdir(parents=True)
        for name in names:
            (run / part / name).write_text(f"song,aufc\n{name},0.123456789012345\n")
    exported["copy"](run, folder)
    assert pd.read_csv(folder / "scores.csv.gz").aufc[0] == 0.123456789012345
    before = (folder / "scores.csv.gz").read_bytes()
    exported["copy"](run, folder)
    assert (folder / "scores.csv.gz").read_bytes() == before  # it contains no time
    assert gzip.decompress(before) == (run / "tables" / "scores.csv").read_bytes()
    exported["describe"](folder)
    page = (folder / "README.md").read_text()
    assert all(f"[{path.name}]" in page for path in folder.iterdir() if ".csv" in path.name)
    assert page == (DOCS / "truth" / "README.md").read_text()
    shutil.rmtree(run / "figures")
    with pytest.raises(SystemExit, match="missing"):
        exported["copy"](run, folder)


def test_the_tables_of_real_songs_are_those_of_the_run():
    text = (DOCS / "real_songs.md").read_text(encoding="utf-8").partition("## Detectors trained on nine songs")[0]
    arrows = {"nosing": "no sing → sing", "sing": "sing → no sing"}
    for number, columns in ((1, ["lime", "lime_exact", "norm", "best"]), (2, ["lime_positive", "norm_as_many"])):
        rows = pd.read_csv(DOCS / "truth" / f"table{number}.csv")
        for (domain, original), part in rows.groupby(["domain", "original"]):
            one = part.set_index("selection")
            shown = [f"{one.percent[name]:.0f} % ({one.flipped[name]:.0f})" for name in columns]
            shown[0] = shown[0].replace(")", f" of {one.n[columns[0]]})")
            if number == 1:
                shown.append(f"{one.percent['random']:.0f} %")
            assert f"| {domain} | {arrows[original]} | {' | '.join(shown)} |" in text
    detector = pd.read_csv(DOCS / "truth" / "attacks.csv").query("original == 'all'").set_index("domain")
    for domain in ("waveform", "spectrogram"):
        assert f"{detector.percent[domain]:.1f} %" in text
        assert f"{detector.mean_snr_db[domain]:.0f} dB" in text


@pytest.mark.slow
def test_the_figures_are_drawn_from_the_tables(tmp_path):
    exported = runpy.run_path(str(DOCS / "truth.py"))
    folder = shutil.copytree(DOCS / "truth", tmp_path / "truth", ignore=shutil.ignore_patterns("*.png"))
    exported["draw"](folder)
    assert {path.name for path in folder.glob("*.png")} == {path.name for path in (DOCS / "truth").glob("*.png")} - {
        "figure1.png"
    }


def test_intervals_can_be_recomputed_from_the_scores():
    """Recompute the gap with the seed and the fill of the configuration."""
    from veracity.results import gap
    from veracity.results.pooling import read_table

    rows = gap.table(read_table(DOCS / "truth" / "scores.csv.gz"), fill="mean", seed=0).set_index(
        ["domain", "original", "part"]
    )
    published = pd.read_csv(DOCS / "truth" / "gap.csv").set_index(["domain", "original", "part"])
    columns = ["mean", "low", "high"]
    np.testing.assert_allclose(rows.loc[published.index, columns], published[columns], rtol=1e-5, atol=1e-8)


def test_panels_stand_in_the_order_of_the_page():
    found = WRITTEN["in_panels"](
        pd.DataFrame({"domain": ["spectrogram", "waveform"] * 2, "original": ["sing", "sing", "nosing", "nosing"]})
    )
    assert list(zip(found.domain, found.original, strict=True)) == list(WRITTEN["PANELS"])
    assert np.array_equal(found.index, range(4))
