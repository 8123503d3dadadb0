"""Properties of the whole repository."""

import functools
import importlib
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_environment_and_package_name_the_same_dependencies():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = [part["pip"] for part in environment if isinstance(part, dict)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert by_pip == project["dependencies"] + project["optional-dependencies"]["workflow"]
    assert f"python{project['requires-python']}" in environment


def test_every_dependency_is_pinned_to_a_tested_version():
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {name.split(">")[0].split("=")[0].lower().replace("_", "-") for name in wanted} <= pinned


def test_the_lowest_versions_that_are_claimed_are_those_that_are_tested():
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    tested = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for wanted in [*project["dependencies"], *project["optional-dependencies"]["explainers"]]:
        name, lowest = wanted.lower().replace("_", "-").split(">=")
        parts = lowest.split(".")
        assert tested[name].split(".")[: len(parts)] == parts, wanted


def test_importing_does_not_import_torch_or_librosa():
    """A process imports the modules one by one; the first that imports either library is named."""
    modules = [
        "veracity",
        "veracity.songs.corpus",
        "veracity.songs.synthesis",
        "veracity.workflow.code",
        "veracity.workflow.copied",
        "veracity.workflow.threads",
        "veracity.jobs.provenance",
    ]
    modules += ["veracity.attacks.settings", "veracity.detector.settings"]
    modules += [f"veracity.results.{path.stem}" for path in sorted((ROOT / "veracity" / "results").glob("[!_]*.py"))]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    assert not {'torch', 'librosa'} & set(sys.modules), name\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_is_an_attribute_of_its_package():
    for folder in (ROOT / "veracity", *(path.parent for path in (ROOT / "veracity").glob("*/**/__init__.py"))):
        package = importlib.import_module(".".join(folder.relative_to(ROOT).parts))
        inside = {path.stem for path in folder.glob("[!_]*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
        assert inside
        assert inside == set(dir(package))
        assert all(getattr(package, name) is not None for name in inside)


@pytest.mark.slow
def test_packaging_finds_every_module(tmp_path):
    run = functools.partial(subprocess.run, capture_output=True, text=True, check=True, cwd=tmp_path)
    shutil.copytree(ROOT / "veracity", tmp_path / "veracity", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    run([sys.executable, *["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "."]])
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    inside = {path.relative_to(tmp_path / "installed") for path in (tmp_path / "installed" / "veracity").rglob("*.py")}
    assert inside == {path.relative_to(ROOT) for path in (ROOT / "veracity").rglob("*.py")}
    smoke = (
        "import sys; sys.path.insert(0, 'installed'); import veracity\n"
        "assert veracity.__file__.startswith(sys.argv[1]), veracity.__file__\n"
        "import numpy as np\n"
        "values = np.arange(16.0); weights = veracity.explainers.lime.fit_exact(values, n_samples=None).weights\n"
        "print(veracity.explainers.lime.ranking(weights, 'sing').tolist(), "
        "veracity.games.solution_concepts.shapley(values).tolist())"
    )
    done = run([sys.executable, "-c", smoke, str(tmp_path)])
    assert done.stdout.strip() == "[3, 2, 1, 0] [1.0, 2.0, 4.0, 8.0]"
    explained = (  # neither the workflow's nor the page's requirements are needed
        "import sys; sys.path.insert(0, 'installed')\n"
        "for name in ('snakemake', 'captum', 'shapiq', 'IPython'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from veracity import notebook\n"
        "from veracity.attacks.settings import AttackSettings\n"
        "from veracity.detector.checkpoints import Checkpoint\n"
        "from veracity.detector.model import Detector\n"
        "few = AttackSettings(eps=0.1, eta=0.01, alpha=1000, max_updates=3)\n"
        "noise = np.random.default_rng(0).normal(0, 0.1, 80_000)\n"
        "found = notebook.explain(noise, Checkpoint(Detector().eval()), at=1, attack=few, n_time=3, n_band=2)\n"
        "notebook.plot(found)\n"
        "print(notebook.__file__.startswith(sys.argv[1]), found.shapley.shape)"
    )
    assert run([sys.executable, "-c", explained, str(tmp_path)]).stdout.strip() == "True (6,)"


def test_every_rule_has_a_script_of_its_name():
    scripts = {path.stem for path in (ROOT / "workflow" / "scripts").glob("[!_]*.py")}
    text = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    explicit = re.findall(r"^rule (\w+):", text, re.MULTILINE)
    for name in explicit:
        assert f'"../scripts/{name}.py"' in text.split(f"rule {name}:")[1].split("\nrule ")[0]
    tables = [re.search(rf"^{name} = {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)[1] for name in ("EXPLAINING", "PAGES")]
    looped = re.findall(r'^    "(\w+)": ', "".join(tables), re.MULTILINE)
    looped += re.findall(r'^ *PAGES\["(\w+)"\]', text, re.MULTILINE)
    looped += re.findall(r'"(\w+)"', re.search(r"^for stage in \((.*)\):", text, re.MULTILINE)[1])
    assert len(looped) > 40
    assert {*explicit, *looped} == scripts


def test_the_page_of_artefacts_is_up_to_date():
    assert runpy.run_path(str(ROOT / "docs" / "artefacts.py"))["page"]() == (ROOT / "docs" / "artefacts.md").read_text("utf-8")


def test_rules_use_snakemakes_public_names_alone():
    """A minor release may change the others; pyproject.toml bounds the major one."""
    objects = r"\b(workflow|rules|dag|job)\._"
    attributes = r"\bworkflow\.(persistence|dag|dag_settings|logger_manager|exec_mode)\b"
    private = re.compile(rf"{objects}|{attributes}|^from snakemake\.(?!utils|exceptions)")
    files = [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk"), *(ROOT / "workflow").rglob("*.py")]
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not private.search(line), f"{path}, line {number}"
