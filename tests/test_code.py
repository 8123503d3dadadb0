"""Digests of code: an edit re-runs the jobs that depend on it, an edited comment re-runs none."""

import shutil
from pathlib import Path

import pytest

from veracity.workflow import code
from veracity.workflow.code import code_digest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    "alpha.py": '''"""Alpha."""

from beta import double


def answer(x):
    """Answer."""
    return double(x) + 1
''',
    "beta.py": "import room.gamma\n\n\ndef double(x):\n    return room.gamma.TWO * x\n",
    "room/__init__.py": "IN = True\n",
    "room/gamma.py": "from .delta import TWO\n\n\nclass C:\n    async def f(self):\n        pass\n",
    "room/delta.py": "TWO = 2  # two\n",
    "apart.py": "def unused():\n    return 0\n",
}


@pytest.fixture
def project(tmp_path):
    """Return a folder with modules of a user."""
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest_of(project):
    """Return the digest computed by another process."""
    code_digest.cache_clear()
    code._known.cache_clear()
    code._files_of.cache_clear()
    return code_digest(project / "alpha.py")


def edit(project, name, old, new):
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_digest_is_short_and_the_same_wherever_the_project_lies(project, tmp_path):
    digest = digest_of(project)
    assert len(digest) == 16
    shutil.copytree(project, tmp_path / "a copy")
    assert digest_of(tmp_path / "a copy") == digest


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("alpha.py", "+ 1", "+ 2"),
        ("alpha.py", "def answer(x)", "def answer(x: int)"),
        ("beta.py", "room.gamma.TWO * x", "x * room.gamma.TWO"),
        ("room/__init__.py", "True", "False"),
        ("room/gamma.py", "pass", "return 1"),
        ("room/delta.py", "TWO = 2", "TWO = 2.0"),  # through three others
    ],
)
def test_changed_statement_within_reach_changes_the_digest(project, name, old, new):
    before = digest_of(project)
    edit(project, name, old, new)
    assert digest_of(project) != before


def test_comments_docstrings_formatting_and_other_modules_do_not_count(project):
    before = digest_of(project)
    for name, old, new in [
        ("room/delta.py", "TWO = 2  # two", "# hands\n\n\nTWO  =  (2)"),
        ("alpha.py", '"""Alpha."""', '"""Alpha, explained better.\n\nAt length.\n"""'),
        ("alpha.py", '    """Answer."""\n', ""),
        ("beta.py", "def double(x):\n", 'def double(x):\n    """Double."""\n'),
        ("room/gamma.py", "class C:\n", 'class C:\n    """C."""\n\n'),
        ("apart.py", "return 0", "return 1"),
    ]:
        edit(project, name, old, new)
        assert digest_of(project) == before, name


@pytest.mark.parametrize(
    "line",
    [
        "import apart",
        "import apart as other",
        "from apart import unused",
        "from apart import *",
        "def late():\n    from apart import unused",
        "if False:\n    import apart",
    ],
)
def test_every_form_of_import_is_followed(project, line):
    edit(project, "beta.py", "import room.gamma", f"import room.gamma\n{line}")
    before = digest_of(project)
    edit(project, "apart.py", "return 0", "return 1")
    assert digest_of(project) != before


def test_imports_for_type_checkers_are_not_followed(project):
    lines = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import apart\n"
    edit(project, "beta.py", "import room.gamma", f"import room.gamma\n{lines}")
    before = digest_of(project)
    edit(project, "apart.py", "return 0", "return 1")
    assert digest_of(project) == before
    edit(project, "beta.py", "import apart", "import other")
    assert digest_of(project) != before  # the statement itself is part of the digest


def test_digests_are_remembered_until_a_file_changes(project, monkeypatch):
    parsed, files = [], code.FileMemory(project / "memory.json", lambda path: parsed.append(path) or code._parsed(path))
    monkeypatch.setattr(code, "_known", files.of)
    for changed in ([], ["beta.py"], []):
        for name in changed:
            edit(project, name, "return", "return 2 *")
        before = len(parsed)
        code_digest.cache_clear()
        code_digest(project / "alpha.py")
        assert len(parsed) - before == (len(changed) if before else 5)


@pytest.mark.parametrize("line", ["from . import more", "from .more import X", "from .. import room2"])
def test_relative_imports_are_followed(project, line):
    package = project / "outer"
    (package / "room2").mkdir(parents=True)
    for name in ("__init__.py", "room2/__init__.py"):
        (package / name).touch()
    (package / "room2" / "inner.py").write_text(line + "\n")
    (package / "room2" / "more.py").write_text("X = 1\n")
    edit(project, "beta.py", "import room.gamma", "import room.gamma\nimport outer.room2.inner")
    before = digest_of(project)
    (package / "room2" / "more.py").write_text("X = 2\n")
    assert digest_of(project) != before


def test_all_modules_of_an_imported_package_count(project):
    edit(project, "beta.py", "import room.gamma", "import room")
    (project / "room" / "unseen.py").write_text("X = 1\n")
    before = digest_of(project)
    (project / "room" / "unseen.py").write_text("X = 2\n")
    assert digest_of(project) != before


def test_a_module_without_valid_python_counts_by_its_bytes(project):
    before = digest_of(project)
    (project / "beta.py").write_text("def (")
    assert digest_of(project) != before


def test_modules_elsewhere_on_pythonpath_count_and_installed_packages_do_not(project, tmp_path, monkeypatch):
    other, installed = tmp_path / "other", tmp_path / "lib" / "site-packages"
    for folder, name in ((other, "helper"), (installed, "third_party")):
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text("X = 1\n")
    monkeypatch.setenv("PYTHONPATH", f"{other}:{installed}")
    edit(project, "beta.py", "import room.gamma", "import helper, third_party\nimport room.gamma")
    before = digest_of(project)
    (installed / "third_party.py").write_text("X = 2\n")
    assert digest_of(project) == before
    (other / "helper.py").write_text("X = 2\n")
    assert digest_of(project) != before


@pytest.mark.parametrize(
    ("module", "rules"),  # some of each room, and all rules that compute with it: these re-run when it is edited
    [
        ("jobs/resuming.py", "controlled controls perturbations plan shortcut_detector training tuning_runs"),
        ("songs/label_files.py", "download plan spectrograms synthetic_corpus"),
        ("songs/audio.py", "controlled listening perturbations plan shortcut_detector spectrograms tuning_runs"),
        ("detector/training.py", "controlled controls plan shortcut_detector training"),
        ("attacks/minimiser.py", "controlled controls perturbations plan tuning_runs"),
        (
            "games/tables.py",
            "attributions classifier controlled drawings explanations flips localised localised_attributions stability",
        ),
        (
            "explainers/lime.py",
            "attributions audits classifier compare controlled controls drawings explanations fidelity figure1 flip_rates "
            "flips listening localised localised_attributions localised_rows plan report sampling_error scores smallest_sets "
            "stability truths",
        ),
        ("experiments/drawing/shapes.py", "audits drawings figure1 plan"),
        ("experiments/localised.py", "audits localised localised_attributions localised_rows"),
        ("results/figure3.py", "figure3"),
        (
            "results/canvas.py",
            "compare controls costs fidelity_vs_correctness figure1 figure2 figure3 figure4 figure_explainers "
            "figure_leaderboard "
            "figure_stability gap faithfulness_to_own_game plan sensitivity truths variant_costs",
        ),
        ("games/scoring.py", "controlled controls fidelity_vs_correctness leaderboard listening plan report scores truths"),
        (
            "results/over_songs.py",
            "compare contrasts controls fidelity_vs_correctness figure_leaderboard gap leaderboard faithfulness_to_own_game "
            "scores sensitivity truths",
        ),
        ("songs/resynthesis.py", "listening report"),
        ("detector/shortcut.py", "controlled controls plan shortcut_detector"),
        ("planning/jobs.py", "plan"),
    ],
)
def test_an_edit_in_a_room_re_runs_the_rules_that_reach_it_and_no_others(module, rules, monkeypatch):
    scripts = {path.stem: path for path in (ROOT / "workflow" / "scripts").glob("[!_]*.py")}
    before = {name: code_digest(path) for name, path in scripts.items()}
    assert len(set(before.values())) == len(scripts)
    known, edited = code._known, ROOT / "veracity" / module
    assert edited.is_file()
    monkeypatch.setattr(code, "_known", lambda path: (known(path)[0] + "!" * (path == edited), known(path)[1]))
    code_digest.cache_clear()
    assert {name for name, path in scripts.items() if code_digest(path) != before[name]} == set(rules.split())
    code_digest.cache_clear()
