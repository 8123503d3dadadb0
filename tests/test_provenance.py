"""Digests that decide what runs again, and what is recorded of a result's origin."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from veracity.jobs import provenance
from veracity.jobs.provenance import code_digest, describe, file_digest, versions

ROOT = Path(__file__).resolve().parents[1]

SOURCES = {
    "veracity/alpha.py": '''"""Alpha."""

from .beta import double


def answer(x):
    """Answer."""
    return double(x) + 1
''',
    "veracity/beta.py": "from . import gamma\n\n\ndef double(x):\n    return gamma.TWO * x\n",
    "veracity/gamma.py": "TWO = 2  # two\n",
    "veracity/apart.py": "def unused():\n    return 0\n",
    "veracity/__init__.py": '__version__ = "0"\n',
    "veracity/room/__init__.py": "IN = True\n",
    "veracity/room/table.py": "from ..apart import unused\n",
    "veracity/room/beta.py": "from . import inner\nfrom .inner import leaf\n",
    "veracity/room/inner/__init__.py": "",
    "veracity/room/inner/leaf.py": "LEAF = 1\n",
    "scripts/_job.py": "def main(work):\n    work()\n",
    "scripts/rule.py": """import json

from _job import main
from veracity.alpha import answer

main(lambda: json.dumps(answer(1)))
""",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the folder of a small package with a script, which stands for veracity and a rule's script."""
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "veracity")
    return tmp_path


def digest_of(project):
    """Return the digest of the rule, as another process would compute it."""
    provenance._parse.cache_clear()
    digest = code_digest(project / "scripts" / "rule.py")
    provenance._parse.cache_clear()
    return digest


def edit(project, name, old, new):
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_digest_is_stable_and_short(project):
    digest = digest_of(project)
    assert digest == digest_of(project)
    assert len(digest) == 16
    assert int(digest, 16) >= 0


def test_digest_does_not_depend_on_where_the_project_lies(project, tmp_path, monkeypatch):
    before = digest_of(project)
    copy = tmp_path / "a copy"
    for folder in ("veracity", "scripts"):
        shutil.copytree(project / folder, copy / folder)
    monkeypatch.setattr(provenance, "PACKAGE", copy / "veracity")
    assert digest_of(copy) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("scripts/rule.py", "answer(1)", "answer(2)"),
        ("scripts/_job.py", "work()", "work(), work()"),
        ("veracity/alpha.py", "+ 1", "+ 2"),
        ("veracity/beta.py", "gamma.TWO * x", "x * gamma.TWO"),
        ("veracity/gamma.py", "TWO = 2", "TWO = 2.0"),  # reached through two others
        ("veracity/alpha.py", "def answer(x)", "def answer(x: int)"),
        ("veracity/gamma.py", "# two", "\nTHREE = 3"),
    ],
)
def test_a_changed_statement_anywhere_within_reach_changes_the_digest(project, name, old, new):
    before = digest_of(project)
    edit(project, name, old, new)
    assert digest_of(project) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("veracity/gamma.py", "# two", "# the number of hands"),
        ("veracity/gamma.py", "TWO = 2", "# hands\n\n\nTWO  =  (2)"),
        ("veracity/alpha.py", '"""Alpha."""', '"""Alpha, explained better.\n\nAt length.\n"""'),
        ("veracity/alpha.py", '    """Answer."""\n', ""),
        ("veracity/beta.py", "def double(x):\n", 'def double(x):\n    """Double."""\n'),
        ("scripts/_job.py", "def main", '"""Help of scripts."""\n\n\ndef main'),
        ("scripts/rule.py", "answer(1)", "answer(\n    1\n)"),
        ("veracity/apart.py", "return 0", "return 1"),  # not reached
    ],
)
def test_comments_docstrings_formatting_and_code_out_of_reach_do_not(project, name, old, new):
    before = digest_of(project)
    edit(project, name, old, new)
    assert digest_of(project) == before


def test_docstrings_of_classes_and_methods_do_not_count_but_other_texts_do(project):
    edit(
        project,
        "veracity/gamma.py",
        "TWO = 2",
        'class C:\n    """C."""\n\n    async def f(self):\n        """F."""\n\n\nTWO = "x"',
    )
    before = digest_of(project)
    edit(project, "veracity/gamma.py", '"""C."""', '"""See."""')
    edit(project, "veracity/gamma.py", '"""F."""', '"""Eff."""')
    assert digest_of(project) == before
    edit(project, "veracity/gamma.py", '"x"', '"y"')
    assert digest_of(project) != before


@pytest.mark.parametrize(
    "line",
    [
        "import veracity.apart",
        "import veracity.apart as other",
        "from veracity import apart",
        "from veracity import provenance, apart as other",
        "from veracity.apart import unused",
        "from veracity.apart import *",
        "def late():\n    from veracity.apart import unused",
        "if False:\n    import veracity.apart",
    ],
)
def test_every_form_of_import_is_followed(project, line):
    edit(project, "scripts/rule.py", "import json", f"import json\n{line}")
    before = digest_of(project)
    edit(project, "veracity/apart.py", "return 0", "return 1")
    assert digest_of(project) != before


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("from veracity.room import table", {"room/__init__", "room/table", "apart"}),
        ("import veracity.room.table", {"room/__init__", "room/table", "apart"}),
        ("from veracity.room.table import unused", {"room/__init__", "room/table", "apart"}),
        ("from veracity.room.inner.leaf import LEAF", {"room/__init__", "room/inner/__init__", "room/inner/leaf"}),
        ("from veracity.room import IN", {"room/__init__"}),
        # What names a package may load any of its modules later.
        (
            "from veracity import room",
            {"room/__init__", "room/table", "apart", "room/beta", "room/inner/__init__", "room/inner/leaf"},
        ),
        ("from veracity.room import inner", {"room/__init__", "room/inner/__init__", "room/inner/leaf"}),
        ("from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from veracity import apart", set()),
        ("from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    pass\nelse:\n    from veracity import apart", {"apart"}),
    ],
)
def test_modules_in_rooms_are_reached_and_no_others(project, line, reached):
    edit(project, "scripts/rule.py", "import json", f"import json\n{line}")
    before, found = digest_of(project), set()
    for path in sorted((project / "veracity").rglob("*.py")):
        name, text = path.relative_to(project / "veracity").with_suffix("").as_posix(), path.read_text()
        path.write_text(text + "\nCHANGED = 1\n")
        if digest_of(project) != before:
            found.add(name)
        path.write_text(text)
    assert found == {"alpha", "beta", "gamma"} | reached


def test_modules_of_one_name_in_two_rooms_are_told_apart(project):
    edit(project, "scripts/rule.py", "import json", "import json\nfrom veracity.room import beta")
    before = digest_of(project)
    one, other = project / "veracity" / "beta.py", project / "veracity" / "room" / "beta.py"
    texts = one.read_text(), other.read_text()
    one.write_text(texts[0] + "\nX = 1\n")
    first = digest_of(project)
    one.write_text(texts[0])
    other.write_text(texts[1] + "\nX = 1\n")
    assert len({before, first, digest_of(project)}) == 3


@pytest.mark.parametrize("line", ["from . import apart", "from .apart import unused", "from .apart import unused as f"])
def test_every_form_of_relative_import_is_followed(project, line):
    edit(project, "veracity/gamma.py", "TWO", f"{line}\n\nTWO")
    before = digest_of(project)
    edit(project, "veracity/apart.py", "return 0", "return 1")
    assert digest_of(project) != before


def test_modules_that_import_each_other_are_digested_once(project):
    edit(project, "veracity/gamma.py", "TWO", "from . import alpha\n\nTWO")
    before = digest_of(project)
    edit(project, "veracity/alpha.py", "+ 1", "+ 2")
    assert digest_of(project) != before


def test_a_script_named_like_a_module_is_not_mistaken_for_it(project):
    rule, named = project / "scripts" / "rule.py", project / "scripts" / "alpha.py"
    rule.rename(named)

    def digest():
        provenance._parse.cache_clear()
        return code_digest(named)

    before = digest()
    edit(project, "veracity/alpha.py", "+ 1", "+ 2")
    after_module = digest()
    edit(project, "scripts/alpha.py", "answer(1)", "answer(2)")
    assert len({before, after_module, digest()}) == 3


def test_scripts_of_the_workflow_reach_what_they_compute_with():
    scripts = ROOT / "workflow" / "scripts"
    digests = [code_digest(script) for script in scripts.glob("[!_]*.py")]
    assert len(set(digests)) == len(digests) > 20
    waiting, reached = [scripts / "explanations.py"], set()
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting.extend(provenance._parse(path)[1])
    expected = {"_job", "store", "lime", "game", "tables", "readouts", "grid", "seeds", "explanations"}
    assert expected <= {path.stem for path in reached}
    assert not {"results", "planning"} & {path.parent.name for path in reached}


@pytest.mark.parametrize(
    ("module", "rules"),  # some of each room, and all rules that compute with it: these re-run when it is edited
    [
        ("jobs/resuming.py", "controlled perturbations planted training tuning_runs"),
        ("songs/label_files.py", "download plan spectrograms synthetic_corpus"),
        ("songs/audio.py", "controlled listening perturbations plan planted spectrograms tuning_runs"),
        ("detector/training.py", "controlled planted training"),
        ("attacks/minimiser.py", "controlled perturbations tuning_runs"),
        (
            "games/tables.py",
            "attributions classifier controlled drawings explanations flips localised localised_attributions stability",
        ),
        (
            "explainers/lime.py",
            "attributions audits classifier compare controlled drawings explanations fidelity figure1 flip_rates flips "
            "listening localised localised_attributions localised_rows sampling_error scores smallest_sets "
            "stability truths",
        ),
        ("experiments/pen/shapes.py", "audits drawings figure1"),
        ("experiments/localised.py", "audits localised localised_attributions localised_rows"),
        ("results/figure3.py", "figure3"),
        (
            "results/canvas.py",
            "compare controls costs fidelity_worth figure1 figure2 figure3 figure4 figure_explainers figure_leaderboard "
            "figure_stability gap own_games plan sensitivity truths variant_costs",
        ),
        ("games/scoring.py", "controlled fidelity_worth leaderboard listening scores truths"),
        (
            "results/over_songs.py",
            "compare contrasts controls fidelity_worth figure_leaderboard gap leaderboard own_games scores sensitivity truths",
        ),
        ("songs/resynthesis.py", "listening"),
        ("detector/cue.py", "controlled planted"),
        ("planning/load.py", "plan"),
    ],
)
def test_an_edit_in_a_room_re_runs_the_rules_that_reach_it_and_no_others(module, rules, monkeypatch):
    scripts = {path.stem: path for path in (ROOT / "workflow" / "scripts").glob("[!_]*.py")}
    before = {name: code_digest(path) for name, path in scripts.items()}
    parse, edited = provenance._parse, ROOT / "veracity" / module
    assert edited.is_file()
    monkeypatch.setattr(provenance, "_parse", lambda path: (parse(path)[0] + "!" * (path == edited), parse(path)[1]))
    assert {name for name, path in scripts.items() if code_digest(path) != before[name]} == set(rules.split())


def test_file_digest_is_the_start_of_sha256(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 5000)
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    (tmp_path / "empty").touch()
    assert file_digest(str(tmp_path / "empty")) == "e3b0c44298fc1c14"


def test_description_holds_settings_versions_and_digests_but_no_place_or_time(tmp_path):
    path = tmp_path / "run" / "songs" / "a.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    description = describe(settings={"b": 1, "a": [2]}, seed=4, inputs=[path])
    assert description["settings"] == '{"a": [2], "b": 1}'
    assert description["seed"] == 4
    assert json.loads(description["inputs"]) == {"run/songs/a.h5": "ba7816bf8f01cfea"}
    assert str(tmp_path) not in json.dumps(description)
    assert description == describe(settings={"a": [2], "b": 1}, seed=4, inputs=[str(path)])


def test_description_does_not_depend_on_the_order_of_inputs(tmp_path):
    paths = [tmp_path / name for name in "cab"]
    for path in paths:
        path.write_text(path.name)
    assert describe(settings={}, seed=0, inputs=paths) == describe(settings={}, seed=0, inputs=reversed(paths))


def test_versions_name_what_computes():
    import numpy
    import torch

    import veracity

    found = versions()
    assert found["veracity"] == veracity.__version__
    assert found["numpy"] == numpy.__version__
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert set(found) == {"python", "veracity", *provenance.LIBRARIES}


@pytest.mark.parametrize(
    "line", ["import helper", "import importlib; importlib.import_module('helper')", "from ns import helper"]
)
def test_a_user_s_code_counts_wherever_on_the_path_it_lies(line, tmp_path, monkeypatch):
    one, other = tmp_path / "one", tmp_path / "other"
    (other / "ns").mkdir(parents=True)
    one.mkdir()
    helper = other / ("ns/helper.py" if "ns" in line else "helper.py")
    helper.write_text("x = 1\n")
    (one / "model.py").write_text(f"{line}\n\ndef p(x): return x\n")
    monkeypatch.setenv("PYTHONPATH", f"{one}:{other}")
    before = code_digest(one / "model.py")
    helper.write_text("x = 2\n")
    provenance._parse.cache_clear()
    assert code_digest(one / "model.py") != before
