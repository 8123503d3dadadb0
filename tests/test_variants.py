"""Variants of a run: shared stages, effects of changes, rejected configurations, and the comparison."""

import dataclasses
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_config import DEFAULT, merged
from workspaces import RESULTS, ROOT, SMALL, Workspace

from veracity.attacks.excerpts import Excerpts
from veracity.errors import ConfigError
from veracity.experiments.explanations import Explanations
from veracity.experiments.flips import Flips
from veracity.jobs import store
from veracity.page.runs import FinishedRun as PageRun
from veracity.results import compare
from veracity.results.compare import BASE, FIDELITY, MEASURES, Variant
from veracity.workflow.runs import configurations, runs_of
from veracity.workflow.stages import stages_of, upstream

TWO_SEEDS = {"detector": {"n_seeds": 2}}
VARIANTS = {
    "eps_small": {"attacks": {"waveform": {"eps": 0.005}}},
    "fill_min": {"lime": {"fill": "min"}},
    "grid_3x2": {"lime": {"n_time": 3, "n_band": 2}},
    "grid_again": {"lime": {"n_time": 3, "n_band": 2, "fill": "min"}},
    "seed1": {"detector": {"attacked": "seed1"}},
}
MADE = {"explanations": 2, "flips": 2}
ATTACKED = {"excerpts": 2, "perturbations": 2, **MADE}
ONE_ATTACK = dict.fromkeys(ATTACKED, 1)
#: Artefacts that each change must recompute, for one attacked song and two attacks.
REACHED = {
    "fill_min": ({"lime": {"fill": "min"}}, {}),
    "grid": ({"lime": {"n_time": 3, "n_band": 2}}, MADE),
    "kernel_width": ({"lime": {"kernel_width": 0.5}}, MADE),
    "n_samples": ({"lime": {"n_samples": 600}}, MADE),
    "ridge": ({"lime": {"alpha": 2}}, MADE),
    "eps": ({"attacks": {"waveform": {"eps": 0.005}}}, ONE_ATTACK),
    "eta": ({"attacks": {"spectrogram": {"eta": 0.001}}}, ONE_ATTACK),
    "alpha": ({"attacks": {"waveform": {"alpha": 3}}}, ONE_ATTACK),
    "rule": ({"attacks": {"spectrogram": {"update_rule": "sign"}}}, ONE_ATTACK),
    "scope": ({"attacks": {"scope": "excerpt", "candidates": 4}}, ATTACKED),
    "picks": ({"excerpts": {"per_direction": 3}}, {"excerpts": 2, **MADE}),
    "seed1": ({"detector": {"attacked": "seed1"}}, {"training": 1, "predictions": 1, **ATTACKED}),
    "taught": ({"detector": {"training": {"n_updates": 31}}}, {"training": 1, "predictions": 1, **ATTACKED}),
    "threshold": ({"detector": {"threshold": 0.6}}, {"predictions": 1, **ATTACKED}),
    "given": ({"detector": {"checkpoint": "random.pt"}}, {"imported": 1, "predictions": 1, **ATTACKED}),
    "split": ({"attacks": {"splits": ["valid"]}}, {}),  # rules of the base run attack another song in the same way
    "another_seed": ({"seed": 1}, {"synthetic_corpus": 1, "spectrograms": 5, "training": 1, "predictions": 1, **ATTACKED}),
    "corpus": (
        {"corpus": {"synthetic": {"n_train": 2}}},
        {"synthetic_corpus": 1, "spectrograms": 4, "training": 1, "predictions": 1, **ATTACKED},
    ),
    "explainers": ({"explainers": ["lime", "occlusion"]}, {}),
    "grid_again": ({"lime": {"n_time": 3, "n_band": 2, "fill": "min"}}, {}),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Return a workspace in which nothing has been computed."""
    from networks import random_detector

    from veracity.detector.checkpoints import Checkpoint, save_checkpoint

    workspace = Workspace(tmp_path_factory.mktemp("variants"))
    save_checkpoint(workspace.folder / "random.pt", Checkpoint(random_detector(), threshold=0.5))
    return workspace


@pytest.fixture(scope="module")
def compared(finished_run, tmp_path_factory):
    """Return a copy of the finished run after a comparison with its variants, and the digests before it."""
    workspace = Workspace.copy_of(finished_run, tmp_path_factory.mktemp("compared") / "copy")
    workspace.configure("small", SMALL, TWO_SEEDS)
    workspace.configure("variants", SMALL, TWO_SEEDS, {"variants": VARIANTS})
    done = workspace.snakemake("results/small/tables/flip_rates.csv", "results/small/tables/fidelity.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    before = workspace.digests()
    done = workspace.snakemake("compare", "results/small/tables/variant_costs.csv", config="variants.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace, before


def planned(said):
    """Return the jobs of a dry run: rule, inputs, outputs."""
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", said, re.MULTILINE)
    found = []
    for rule, lines in blocks:
        paths = {
            key: [path.removesuffix(" (update)") for path in value.split(", ")]
            for key, value in re.findall(r"^    (input|output): (.*)$", lines, re.MULTILINE)
        }
        found.append((rule, paths.get("input", []), paths.get("output", [])))
    return found


@pytest.mark.slow
def test_what_each_change_reaches(empty):
    changes = {name: change for name, (change, _) in REACHED.items()}
    config = empty.configure("reached", SMALL, TWO_SEEDS, {"variants": changes})
    done = empty.snakemake("-n", "compare", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = [rule for rule, *_ in planned(done.stdout)]
    for name, (_, expected) in REACHED.items():
        own = [rule.removeprefix(f"{name}__") for rule in jobs if rule.startswith(f"{name}__")]
        # The second seed is a detector of the run itself, whose rules train it.
        of_the_run = ("training", "predictions") if name == "seed1" else ()
        assert {stage: own.count(stage) for stage in own} == {
            stage: n for stage, n in expected.items() if stage not in of_the_run
        }, name
    assert jobs.count("training") == 2
    assert jobs.count("perturbations") == 4  # of the test song, and for `split` of the other


@pytest.mark.slow
def test_stages_are_made_from_what_the_rules_read(empty):
    done = empty.snakemake("-n", "all", config=empty.configure("all", SMALL, {"explainers": ["lime", "occlusion"]}))
    stages = stages_of(merged(DEFAULT, SMALL))

    seen = set()
    for rule, inputs, _ in planned(done.stdout):
        if rule in stages and rule != "synthetic_corpus":
            read = {Path(path).relative_to(RESULTS).parts[0] for path in inputs}
            assert set(stages[rule].made_from) <= read <= upstream(stages, rule), rule
            seen.add(rule)
    unseen = {"synthetic_corpus", "imported", "tuning_runs", "shortcut_detector", "controlled", "classifier"}
    assert seen == stages.keys() - unseen


@pytest.mark.slow
def test_the_runs_own_files_stay_and_variants_hold_what_is_their_own(compared):
    workspace, before = compared
    after = workspace.digests()
    assert {path: after[path] for path in before} == before
    new = [Path(path).relative_to(RESULTS) for path in after.keys() - before.keys()]
    in_base = {path.parts[0] for path in new if path.parts[0] != "variants"}
    assert in_base == {"tables", "figures", "training", "predictions"}  # of the second seed, a detector of the run
    held = {name: counted_in(new, name) for name in VARIANTS}
    assert held == {
        "eps_small": ONE_ATTACK,
        "fill_min": {},
        "grid_3x2": MADE,
        "grid_again": {},  # files that it shares with grid_3x2 are there
        "seed1": ATTACKED,
    }


def counted_in(paths, name):
    inside = [path.parts[2] for path in paths if path.parts[:2] == ("variants", name) and path.suffix == ".h5"]
    return {stage: inside.count(stage) for stage in inside}


@pytest.mark.slow
def test_a_second_comparison_has_nothing_to_do(compared):
    workspace, _ = compared
    again = workspace.snakemake("compare", config="variants.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.slow
def test_a_changed_key_re_runs_only_what_it_reaches(compared):
    workspace, _ = compared
    changed = {**VARIANTS, "eps_small": {"attacks": {"waveform": {"eps": 0.004}}}}
    config = workspace.configure("changed", SMALL, TWO_SEEDS, {"variants": changed})
    done = workspace.snakemake("-n", "compare", config=config)
    rules = sorted(rule for rule, *_ in planned(done.stdout))
    assert rules == ["compare", *sorted(f"eps_small__{stage}" for stage in ONE_ATTACK)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "made"),
    [
        ({"lime": {"n_time": 3, "n_band": 2, "n_samples": 600}}, MADE),
        ({"lime": {"n_time": 3, "n_band": 2}, "excerpts": {"per_direction": 1}}, {"excerpts": 2, **MADE}),
        (
            {"lime": {"n_time": 3, "n_band": 2}, "detector": {"training": {"n_updates": 31}}},
            {"training": 1, "predictions": 1, **ATTACKED},
        ),
    ],
)
def test_variant_that_no_longer_agrees_with_another_makes_its_own(compared, change, made):
    workspace, _ = compared
    config = workspace.configure("differs", SMALL, TWO_SEEDS, {"variants": {**VARIANTS, "grid_again": change}})
    done = workspace.snakemake("-n", "compare", config=config)
    rules = sorted(rule for rule, *_ in planned(done.stdout))
    assert rules == sorted(["compare", *(f"grid_again__{stage}" for stage, n in made.items() for _ in range(n))])


@pytest.mark.slow
def test_without_its_variants_the_run_is_as_finished_as_before(compared):
    workspace, _ = compared
    done = workspace.snakemake("-n", "results/small/tables/flip_rates.csv", "results/small/tables/fidelity.csv")
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
def test_removing_a_variant_costs_those_that_shared_it_a_recomputation(compared, tmp_path):
    workspace, before = compared
    copy = Workspace.copy_of(workspace, tmp_path / "copy")
    table = (copy.folder / RESULTS / "tables" / "compare.csv").read_bytes()
    shutil.rmtree(copy.folder / RESULTS / "variants" / "grid_3x2")
    left = {name: change for name, change in VARIANTS.items() if name != "grid_3x2"}
    config = copy.configure("left", SMALL, TWO_SEEDS, {"variants": left})
    done = copy.snakemake("compare", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 steps (100%) done" in done.stdout + done.stderr  # explanations and flips of grid_again, and the comparison
    assert {path: digest for path, digest in copy.digests().items() if path in before} == before
    rows = pd.read_csv(copy.folder / RESULTS / "tables" / "compare.csv")
    kept = pd.read_csv(io.BytesIO(table))
    pd.testing.assert_frame_equal(rows, kept[kept.variant != "grid_3x2"].reset_index(drop=True))


@pytest.mark.slow
def test_other_results_of_a_variant_are_there_on_demand(compared):
    workspace, _ = compared
    done = workspace.snakemake("grid_3x2__smallest_sets", config="variants.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    made = pd.read_csv(workspace.folder / RESULTS / "variants" / "grid_3x2" / "tables" / "smallest_sets.csv")
    assert (made.corpus == f"{SMALL['corpus']['note']}; variant grid_3x2").all()
    assert not (workspace.folder / RESULTS / "variants" / "grid_3x2" / "perturbations").exists()


@pytest.mark.slow
def test_the_numbers_are_those_of_the_artefacts(compared):
    workspace, _ = compared
    rows = pd.read_csv(workspace.folder / RESULTS / "tables" / "compare.csv").set_index(
        ["variant", "domain", "original", "measure"]
    )
    song, folder = "synthetic-test-01", workspace.folder / RESULTS
    places = {BASE: folder, "grid_3x2": folder / "variants" / "grid_3x2", "seed1": folder / "variants" / "seed1"}
    some = False
    for name, place in places.items():
        for domain in ("waveform", "spectrogram"):
            path = f"{domain}/{song}.h5"
            flips = store.read(place / "flips" / path, Flips)
            fidelity = store.read(place / "explanations" / path, Explanations).along(FIDELITY, fill="mean")
            excerpts = store.read((folder if name == "grid_3x2" else place) / "excerpts" / path, Excerpts)
            for original in ("sing", "nosing"):
                mine = flips.original == original
                here = rows.loc[name, domain, original]
                n, hits = (counts[0, ("nosing", "sing").index(original)] for counts in (excerpts.n, excerpts.n_flipped))
                np.testing.assert_allclose(here.value["attack_success"], hits / n if n else np.nan, rtol=1e-5)
                assert here.n_excerpts["attack_success"] == n
                assert (here.n_excerpts[["lime", "norm", "best", "random", FIDELITY]] == mine.sum()).all()
                if mine.any():
                    some = True
                    lime = flips.by_lime[list(flips.fills).index("mean"), list(flips.methods).index("sampled"), mine, 2]
                    expected = [
                        lime.mean(),
                        flips.by_norm[mine, 2].mean(),
                        flips.sets.best[mine, 2].mean(),
                        fidelity[mine].mean(),
                    ]
                    np.testing.assert_allclose(here.value[["lime", "norm", "best", FIDELITY]], expected, rtol=1e-5)
    assert some
    pairs = rows[rows.index.get_level_values("variant") != BASE].paired_by.groupby("variant").unique()
    assert set(pairs["grid_3x2"]) <= {"excerpt", np.nan, "none"}
    assert "excerpt" not in set(pairs["seed1"])
    curves = pd.read_csv(folder / "figures" / "compare.csv")
    assert curves[curves.variant == "grid_3x2"].k.max() <= 6
    assert (folder / "figures" / "compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_page_shows_a_run_with_the_seed_that_was_attacked(compared, tmp_path):
    workspace, _ = compared
    shutil.copytree(workspace.folder / RESULTS / "variants" / "seed1", tmp_path / "run")
    shutil.copytree(workspace.folder / RESULTS / "training", tmp_path / "run" / "training")
    assert PageRun(tmp_path / "run").checkpoint.name == "seed1.pt"
    assert PageRun(workspace.folder / RESULTS).checkpoint.name == "seed0.pt"


@pytest.mark.slow
def test_costs_alone_are_those_of_all_that_is_needed(compared):
    workspace, _ = compared
    rows = pd.read_csv(workspace.folder / RESULTS / "tables" / "variant_costs.csv").set_index("variant")
    assert rows.jobs_alone.loc[[BASE, *VARIANTS]].tolist() == [15] * 6
    assert rows.jobs.loc[list(VARIANTS)].tolist() == [4, 0, 4, 0, 10]
    assert rows.jobs[BASE] == 15
    assert rows.cpu_seconds_alone["fill_min"] == pytest.approx(rows.cpu_seconds_alone[BASE], rel=1e-5)
    assert rows.cpu_seconds["fill_min"] == 0
    assert rows.cpu_seconds["all"] == pytest.approx(rows.cpu_seconds.loc[[BASE, *VARIANTS]].sum(), rel=1e-4)
    assert 0 < rows.shared_percent["seed1"] < 100


def test_what_is_wrong_with_a_variant_is_said_with_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("random.pt").touch()
    for variants, said in (
        ({"a": {"attacks": {"waveform": {"epss": 1}}}}, "variants.a.attacks.waveform.epss: unknown key. Did you mean 'eps'?"),
        ({"a": {"lime": {"fill": "mena"}}}, "variants.a.lime.fill: unknown value, got 'mena'."),
        ({"a": {"lime": 5}}, "variants.a.lime: wrong type, got 5."),
        ({"a": {"run": "b"}}, "variants.a.run: must not differ from the base run. Remove it."),
        ({"a": {"variants": {}}}, "variants.a.variants: must not differ"),
        ({"a": {"attacks": {"chunk_frames": 9}}}, "variants.a.attacks.chunk_frames: must not differ"),
        ({"a": {"device": "cuda"}}, "variants.a.device: must not differ"),
        ({"a": {"runs": 5}}, "variants.a.runs: unknown key. Did you mean 'run'?"),
        ({"base": {"seed": 1}}, "variants.base: name is reserved for tables, got 'base'."),
        ({"a": {}}, "variants.a: no changes. Give the keys"),
        ({"a": None}, "variants.a: wrong type, got None."),
        ({"A": {"seed": 1}}, "variants.A: invalid value, got 'A'. Give names of lower-case letters, digits"),
        ({"a__b": {"seed": 1}}, "variants.a__b: invalid value"),
        ({"a": {"detector": {"attacked": "seed2"}}}, "variants.a: detector.attacked: detector.n_seeds 2 trains"),
        ({"a": {"detector": {"attacked": "second"}}}, "variants.a.detector.attacked: invalid value, got 'second'."),
        ({"a": {"detector": {"checkpoint": "random.pt", "attacked": "seed1"}}}, "variants.a: detector.attacked: detector.ch"),
        ({"a": {"lime": {"n_time": 40, "n_band": 40}}}, "variants.a: "),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            runs_of(merged(merged(merged(DEFAULT, SMALL), TWO_SEEDS), {"variants": variants}))
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_what_is_wrong_with_a_variant_stops_a_run_at_once(empty):
    """One case of each kind: a key, a combination of keys, a file."""
    for variants, said in (
        ({"a": {"attacks": {"waveform": {"epss": 1}}}}, "variants.a.attacks.waveform.epss: unknown key. Did you mean 'eps'?"),
        ({"a": {"detector": {"attacked": "seed2"}}}, "variants.a: detector.attacked: detector.n_seeds 2 trains"),
        (
            {"a": {"detector": {"checkpoint": "absent.pt"}}},
            "variants.a: detector.checkpoint: file is missing, got absent.pt",
        ),
    ):
        config = empty.configure("wrong", SMALL, TWO_SEEDS, {"variants": variants})
        done = empty.snakemake("-n", "compare", config=config)
        assert done.returncode
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_without_variants_there_is_nothing_to_compare(empty):
    done = empty.snakemake("-n", "compare", config=empty.configure("without", SMALL))
    assert done.returncode
    assert "variants: nothing to compare. Add variants" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_variants_of_a_corpus_that_is_not_there_yet_are_told_so(empty):
    missing = {"corpus": {"kind": "folder", "folder": "absent", "url": "https://example.org/songs.zip"}}
    config = empty.configure("absent", SMALL, missing, {"variants": {"fill_min": {"lime": {"fill": "min"}}}})
    done = empty.snakemake("-n", "compare", config=config)
    said = done.stdout + done.stderr
    assert "corpus.folder: folder is missing, got absent" in said
    assert "Traceback" not in said


def test_lists_are_replaced_and_the_base_stays():
    change = {"lime": {"fills": ["mean", "min"]}}
    base = {"run": "r", "lime": {"fills": ["mean", "zero"], "alpha": 1}, "variants": {"a": change}}
    merged_lime = {"fills": ["mean", "min"], "alpha": 1}
    assert configurations(base) == {"a": {"run": "r/variants/a", "lime": merged_lime, "variants": {}}}
    assert base["lime"]["fills"] == ["mean", "zero"]
    with pytest.raises(ConfigError, match="no changes"):
        configurations({"run": "r", "variants": {"a": {}}})


def test_settings_of_an_artefact_do_not_depend_on_what_else_was_asked():
    config = merged(DEFAULT, SMALL)
    song = {"domain": "waveform", "song": "synthetic-test-01"}
    first, second = (runs_of(merged(config, {"run": name}))[""] for name in ("a", "b"))
    second.settings_of("controlled", control="shortcut", **song)
    second.settings_of("attributions", explainer="none", **song)
    assert first.settings_of("flips", **song) == second.settings_of("flips", **song)
    assert first.settings_of("predictions", detector="seed0") == second.settings_of("predictions", detector="seed0")


def test_the_first_run_with_equal_deciding_keys_owns_a_stage():
    other_options = {"call": "kernel_shap", "name": "occlusion", "budget": 64}
    variants = {
        "eps": {"attacks": {"waveform": {"eps": 0.005}}},
        "eps_again": {"attacks": {"waveform": {"eps": 0.005}}, "lime": {"fill": "min"}},
        "explainers": {"explainers": ["lime", "saliency", "occlusion"]},
        "options": {"explainers": ["lime", other_options]},
        "songs": {"attacks": {"splits": ["valid", "test"]}, "detector": {"n_seeds": 2, "attacked": "seed1"}},
        "controls": {"controls": {"explainers": ["constant"]}},
    }
    config = merged(merged(DEFAULT, SMALL), {"explainers": ["lime", "occlusion"], "variants": variants})
    runs = runs_of(config)

    def owner(name, stage, **names):
        return runs[name].owner(stage, **names).removeprefix("results/small").removeprefix("/variants/")

    assert owner("eps", "predictions") == owner("eps", "excerpts", domain="spectrogram") == ""
    assert owner("eps", "flips", domain="waveform") == owner("eps_again", "flips", domain="waveform") == "eps"
    assert owner("eps_again", "localised", domain="spectrogram") == "eps_again"
    assert owner("explainers", "attributions", domain="waveform", explainer="occlusion") == ""
    assert owner("explainers", "attributions", domain="waveform", explainer="saliency") == "explainers"
    assert owner("options", "attributions", domain="waveform", explainer="occlusion") == "options"
    of_cue, of_grid = (
        {"control": control, "domain": "waveform", "song": "synthetic-test-01"} for control in ("shortcut", "grid_4x5")
    )
    assert owner("controls", "controlled", **of_cue) == "controls"
    assert owner("controls", "controlled", **of_grid) == ""  # evaluates none of the configured explainers
    assert owner("songs", "controlled", control="confined", domain="spectrogram") == "songs"  # attacks another detector
    assert owner("songs", "shortcut_detector") == "songs"
    assert owner("songs", "training") == ""
    assert owner("songs", "excerpts", domain="waveform") == "songs"
    assert runs["songs"].path("training", detector="seed1") == "results/small/training/seed1.pt"


# --- the numbers of the comparison ------------------------------------------------------------------------------------------


def measured(values):
    """Return rows of LIME's flips with three segments, from a list of values for each song, without NaN."""
    rows = [
        {
            "song": song,
            "domain": "waveform",
            "original": "sing",
            "excerpt": e,
            "measure": "lime",
            "k": 3,
            "value": value,
            "n": 1,
            "searched": False,
        }
        for song, of_song in values.items()
        for e, value in enumerate(of_song)
    ]
    return pd.DataFrame(rows).dropna(subset="value")


SONGS = dict.fromkeys(("a", "b", "c", "d", *(f"s{i}" for i in range(12))), "heard")


def two_variants(shared=frozenset()):
    empty = {"excerpts": [], "explanations": [], "flips": []}
    return [Variant(name=name, fill="mean", n_segments=20, songs=SONGS, shared=shared, **empty) for name in (BASE, "other")]


def row_of(base, other, shared):
    variants = two_variants(shared)
    found = compare.table(variants, [measured(base), measured(other)], seed=0)
    (row,) = found[(found.variant == "other") & (found.measure == "lime") & (found.n_excerpts > 0)].to_dict("records")
    return row


def test_excerpts_that_are_shared_are_compared_with_themselves():
    base, other = {"a": [0, 1, 1], "b": [0, 0]}, {"a": [1, 1, np.nan], "b": [1, 0]}
    shared = {("waveform", "a"), ("waveform", "b")}
    by_excerpt = row_of(base, other, shared)
    assert by_excerpt["paired_by"] == "excerpt"
    assert by_excerpt["difference"] == pytest.approx((0.5 + 0.5) / 2)  # the third excerpt of a has no pair
    assert (by_excerpt["n_songs_paired"], by_excerpt["n_excerpts_paired"]) == (2, 4)
    by_song = row_of(base, other, {("waveform", "a")})
    assert by_song["paired_by"] == "song"
    assert by_song["difference"] == pytest.approx(((1 - 2 / 3) + 0.5) / 2)


def test_a_difference_is_over_the_songs_that_both_have():
    row = row_of({"a": [0], "b": [1], "c": [0]}, {"b": [0], "c": [1], "d": [1]}, set())
    assert (row["n_songs"], row["n_songs_paired"], row["difference"]) == (3, 2, 0)
    assert row["difference_low"] == -1  # t interval of two songs, clipped
    assert row["difference_high"] == 1
    none = row_of({"a": [0]}, {"b": [1]}, set())
    assert np.isnan(none["difference"])
    assert (none["n_songs_paired"], none["paired_by"]) == (0, "none")


def test_other_songs_of_the_same_name_are_not_compared():
    base, other = two_variants()
    other = dataclasses.replace(other, songs={"a": "heard", "b": "another"})
    values = measured({"a": [0], "b": [0]}), measured({"a": [1], "b": [1]})
    found = compare.table([base, other], values, seed=0)
    (row,) = found[(found.variant == "other") & (found.measure == "lime") & (found.n_excerpts > 0)].to_dict("records")
    assert (row["n_songs"], row["n_songs_paired"], row["difference"]) == (2, 1, 1)


def test_intervals_are_those_of_the_truth_study():
    rng = np.random.default_rng(0)
    base = {f"s{i}": [0.5] for i in range(12)}
    other = {name: [0.5 + value] for name, value in zip(base, rng.uniform(0, 0.4, 12), strict=True)}
    row = row_of(base, other, set())
    mean = np.mean([value[0] for value in other.values()]) - 0.5
    assert row["difference"] == pytest.approx(mean)
    assert 0 < row["difference_low"] < mean < row["difference_high"] < 0.4
    assert np.isnan(row_of(base, base, set())["difference_low"])  # all songs agree


def test_the_page_says_what_is_not_determined():
    variants = two_variants()
    values = measured({"a": [0, 1], "b": [1, 1]})
    shown = compare.page(compare.table(variants, [values, values], seed=0))
    row = shown[(shown.variant == "other") & shown.attack.str.startswith("waveform, “sing”")].iloc[0]
    assert row[MEASURES["lime"]].replace(compare.NBSP, " ") == "75 % (0, all 2 songs)"
    assert row[MEASURES["best"]] == "none"
    assert (row["songs"], row["excerpts"], row["paired by"]) == (2, 4, "song")
    table = compare.table(variants, [values, values], seed=0)
    figure = compare.plot(
        compare.curves(variants, [values, values]), table, [BASE, "other", "without_flips"], footnote="a test"
    )
    assert len(figure.axes) == 16  # four panels of flip curves each, and of differences


def test_the_example_of_the_docs_is_the_one_of_config():
    text = (ROOT / "docs" / "variants.md").read_text()
    lines = (ROOT / "config" / "variants.yaml").read_text().split("variants:\n")[1]
    assert lines.strip() in text


def test_the_numbers_of_the_docs_are_those_of_the_run():
    text = (ROOT / "docs" / "variants.md").read_text()
    rows = pd.read_csv(ROOT / "docs" / "jamendo_free_variants" / "compare.csv")
    for (domain, original), part in rows[rows.measure == "lime"].groupby(["domain", "original"]):
        one = part.set_index("variant")
        cells = [f"{100 * one.value[BASE]:.0f} % of {one.n_excerpts[BASE]}"]
        for row in one.drop(BASE).itertuples():
            points = [f"{100 * x:+.0f}" for x in (row.difference, row.difference_low, row.difference_high) if not np.isnan(x)]
            points = ["0" if point in ("+0", "-0") else point.replace("-", "\N{MINUS SIGN}") for point in points]
            beside = f"{points[1]} to {points[2]}" if points[1:] else f"all {row.n_songs_paired:.0f} songs"
            cells.append(f"{points[0]} ({beside})")
        arrow = "sing → no sing" if original == "sing" else "no sing → sing"
        assert f"| {domain}, {arrow} | {' | '.join(cells)} |" in text
    costs = pd.read_csv(ROOT / "docs" / "jamendo_free_variants" / "variant_costs.csv").set_index("variant")
    for name, column in {"alone": "cpu_seconds_alone", "in addition to those to its left": "cpu_seconds"}.items():
        cells = [f"{seconds / 60:.1f}" if seconds else "0" for seconds in costs[column]]
        assert f"| {name} | {' | '.join(cells)} |" in text
