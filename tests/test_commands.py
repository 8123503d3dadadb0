"""Every command in README, docs, configurations and profiles works as written."""

import re
import shlex
import subprocess

import pytest
from workspaces import ROOT, Workspace

from veracity.__main__ import parser

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
HEADS = [
    *sorted((ROOT / "config").glob("*.yaml")),
    *sorted((ROOT / "profiles").glob("*/profile.yaml")),
    ROOT / "environment.yml",
]


def commands():
    """Return (file, command) of every line of a code block, and of every command in back-ticks or in a file's head."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [
            " ".join(inline.split()) for inline in re.findall(r"`((?:snakemake|python|make|rm|pip|veracity)\s[^`]+)`", rest)
        ]
        found += [(page.name, line) for line in lines]
    for head in HEADS:
        lines = (
            line.removeprefix("#").strip() for line in head.read_text(encoding="utf-8").splitlines() if line.startswith("#")
        )
        found += [(str(head.relative_to(ROOT)), re.sub(r"\s{2,}\(.*", "", line)) for line in lines]
    starts = ("snakemake ", "python ", "make ", "rm ", "veracity ")
    found = [(name, line.split("  #")[0].strip()) for name, line in found if line.startswith(starts)]
    return list(dict.fromkeys((name, line) for name, line in found if "..." not in line and "<" not in line))


COMMANDS = commands()


def of(*starts):
    """Return each command that starts so once, with the files that name it; the number of cores makes no other command."""
    named = {}
    for name, command in COMMANDS:
        if command.startswith(starts):
            named.setdefault(re.sub(r"--cores \d+", "--cores 2", command), []).append(name)
    assert named
    return named


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Return a checkout whose data/jamendo has fifteen songs of the corpus, if they are in ../shared."""
    folder = tmp_path_factory.mktemp("commands")
    if (songs := ROOT.parent / "shared" / "data" / "jamendo_free").exists():
        (folder / "data").mkdir()
        (folder / "data" / "jamendo").symlink_to(songs)
    return Workspace(folder)


def dry(command):
    """Return a snakemake command as a dry run; targets must precede --configfile."""
    words = shlex.split(command)
    if {"--unlock", "--summary", "-n"} & set(words):
        return command
    return f"snakemake -n {command.removeprefix('snakemake ')}"


@pytest.mark.slow
@pytest.mark.parametrize("command", of("snakemake ", "rm "))
def test_commands_of_snakemake_work_as_they_are_written(workspace, command):
    if re.search("jamendo|truth|silero", command) and not (workspace.folder / "data").exists():
        pytest.skip("../shared is not here")
    if "--profile profiles/generic" in command or "--executor kubernetes" in command:
        pytest.skip("needs a plugin and a scheduler of one's own")
    if re.search("--configfile config/(mine|songs).yaml", command):
        pytest.skip("the page has just told to write that file; tests/test_workflow.py runs a corpus of one's own")
    if "--profile profiles/slurm" in command:
        pytest.importorskip("snakemake_executor_plugin_slurm")
    if command.startswith("rm "):
        (workspace.folder / "results" / "synthetic" / "figures").mkdir(parents=True, exist_ok=True)
        (workspace.folder / "results" / "synthetic" / "figures" / "figure2.png").touch()
    parts = command.replace("/data/my_corpus", "data/jamendo").split(" && ")
    line = " && ".join(dry(part) if part.startswith("snakemake") else part for part in parts)
    done = workspace.run(line)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said


def test_scripts_that_are_named_are_there():
    for command, pages in of("python ").items():
        script = ROOT / shlex.split(command)[1]
        assert script.is_file(), f"{pages}: {command}"
        compile(script.read_bytes(), script, "exec")


def test_commands_of_veracity_are_read():
    for command, pages in of("veracity ").items():
        assert parser().parse_args(shlex.split(command)[1:]).command == "page", pages


def test_targets_of_make_are_there():
    for command, pages in of("make ").items():
        done = subprocess.run(["make", "-n", shlex.split(command)[1]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{pages}: {command}: {done.stderr}"


@pytest.mark.slow
def test_every_other_configuration_of_the_repository_is_accepted(workspace):
    """Configurations that no documented command names."""
    named = {word for _, command in COMMANDS for word in shlex.split(command)}
    others = [path for path in sorted((ROOT / "config").glob("*.yaml")) if f"config/{path.name}" not in named]
    for path in others:
        done = workspace.run(f"snakemake -n --cores 1 corpus --configfile {path}")
        said = done.stdout + done.stderr
        assert done.returncode == 0 or "corpus.folder: folder is missing" in said, said
