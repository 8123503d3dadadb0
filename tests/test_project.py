"""What holds of the repository as a whole."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_environment_and_package_name_the_same_dependencies():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = [part["pip"] for part in environment if isinstance(part, dict)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert by_pip == project["dependencies"]
    assert f"python{project['requires-python']}" in environment


def test_every_dependency_is_pinned_to_a_tested_version():
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {name.split(">")[0].split("=")[0].lower().replace("_", "-") for name in wanted} <= pinned


@pytest.mark.parametrize(
    "modules",
    [
        "veracity",
        "veracity.corpus, veracity.config, veracity.synthesis, veracity.provenance, veracity.summaries, veracity.figures",
    ],
)
def test_importing_does_not_import_torch_or_librosa(modules):
    code = f"import sys, {modules}; print([name for name in ('torch', 'librosa') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_is_an_attribute_of_the_package():
    import veracity

    modules = {path.stem for path in (ROOT / "veracity").glob("*.py")} - {"__init__"}
    assert modules <= set(dir(veracity))
    assert veracity.grid.SegmentGrid is not None


def test_every_rule_has_a_script_of_its_name():
    scripts = {path.stem for path in (ROOT / "workflow" / "scripts").glob("[!_]*.py")}
    text = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    rules = {line.removeprefix("rule ").rstrip(":") for line in text.splitlines() if line.startswith("rule ")}
    assert rules == scripts
    for name in rules:
        body = text.split(f"rule {name}:")[1].split("\nrule ")[0]
        assert f'"../scripts/{name}.py"' in body


def test_the_page_of_artefacts_is_up_to_date():
    assert runpy.run_path(str(ROOT / "docs" / "artefacts.py"))["page"]() == (ROOT / "docs" / "artefacts.md").read_text("utf-8")
