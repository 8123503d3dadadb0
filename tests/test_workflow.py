"""The whole DAG on seconds of synthetic audio, run as a user runs it, and what it says to a user's mistakes."""

import hashlib
import os
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from workspaces import RESULTS, ROOT, SMALL, Workspace

from veracity.attacks.excerpts import Excerpts
from veracity.jobs import store
from veracity.results.pooling import read_table

FIGURES = ("figure1", "figure2", "figure3", "figure4", "figure_stability", "figure_explainers", "figure_leaderboard")
BOTH = ("gap", "own_games", "fidelity_worth", "truths")  # a figure and a table
FIGURES += BOTH
TABLES = ("corpus", "detector", "attacks", "table1", "table2", "published", "smallest_sets", "localisation", "fidelity")
TABLES += ("sampling_error", "audits", "leaderboard", "contrasts", "sensitivity", "explainer_costs", "listening", *BOTH)


def write_corpus_of_one_song(folder, stem="a, song"):
    """Write a corpus in the layout of Jamendo with one song of noise, to test on."""
    rng = np.random.default_rng(0)
    for part in ("audio", "labels", "filelists"):
        (folder / part).mkdir(parents=True)
    soundfile.write(folder / "audio" / f"{stem}.wav", 0.1 * rng.standard_normal(44100), 22050)
    (folder / "labels" / f"{stem}.lab").write_text("0 1 sing\n1 2 nosing\n")
    for split in ("train", "valid", "test"):
        (folder / "filelists" / split).write_text(f"{stem}.wav\n" if split == "test" else "")


def a_checkpoint(folder):
    """Write a random detector; return the configuration that uses it: a corpus of one song trains none."""
    from networks import random_detector

    from veracity.detector.checkpoints import Checkpoint, save_checkpoint

    save_checkpoint(folder / "random.pt", Checkpoint(random_detector(), threshold=0.5))
    return {"detector": {"checkpoint": str(folder / "random.pt")}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    workspace.configure("small", SMALL)
    return workspace


@pytest.fixture(scope="module")
def finished(workspace):
    """Give the workspace after the whole DAG has run."""
    done = workspace.snakemake("all")
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_there_with_its_numbers(finished, name):
    folder = finished.folder / RESULTS / "figures"
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    numbers = (folder.parent / "tables" if name in BOTH else folder) / f"{name}.csv"
    assert (pd.read_csv(numbers)["corpus"] == SMALL["corpus"]["note"]).all()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_there_with_its_page(finished, name):
    table = pd.read_csv(finished.folder / RESULTS / "tables" / f"{name}.csv")
    assert len(table)
    assert (table["corpus"] == SMALL["corpus"]["note"]).all()
    assert SMALL["corpus"]["note"] in (finished.folder / RESULTS / "tables" / f"{name}.md").read_text()


def test_some_labels_flipped_and_the_audits_are_small(finished):
    attacks = pd.read_csv(finished.folder / RESULTS / "tables" / "attacks.csv")
    assert attacks["flipped"].sum() > 0
    audits = pd.read_csv(finished.folder / RESULTS / "tables" / "audits.csv")
    assert audits["n_games"].min() > 0
    assert audits["largest_difference"].max() < 1e-4


def test_every_job_left_a_log_and_nothing_unfinished(finished):
    results = finished.folder / RESULTS
    assert {path.stem for path in (results / "logs").glob("*.log")} >= {"figure1", "attacks"}
    assert not [
        path for path in results.rglob(".*") if path.is_file() and path.name not in (".snakemake_timestamp", ".made_at")
    ]


def test_a_second_run_has_nothing_to_do(finished):
    again = finished.snakemake("all")
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_deleted_figure_re_runs_one_job_with_equal_bytes(finished):
    before = finished.digests()
    (finished.folder / RESULTS / "figures" / "figure2.png").unlink()
    again = finished.snakemake("all")
    assert again.returncode == 0, again.stderr
    assert "2 of 2 steps (100%) done" in again.stdout + again.stderr  # figure2, and `all` itself
    assert finished.digests() == before


def test_a_change_of_one_setting_re_runs_what_uses_it(finished):
    finished.configure("wider", SMALL, {"stability": {"n_repeats": 3}})
    plan = finished.snakemake("--dry-run", "all", config="wider.yaml")
    assert plan.returncode == 0
    jobs = {line.split()[0] for line in plan.stdout.split("Job stats:")[1].split("total")[0].splitlines()[3:] if line.strip()}
    assert jobs == {"all", "stability", "sampling_error", "figure_stability", "audits"}


def test_without_all_masks_there_is_no_stability_study(finished):
    finished.configure("sampled", SMALL, {"lime": {"exact": False}})
    plan = finished.snakemake("--dry-run", "all", config="sampled.yaml")
    assert plan.returncode == 0
    assert "explanations" in plan.stdout
    listed = plan.stdout.split("Job stats:")[1].split("Reasons")[0]
    assert not [
        name
        for name in ("stability", "scores", "leaderboard", "gap", "truths")
        if re.search(rf"^{name} ", listed, re.MULTILINE)
    ]


def test_the_same_seed_gives_the_same_bytes(finished):
    before = finished.digests()
    redone = finished.snakemake("--forcerun", "training", "perturbations", "drawings", "all")
    assert redone.returncode == 0, redone.stdout + redone.stderr
    assert finished.digests() == before


def test_tuning_is_a_target_of_its_own(finished):
    done = finished.snakemake("tuning")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(finished.folder / RESULTS / "tables" / "tuning.csv")
    assert len(table) == 3


def test_what_the_run_cost_is_a_target_of_its_own(finished):
    done = finished.snakemake("costs")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(finished.folder / RESULTS / "tables" / "costs.csv").set_index("stage")
    assert table.loc["perturbations", "jobs"] == 2
    measured = table.loc[["training", "perturbations", "spectrograms"], ["wall_seconds", "peak_memory_mb", "disk_mb"]]
    assert (measured.to_numpy() > 0).all()
    assert (table["startup_cpu_seconds"] > 0).all()
    assert table["work_percent"].between(0, 100).all()
    assert (finished.folder / RESULTS / "figures" / "costs.png").is_file()


def test_controls_are_a_target_of_their_own(finished):
    done = finished.snakemake("controls")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = finished.folder / RESULTS
    table = read_table(folder / "tables" / "controls.csv")
    controls = ["confined", "cue", "random_weights", "grid_shifted", "grid_10x2", "grid_4x5"]
    assert list(dict.fromkeys(table.control)) == controls
    outside = table[(table.score == "largest difference outside") & (table.control == "confined")]
    assert outside.expected.tolist() == ["0"]
    assert outside.verdict.isin(["as expected", "undetermined"]).all()
    assert (folder / "figures" / "controls.png").is_file()
    assert read_table(folder / "tables" / "controls_by_excerpt.csv").control.nunique() == len(controls)
    picked = read_table(folder / "tables" / "attacks.csv").query("original != 'all'").set_index(["domain", "original"]).n_picked
    random = table[(table.control == "random_weights") & (table.explainer == "norm")].set_index("domain").n
    assert random.to_dict() == picked.groupby("domain").sum().to_dict()  # all excerpts of the run
    again = finished.snakemake("controls")
    assert "Nothing to be done" in again.stdout + again.stderr
    other = finished.configure("others_asked", SMALL, {"controls": {"explainers": ["constant"]}})
    shown = finished.snakemake("--dry-run", "controls", config=other).stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", shown.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert jobs == {"controlled": "4", "controls": "1"}  # not those of the grids, which nobody else is asked about


def test_explanations_can_be_heard_beside_the_report(finished):
    folder = finished.folder / RESULTS
    table = read_table(folder / "tables" / "listening.csv")
    assert len(table) > 0
    for row in table.itertuples():
        samples, rate = soundfile.read(folder / "listening" / row.file)
        assert (rate, len(samples)) == (22050, 114 * 315 + 1024)
    assert finished.snakemake("report").returncode == 0
    assert (folder / "report.html").read_text().count("<audio controls") == len(table)


def test_the_report_is_one_page_with_everything(finished):
    done = finished.snakemake("report")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (finished.folder / RESULTS / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(FIGURES) + 1  # and costs
    assert page.index('id="figures"') < page.index('id="tables"') < page.index('id="provenance"')
    assert SMALL["corpus"]["note"] in page
    assert "max_updates: 20" in page
    assert not re.search(r"""(src|href)=["']?(https?:|//)""", page)
    for name in TABLES:
        assert f'id="table-{name}"' in page


def test_a_browser_shows_every_figure_of_the_report(finished, browser):
    assert finished.snakemake("report").returncode == 0
    browser.get((finished.folder / RESULTS / "report.html").as_uri())
    shown = browser.execute_script(
        "return [...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 300 && i.checkVisibility()])"
    )
    assert shown == [[name, True] for name in (*FIGURES, "costs")]


@pytest.fixture
def copy(finished, tmp_path):
    """Give a copy of the finished workspace that can be spoilt."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    workspace = object.__new__(Workspace)
    workspace.folder = tmp_path / "copy"
    return workspace


def test_single_excerpts_can_be_attacked(copy):
    (song,) = (path.name for path in (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5"))
    copy.configure("small", SMALL, {"attacks": {"scope": "excerpt", "candidates": 6}})
    done = copy.snakemake(*(str(RESULTS / "excerpts" / domain / song) for domain in ("waveform", "spectrogram")))
    assert done.returncode == 0, done.stdout + done.stderr
    excerpts = store.read(copy.folder / RESULTS / "excerpts" / "waveform" / song, Excerpts)
    assert excerpts.scope == "excerpt"
    assert excerpts.n_sing + excerpts.n_nosing == 6


@pytest.mark.parametrize("rule", ["training", "perturbations"])
def test_a_killed_job_goes_on_to_the_same_bytes(copy, rule):
    (target,) = (copy.folder / RESULTS / rule).rglob("seed0.pt" if rule == "training" else "waveform/*.h5")
    settings = (
        {"detector": {"training": {"n_updates": 100}}}
        if rule == "training"
        else {"attacks": {"waveform": {"max_updates": 100}}}
    )
    copy.configure("small", SMALL, {"save_every_seconds": 0}, settings)
    wanted = str(target.relative_to(copy.folder))
    target.unlink()
    log = copy.folder / RESULTS / "logs" / target.relative_to(copy.folder / RESULTS).with_suffix(".log")
    copy.kill_when(target.with_suffix(".state.pt").exists, wanted)
    assert not target.exists()
    contents = []
    for goes_on in (True, False):
        done = copy.snakemake(wanted)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("going on from the state" in log.read_text()) == goes_on
        assert not target.with_suffix(".state.pt").exists()
        contents.append(target.read_bytes())
        target.unlink()
    assert contents[0] == contents[1]


def test_a_song_without_flips_is_named_and_stops_nothing(copy):
    (song,) = (path.name for path in (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5"))
    copy.configure("small", SMALL, {"attacks": {"waveform": {"max_updates": 1, "eps": 1e-9}}})
    done = copy.snakemake("figure2", "figure3", "table1", "table2", "attacks")
    assert done.returncode == 0, done.stdout + done.stderr
    said = (copy.folder / RESULTS / "logs" / "excerpts" / "waveform" / song).with_suffix(".log").read_text()
    assert f"{Path(song).stem}: the waveform attack has flipped no excerpt" in said
    assert "raise attacks.waveform.max_updates" in said
    table = pd.read_csv(copy.folder / RESULTS / "tables" / "attacks.csv").set_index(["domain", "original"])
    assert table.loc[("waveform", "all"), "n_picked"] == 0
    assert table.loc[("spectrogram", "all"), "n_picked"] > 0


def jobs_of(done):
    """Return the rules that a dry run would run."""
    said = done.stdout + done.stderr
    if "Nothing to be done" in said:
        return set()
    assert "Job stats:" in said, said
    return {line.split()[0] for line in said.split("Job stats:")[1].split("total")[0].splitlines()[3:] if line.strip()}


@pytest.mark.parametrize(
    "command", ["snakemake --unlock --configfile small.yaml", "snakemake --summary --configfile small.yaml"]
)
def test_recovery_needs_no_number_of_cores(finished, command):
    done = finished.run(command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_can_be_started_from_elsewhere(finished, tmp_path):
    small = (finished.folder / "small.yaml").resolve()
    for place in (f"-s {finished.folder}/Snakefile", f"-s {finished.folder}/Snakefile --directory {tmp_path}/far"):
        (tmp_path / "far").mkdir(exist_ok=True)
        done = Workspace.run(SimpleNamespace(folder=tmp_path), f"snakemake {place} -n all --cores 1 --configfile {small}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "training" in jobs_of(done)


def test_a_dry_run_is_short(finished, tmp_path):
    finished.configure("songs", SMALL, {"run": "songs", "corpus": {"synthetic": {"n_train": 40}}})
    done = finished.run("snakemake -n all --cores 1 --configfile songs.yaml")
    assert done.returncode == 0
    assert max(map(len, (done.stdout + done.stderr).splitlines())) < 500


def test_a_copied_run_with_other_settings_is_made_again_where_they_count(copy):
    shutil.copytree(copy.folder / RESULTS, copy.folder / "results" / "copied")
    copy.configure("copied", SMALL, {"run": "copied"}, {"attacks": {"waveform": {"eps": 0.005}}})
    jobs = jobs_of(copy.snakemake("-n", "all", config="copied.yaml"))
    assert {"perturbations", "excerpts", "flips", "table1", "figure2", "report"} - {"report"} <= jobs
    assert not {"training", "spectrograms", "predictions"} & jobs
    done = copy.snakemake("all", config="copied.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    attributes = store.read_attributes(next((copy.folder / "results" / "copied" / "perturbations" / "waveform").glob("*.h5")))
    assert '"eps": 0.005' in attributes["settings"]
    assert jobs_of(copy.snakemake("-n", "all", config="copied.yaml")) == set()
    assert jobs_of(copy.snakemake("-n", "all")) == set()  # the run that was copied


def test_a_failed_job_leaves_the_results_that_were_there(copy):
    (kept,) = (copy.folder / RESULTS / "localised" / "waveform").glob("*.h5")
    before, began = kept.read_bytes(), time.time()
    (excerpts,) = (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5")
    whole = excerpts.read_bytes()
    excerpts.write_bytes(whole[:3000])
    failed = copy.snakemake(str(kept.relative_to(copy.folder)), "--forcerun", "localised")
    assert failed.returncode != 0
    assert "AssertionError" not in failed.stdout + failed.stderr
    assert kept.read_bytes() == before
    assert kept.stat().st_mtime < began  # not as if it were new
    excerpts.write_bytes(whole)


@pytest.fixture(scope="module")
def with_outside(workspace, tmp_path_factory):
    """Give a folder with a corpus, checkpoint, drawing and model of one's own, of which all that is cheap was made."""
    from networks import random_detector

    from veracity.detector.checkpoints import Checkpoint, save_checkpoint

    folder = tmp_path_factory.mktemp("outside")
    write_corpus_of_one_song(folder / "corpus")
    (folder / "drawn").mkdir()
    np.save(folder / "drawn" / "a.npy", np.eye(115, 80))
    (folder / "own_helper.py").write_text("SIGN = 1\n")
    model = (
        "import numpy as np\nfrom own_helper import SIGN\n\n\ndef p(x):\n    return np.clip(SIGN * x.mean(axis=(1, 2)), 0, 1)\n"
    )
    (folder / "own_model.py").write_text(model)
    save_checkpoint(folder / "own.pt", Checkpoint(random_detector(), threshold=0.5))
    own = {
        "run": "outside",
        "corpus": {"kind": "folder", "folder": str(folder / "corpus")},
        "detector": {"checkpoint": str(folder / "own.pt")},
        "drawings": {"folder": str(folder / "drawn"), "shapes": ["wiggle"], "n_placements": 1},
        "model": {"predict": "own_model:p"},
        "lime": {"n_time": 3, "n_band": 2, "n_samples": 64},
        "stability": {"n_samples": []},
        "attacks": {"waveform": {"max_updates": 1}, "spectrogram": {"max_updates": 1}},
    }
    workspace.configure("outside", SMALL, own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        done = workspace.snakemake("all", config="outside.yaml")
        assert done.returncode == 0, done.stdout + done.stderr
        assert jobs_of(workspace.snakemake("-n", "all", config="outside.yaml")) == set()
        yield folder


def replace_outside(folder, what):
    """Replace one thing by another of its kind; return its path."""
    from networks import random_detector

    from veracity.detector.checkpoints import Checkpoint, save_checkpoint

    if what == "audio":
        path = folder / "corpus" / "audio" / "a, song.wav"
        soundfile.write(path, 0.1 * np.random.default_rng(1).standard_normal(44100), 22050)
    elif what == "labels":
        path = folder / "corpus" / "labels" / "a, song.lab"
        path.write_text("0 1.5 sing\n1.5 2 nosing\n")
    elif what == "checkpoint":
        path = folder / "own.pt"
        save_checkpoint(path, Checkpoint(random_detector(seed=5), threshold=0.5))
    elif what == "drawing":
        path = folder / "drawn" / "a.npy"
        np.save(path, np.eye(115, 80)[::-1])
    else:
        path = folder / "own_helper.py"
        path.write_text("SIGN = -1\n")
    return path


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        ("audio", "spectrograms"),
        ("labels", "spectrograms"),
        ("checkpoint", "imported"),
        ("drawing", "drawings"),
        ("model", "explanations"),
    ],
)
def test_what_lies_outside_re_runs_what_uses_it_whatever_its_time(workspace, with_outside, what, rule):
    before = {path: (path.read_bytes(), path.stat()) for path in with_outside.rglob("*") if path.is_file()}
    path = replace_outside(with_outside, what)
    content, stat = before[path]
    os.utime(path, (stat.st_atime - 1000, stat.st_mtime - 1000))
    assert rule in jobs_of(workspace.snakemake("-n", "all", config="outside.yaml"))
    path.write_bytes(content)
    os.utime(path, (stat.st_atime, stat.st_mtime))
    assert jobs_of(workspace.snakemake("-n", "all", config="outside.yaml")) == set()


def test_a_model_that_the_perturbation_does_not_fool_is_named_with_both_rates(workspace, with_outside):
    results = workspace.folder / "results" / "outside"
    table = pd.read_csv(results / "tables" / "attacks.csv")
    assert set(table.model) == {"detector", "own_model:p"}
    assert table.corpus.str.contains("explained: own_model:p").all()
    assert (results / "figures" / "figure2.png").is_file()


def test_braces_in_names_and_notes_are_no_wildcards(workspace, tmp_path):
    corpus = tmp_path / "my {corpus}"
    write_corpus_of_one_song(corpus, "a {b}")
    own = {"run": "braces", "corpus": {"kind": "folder", "folder": str(corpus), "note": "a {note}"}, **a_checkpoint(tmp_path)}
    workspace.configure("braces", SMALL, own)
    done = workspace.snakemake("results/braces/spectrograms/a-b.h5", "results/braces/tables/corpus.csv", config="braces.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a {note}" in (workspace.folder / "results/braces/tables/corpus.csv").read_text()


@pytest.mark.parametrize(
    ("target", "change", "message"),
    [
        ("results/small/spectrograms/nobody.h5", {}, "no song of the corpus is named nobody"),
        ("all", {"attacks": {"splits": []}}, "attacks.splits"),
        (
            "all",
            {"run": "missing", "corpus": {"kind": "folder", "folder": "nowhere", "url": "http://127.0.0.1:1/a.zip"}},
            "there is no corpus folder",
        ),
    ],
)
def test_what_is_missing_is_told_without_a_traceback(workspace, target, change, message):
    name = workspace.configure("missing", SMALL, change)
    failed = workspace.snakemake("-n", target, config=name)
    assert failed.returncode != 0
    assert message in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


def test_a_truncated_artefact_is_named_with_the_cure(copy):
    (victim,) = (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5")
    victim.write_bytes(victim.read_bytes()[:3000])
    failed = copy.snakemake(str(RESULTS / "explanations" / "waveform" / victim.name))
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert victim.name in said
    assert "delete it" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeed": 1}, "configuration key 'seeed' is unknown: did you mean 'seed'?"),
        ({"attacks": {"waveform": {"epsilon": 1}}}, "configuration key 'attacks.waveform.epsilon' is unknown"),
        ({"detector": {"n_seeds": "five"}}, "configuration key 'detector.n_seeds' is wrong"),
        ({"corpus": {"kind": "folder"}}, "configuration key 'corpus.folder' is null"),
        ({"corpus": {"kind": "folder", "folder": "nowhere"}}, "There is no corpus folder nowhere"),
        ({"detector": {"checkpoint": "nowhere.pt"}}, "nowhere.pt"),
    ],
)
def test_mistakes_in_the_configuration_stop_everything_at_once(workspace, change, message):
    name = "wrong-" + hashlib.sha256(repr(change).encode()).hexdigest()[:8]
    failed = workspace.snakemake("--dry-run", "all", config=workspace.configure(name, SMALL, change))
    assert failed.returncode != 0
    assert message in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


@pytest.fixture
def own_corpus(workspace, tmp_path):
    """Give a corpus of one song that can be spoilt."""
    write_corpus_of_one_song(tmp_path / "corpus")
    own = {"run": tmp_path.name, "corpus": {"kind": "folder", "folder": str(tmp_path / "corpus")}, **a_checkpoint(tmp_path)}
    workspace.configure(tmp_path.name, SMALL, own)
    return tmp_path / "corpus"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda song: song.write_bytes(b""), "cannot be decoded"),
        (lambda song: song.write_bytes(b"noise" * 1000), "cannot be decoded"),
        (lambda song: soundfile.write(song, np.zeros(20000), 22050), "less than one excerpt of 1.64 s"),
        (lambda song: soundfile.write(song, np.full(44100, np.nan), 22050, subtype="FLOAT"), "not finite"),
        (lambda song: song.unlink(), "is not in"),
        (lambda song: (song.parents[1] / "labels" / "a, song.lab").unlink(), "has no labels"),
        (lambda song: (song.parents[1] / "labels" / "a, song.lab").write_text("0 1\n"), "is malformed"),
        (lambda song: (song.parents[1] / "labels" / "a, song.lab").write_text("0 2 sing\n1 2 nosing\n"), "is unsorted"),
    ],
)
def test_a_song_that_cannot_be_used_is_named_and_leaves_nothing(workspace, own_corpus, spoil, message):
    song = own_corpus / "audio" / "a, song.wav"
    spoil(song)
    target = Path("results", own_corpus.parent.name, "spectrograms", "a-song.h5")
    failed = workspace.snakemake(str(target), config=f"{own_corpus.parent.name}.yaml")
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert message in said
    assert "a, song" in said
    assert "Traceback" not in said
    assert not list((workspace.folder / target).parent.glob("*"))


def test_a_checkpoint_of_another_architecture_is_named(workspace, own_corpus, tmp_path):
    from networks import random_detector

    from veracity.detector.checkpoints import Checkpoint, save_checkpoint
    from veracity.detector.settings import Architecture

    save_checkpoint(tmp_path / "other.pt", Checkpoint(random_detector(Architecture(layers="ismir2016")), settings={}))
    config = yaml.safe_load((workspace.folder / f"{tmp_path.name}.yaml").read_text())
    name = workspace.configure(tmp_path.name, config, {"detector": {"checkpoint": str(tmp_path / "other.pt")}})
    failed = workspace.snakemake(f"results/{tmp_path.name}/imported/checkpoint.pt", config=name)
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "other.pt" in said
    assert "set detector.architecture" in said
    assert "Traceback" not in said


OWN_CLASSIFIER = """
import torch
from torch import nn
from veracity.classifiers.adapters import WaveformClassifier


class Loud(nn.Module):
    def forward(self, audio):
        return 40 * (torch.cumsum(audio, dim=1)[:, ::8].diff(dim=1) ** 2).mean(dim=1) - {offset}


def loud():
    return WaveformClassifier(
        Loud(), labels=["loud"], sample_rate=8000, excerpt_samples=4096, frame_samples=256, hop_samples=64
    )
"""
OWN_EXPLAINER = """
def quiet(question):
    n = question.grid.n_segments
    import numpy as np
    return {sign} * (question.values(np.ones(n, dtype=bool)) - question.values(~np.eye(n, dtype=bool)))
"""


@pytest.fixture(scope="module")
def own_everything(tmp_path_factory):
    """Give a workspace and a run of a folder of audio, with a classifier and an explainer of one's own; all of it was made."""
    workspace, folder = Workspace(tmp_path_factory.mktemp("own")), tmp_path_factory.mktemp("code")
    (folder / "own_classifier.py").write_text(OWN_CLASSIFIER.replace("{offset}", "0.8"))
    (folder / "own_explainer.py").write_text(OWN_EXPLAINER.replace("{sign}", "1"))
    times = np.arange(8000 * 4) / 8000
    sound = 0.2 * np.abs(np.sin(np.pi * times)) * np.random.default_rng(0).standard_normal(len(times))
    soundfile.write(folder / "a song.wav", sound, 8000)
    attack = {"max_updates": 40, "eps": 0.3, "eta": 0.02, "alpha": 100}
    workspace.configure(
        "own",
        SMALL,
        {
            "run": "own",
            "corpus": {"kind": "audio", "folder": str(folder)},
            "model": {"build": "own_classifier:loud", "label": "loud", "hop_seconds": 0.25},
            "attacks": {"seconds": None, "waveform": attack, "spectrogram": {**attack, "eps": 5, "eta": 0.2, "alpha": 1e4}},
            "lime": {"n_time": 3, "n_band": 2, "n_samples": 64, "fills": ["mean"]},
            "stability": {"n_samples": []},
            "explainers": ["lime", "integrated_gradients", "own_explainer:quiet"],
        },
    )
    os.environ["PYTHONPATH"] = str(folder)
    done = workspace.snakemake("all", config="own.yaml")
    yield SimpleNamespace(workspace=workspace, folder=folder, done=done, results=workspace.folder / "results" / "own")
    del os.environ["PYTHONPATH"]


def test_a_classifier_an_explainer_and_audio_of_ones_own_go_through_the_dag(own_everything):
    assert own_everything.done.returncode == 0, own_everything.done.stdout + own_everything.done.stderr
    rates = pd.read_csv(own_everything.results / "tables" / "flip_rates.csv")
    assert set(rates.original) <= {"loud", "no loud"}
    assert {"lime", "integrated_gradients", "quiet", "quiet_positive"} <= set(rates.selection)
    page = (own_everything.results / "tables" / "table1.md").read_text()
    assert "“no loud” → “loud”" in page or "“loud” → “no loud”" in page
    assert "quiet" in page
    attacks = pd.read_csv(own_everything.results / "tables" / "attacks.csv")
    assert set(attacks.model) == {"own_classifier:loud"}
    assert (own_everything.results / "figures" / "figure2.png").is_file()
    assert not (own_everything.results / "figures" / "figure1.png").exists()
    assert "Nothing to be done" in own_everything.workspace.snakemake("-n", "all", config="own.yaml").stdout


def test_an_edit_of_an_explainer_re_runs_its_answers_and_no_others(own_everything):
    (own_everything.folder / "own_explainer.py").write_text(OWN_EXPLAINER.replace("{sign}", "-1"))
    plan = own_everything.workspace.snakemake("-n", "all", config="own.yaml").stdout
    assert re.search(r"^attributions +2$", plan, re.MULTILINE)
    assert re.search(r"^localised_attributions +2$", plan, re.MULTILINE)
    assert not re.search(r"^(perturbations|excerpts|explanations|flips|localised) ", plan, re.MULTILINE)


def test_what_a_classifier_cannot_answer_is_said_before_the_first_attack(own_everything):
    workspace = own_everything.workspace
    own = yaml.safe_load((workspace.folder / "own.yaml").read_text())
    fine = {**own, "run": "fine", "lime": {**own["lime"], "n_time": 5, "n_band": 4}}
    for name, part, message in [
        ("shapley", {"explainers": ["lime", "shapley"]}, "explainers holds shapley, which needs the values of all masks"),
        ("layers", {"explainers": ["lime", "grad_cam"]}, "explainers holds grad_cam, which needs layers"),
        ("study", {"stability": {"n_samples": [64]}}, "the stability study needs all masks"),
    ]:
        workspace.configure(name, {**fine, "run": name, **part})
        done = workspace.snakemake("all", "--cores", "1", config=f"{name}.yaml")
        assert done.returncode != 0
        assert message in done.stderr
        assert not (workspace.folder / "results" / name / "perturbations").exists()


def test_beyond_twelve_segments_the_smallest_sets_are_searched(own_everything):
    workspace = own_everything.workspace
    own = yaml.safe_load((workspace.folder / "own.yaml").read_text())
    lime = {**own["lime"], "n_time": 5, "n_band": 3}
    workspace.configure("searched", {**own, "run": "searched", "lime": lime, "flips": {"search_budget": 200}})
    done = workspace.snakemake("all", config="searched.yaml")
    assert done.returncode == 0, done.stderr
    tables = workspace.folder / "results" / "searched" / "tables"
    found = pd.read_csv(tables / "smallest_sets.csv")
    assert (found.n_proved <= found.n).all()
    assert (found.n_queries <= 200).all()
    assert found.n_unique.isna().all()  # only all masks tell
    assert "best_found" in set(pd.read_csv(tables / "flip_rates.csv").selection)
    assert "it shows no layers" in pd.read_csv(tables / "classifier.csv").reason[0]


def test_an_edit_of_a_classifier_attacks_anew(own_everything):
    (own_everything.folder / "own_classifier.py").write_text(OWN_CLASSIFIER.replace("{offset}", "0.7"))
    plan = own_everything.workspace.snakemake("-n", "all", config="own.yaml").stdout
    assert re.search(r"^perturbations +2$", plan, re.MULTILINE)


def test_the_cnn_of_the_page_goes_through_the_dag(tmp_path, monkeypatch):
    """Module and configuration as docs/model.md prints them, with a folder of songs that is there and few updates."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "docs" / "model.md").read_text(), re.MULTILINE | re.DOTALL)
    workspace, songs, code = (tmp_path / name for name in ("workspace", "songs", "code"))
    for folder in (workspace, songs, code):
        folder.mkdir()
    (code / "my_cnn.py").write_text(next(text for kind, text in blocks if kind == "python"))
    printed = next(text for kind, text in blocks if kind == "yaml")
    assert "folder: /data/my_songs" in printed
    rng = np.random.default_rng(0)
    for name, loudness in (("one.wav", 0.3), ("two.mp3", 0.1)):
        soundfile.write(songs / name, loudness * rng.standard_normal(16000 * 4), 16000)
    page = yaml.safe_load(printed.replace("/data/my_songs", str(songs)))
    attack = {"max_updates": 20, "eps": 0.5, "eta": 0.05, "alpha": 1000}
    few = {
        "attacks": {"seconds": None, "waveform": attack, "spectrogram": {**attack, "eps": 5, "eta": 0.5}},
        "excerpts": {"per_direction": 1},
        "stability": {"n_samples": [64], "n_repeats": 1},
        "device": "cpu",
    }
    monkeypatch.setenv("PYTHONPATH", str(code))
    workspace = Workspace(workspace)
    workspace.configure("my_cnn", page, few)
    done = workspace.snakemake("all", config="my_cnn.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    tables = workspace.folder / "results" / "my_cnn" / "tables"
    (row,) = pd.read_csv(tables / "classifier.csv").itertuples()
    assert (row.evaluator, row.all_masks, row.n_segments, row.label) == ("tables", True, 20, "music")
    assert set(pd.read_csv(tables / "attacks.csv").original) == {"music", "no music", "all"}
    assert (workspace.folder / "results" / "my_cnn" / "figures" / "figure_stability.png").is_file()
    assert pd.read_csv(tables / "audits.csv").largest_difference.max() < 1e-4


def test_an_artefact_that_was_copied_into_a_run_is_compared(finished):
    """A run that has its mark may be given files of another: what they say of themselves is compared all the same."""
    results = finished.folder / "results"
    finished.configure("partly", SMALL, {"run": "partly", "attacks": {"waveform": {"eps": 0.02}}})
    assert finished.snakemake("corpus", "detector", config="partly.yaml").returncode == 0
    shutil.copytree(
        finished.folder / RESULTS / "perturbations", results / "partly" / "perturbations", copy_function=shutil.copy
    )  # as `cp -r`
    plan = finished.snakemake("-n", "all", config="partly.yaml").stdout
    assert re.search(r"^perturbations +1$", plan, re.MULTILINE), plan  # the other domain's settings are the same
    shutil.rmtree(results / "partly")


def test_a_run_whose_mark_was_not_copied_is_compared_file_by_file(finished):
    """`cp run/*` leaves the hidden mark behind."""
    copied = finished.folder / "results" / "unmarked"
    copied.mkdir()
    for part in (finished.folder / RESULTS).iterdir():
        if not part.name.startswith("."):
            (shutil.copytree if part.is_dir() else shutil.copy)(part, copied / part.name)
    finished.configure("unmarked", SMALL, {"run": "unmarked", "attacks": {"waveform": {"eps": 0.02}}})
    plan = finished.snakemake("-n", "all", config="unmarked.yaml").stdout
    assert re.search(r"^perturbations +1$", plan, re.MULTILINE), plan
    shutil.rmtree(copied)


def test_a_threshold_tuned_on_songs_that_are_attacked_is_told(workspace):
    workspace.configure(
        "tuned", SMALL, {"run": "tuned", "detector": {"threshold": None}, "attacks": {"splits": ["valid", "test"]}}
    )
    assert workspace.snakemake("corpus", config="tuned.yaml").returncode == 0
    page = (workspace.folder / "results" / "tuned" / "tables" / "corpus.md").read_text()
    assert "threshold tuned on validation songs, which are attacked, too" in page
