"""Settings that are valid alone but exclude each other."""

import dataclasses
import pickle
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from snakemake.utils import update_config
from test_config import DEFAULT, NUMBERS, OTHERS, ROOT, error_of, merged, nested, with_value

from veracity.attacks.detector import AttackedDetector
from veracity.attacks.excerpt_scope import attack_excerpts
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.classifiers.building import ModelSettings
from veracity.detector.model import Detector
from veracity.detector.settings import STEPS, Architecture, TrainingSettings, checked_frames, left_of
from veracity.detector.shortcut import ShortcutSettings
from veracity.errors import ConfigError, one_of, plain, quoted, shortened, within
from veracity.explainers.lime import LimeSettings
from veracity.jobs.callables import path_of_jobs
from veracity.songs.settings import FrontEnd, inner_start_frames
from veracity.songs.synthesis import SynthesisSettings
from veracity.workflow import consistency
from veracity.workflow.configuration import checked
from veracity.workflow.consistency import _check_callable, check_together

SONGS = {"train": 3, "valid": 1, "test": 1}


def together(*overs, n_songs=SONGS):
    config = DEFAULT
    for over in overs:
        config = merged(config, over)
    check_together(checked(config), n_songs=n_songs)


def refusal(*overs, n_songs=SONGS):
    with pytest.raises(ConfigError) as caught:
        together(*overs, n_songs=n_songs)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


FOLDER = {"corpus": {"kind": "folder", "folder": "somewhere"}}


def test_files_of_the_project_are_consistent():
    for name in ("config.yaml", *OTHERS):
        together(yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))


IMPOSSIBLE_TOGETHER = [
    (
        {"frontend": {"f_min": 9000}},
        "frontend.f_min: must be below frontend.f_max 8000, got 9000. Lower it, or raise frontend.f_max.",
    ),
    ({"frontend": {"f_min": 8000}}, "frontend.f_min: must be below frontend.f_max 8000, got 8000."),
    ({"frontend": {"f_max": 12000}}, "frontend.f_max: above half of frontend.sample_rate 22050, got 12000."),
    ({"frontend": {"sample_rate": 8000}, **FOLDER}, "Lower it to at most 4000, or raise frontend.sample_rate."),
    (
        {"frontend": {"n_mels": 600}},
        "frontend.n_mels: 135 bands contain no frequency bin and would be constant, got 600. Lower it to 188, or",
    ),
    ({"frontend": {"frame_samples": 256}}, "bands contain no frequency bin"),
    (
        {"frontend": {"excerpt_frames": 120}},
        "frontend.excerpt_frames: must be odd, because an excerpt has a centre frame, got 120. Choose an odd number.",
    ),
    ({"frontend": {"excerpt_frames": 119}}, "leaves a remainder in a pool of ismir2015, got 119. Choose 115 or 133"),
    (
        {"frontend": {"excerpt_frames": 124}},
        "frontend.excerpt_frames: must be odd",
    ),
    ({"frontend": {"excerpt_frames": 117}}, "Choose 115 or 133"),
    ({"frontend": {"excerpt_frames": 9}}, "frontend.excerpt_frames: too small for ismir2015, got 9. Choose 25"),
    ({"frontend": {"n_mels": 10}}, "frontend.n_mels: too small for ismir2015, got 10. Raise it to 25 or more."),
    (
        {"frontend": {"n_mels": 64}, "detector": {"architecture": {"layers": "ismir2016"}}},
        "frontend.n_mels: too small for ismir2016, got 64. Raise it to 79 or more.",
    ),
    (
        {"frontend": {"excerpt_frames": 119}, "detector": {"architecture": {"layers": "ismir2016"}}},
        "a remainder in a pool of ismir2016, got 119. Choose 115 or 121.",
    ),
    (
        {"frontend": {"sample_rate": 8000, "f_max": 4000}},
        "frontend.sample_rate: too low for the detector's bands in a synthetic corpus, got 8000.",
    ),
    ({"detector": {"training": {"targets": [0.98, 0.02]}}}, "targets: must be below and above 0.5, got [0.98, 0.02]."),
    ({"detector": {"training": {"targets": [0.6, 0.9]}}}, "targets: must be below and above 0.5, got [0.6, 0.9]."),
    ({"detector": {"training": {"filter_min_hz": 9000}}}, "filter_min_hz: above filter_max_hz 8000, got 9000. Swap them."),
    ({"detector": {"training": {"filter_min_semitones": 8}}}, "filter_min_semitones: above filter_max_semitones 7, got 8."),
    ({"lime": {"fills": ["zero"]}}, "lime.fill: not among lime.fills ['zero'], got 'mean'. Add it there."),
    (
        {"lime": {"n_time": 200, "exact": False}},
        "lime.n_time, lime.n_band: must be at most 115 frames and 80 bands, got 200 and 4. Lower them.",
    ),
    (
        {"lime": {"n_time": 6, "n_band": 5}},
        "lime.n_time, lime.n_band: too many masks to evaluate all, got 2**30. Use at most 24",
    ),
    ({"lime": {"n_time": 8, "n_band": 8, "exact": False}}, "lime.n_time, lime.n_band: must form at most 63 segments, got 64."),
    (
        {"lime": {"n_samples": 10**12}},
        "lime.n_samples: would require 5.59e+05 GiB of memory on 20 segments, got 1000000000000. Choose",
    ),
    ({"stability": {"n_samples": [64, 10**12]}}, "stability.n_samples: would require 5.59e+05 GiB of memory on 20 segments"),
    (
        {"truth": {"tested": ["oclusion"]}},
        "truth.tested: not among explainers, got 'oclusion'. Add it to explainers (did you mean 'occlusion'?).",
    ),
    ({"truth": {"tested": ["occlusion"]}}, "truth.tested: not among explainers, got 'occlusion'. Add it to explainers"),
    ({"truth": {"tested": ["random"]}}, "truth.tested: not among explainers, got 'random'"),
    (
        {"explainers": ["lime", "beam_search"], "truth": {"tested": ["beam_search:mean"]}},
        "truth.tested: not evaluated with this fill, got 'beam_search:mean'. Choose clean.",
    ),
    (
        {"lime": {"fills": ["mean"]}, "truth": {"against": ["shapley:zero"]}},
        "truth.against: lime.fills does not contain zero, got 'shapley:zero'. Add it.",
    ),
    ({"localised": {"k": [1, 21]}}, "localised.k: the grid has only 20 segments (lime.n_time 5 times lime.n_band 4), got 21."),
    (
        {"lime": {"evaluator": "direct"}},
        "stability.n_samples: the study requires all masks, but with lime.evaluator direct they are evaluated only for",
    ),
    ({"model": {"predict": "json:loads"}}, "with model.predict they are evaluated only for up to 12 segments ("),
    (
        {"drawings": {"shapes": ["horse", "hors"]}},
        "letters:TEXT for any text (did you mean 'horse'?).",
    ),
    ({"drawings": {"shapes": []}}, "drawings.shapes: empty, and drawings.folder is null, got []. Give one of them."),
    ({"drawings": {"shapes": ["letters:  "]}}, "drawings.shapes: unknown shape, got 'letters:'."),
    ({"drawings": {"folder": "/nowhere/to be found"}}, "drawings.folder: does not exist, got '/nowhere/to be found'."),
    ({"drawings": {"folder": "x" * 5000}}, "does not exist"),
    ({"lime": {"kernel_width": 0.01}}, "equivalent to only 1 masks at lime.kernel_width 0.01, too few for 20 segments"),
    ({"lime": {"n_samples": 10}}, "too few for 20 segments, got 10. Raise it, or lime.kernel_width."),
    ({"attacks": {"waveform": {"eps": 3}}}, "attacks.waveform.eps: out of range, got 3. Give a number from 1.0e-12 to 2."),
    (
        {"frontend": {"hop_samples": 2048}},
        "frontend.hop_samples: larger than frontend.frame_samples 1024 (frames would skip some audio), got 2048.",
    ),
    ({"corpus": {"words": {"sing": ["x"], "nosing": ["x"]}}}, "corpus.words: must differ between sing and nosing, got 'x'."),
    (
        {"corpus": {"kind": "audio", "folder": "x"}},
        "corpus.kind: no lists of songs to train on, and detector.checkpoint is null, got audio.",
    ),
    ({"tuning": {"waveform": {"eps": [0.005, 100]}}}, "tuning.waveform.eps.1: out of range, got 100."),
    (
        {"model": {"threshold": 0.9}},
        "model.threshold: there is no model.build or model.predict, got 0.9. Set detector.threshold instead.",
    ),
    ({"model": {"predict": "json:loads", "threshold": 7}}, "model.threshold: out of range, got 7."),
    (
        {"model": {"build": "json:loads"}},
        "model.label: required if model.build is set, got null. Name the label of model.build",
    ),
    (
        {"explainers": ["lime", {"call": "shapley", "options": {"scal": "logit"}}]},
        "call: unknown option of veracity.explainers.exact:shapley, got 'scal'. Choose from scale (did you mean 'scale'?).",
    ),
    (
        {"explainers": ["lime", {"call": ["a"], "name": "x"}]},
        "explainers: call must be a built-in explainer or module:callable, got ['a'].",
    ),
    (
        {"explainers": ["lime", {"call": 5, "name": "x"}]},
        "explainers: call must be a built-in explainer or module:callable, got 5.",
    ),
    ({"explainers": ["lime", {"stored": {"a": 1}, "name": "x"}]}, "explainers.x.stored: must be text, got"),
    ({"explainers": ["lime", {"stored": "", "name": "x"}]}, "explainers.x.stored: must be text, got ''."),
    (
        {"explainers": ["lime", {"stored": "docs", "name": "x", "budget": 3}]},
        "explainers.x.stored: allows no options, budget or fill, got 'docs'. Leave them out.",
    ),
    (
        {"explainers": ["lime", "shapley"], "lime": {"exact": False}},
        "explainers.shapley: requires the values of all masks, but lime.exact is false.",
    ),
    (
        {"explainers": ["lime", "lime_perturbation_exact"], "lime": {"exact": False}},
        "explainers.lime_perturbation_exact: requires the values of all masks, but lime.exact is false.",
    ),
    (
        {"explainers": ["lime", "grad_cam"], "model": {"predict": "json:loads"}, "stability": {"n_samples": []}},
        "explainers.grad_cam: requires layers, but",
    ),
    ({"model": {"label": "music"}}, "model.label: requires model.build, got 'music'."),
    (
        {"model": {"build": "json:loads", "predict": "json:loads"}},
        "model.predict: model.build is also given, got 'json:loads'. Set one of them to null.",
    ),
    (
        {"model": {"predict": "json:loads", "threshold": "arg max"}, "stability": {"n_samples": []}},
        "model.threshold: model.predict returns one probability, got arg max. Give a number, or null.",
    ),
    (
        {"model": {"build": "json:loads", "label": "x", "threshold": "best"}},
        "got 'best'. Give a number from 1.0e-6 to 0.999999, arg max or null.",
    ),
    (
        {
            "model": {"build": "json:loads", "label": "x"},
            "attacks": {"waveform": {"precision": "bfloat16"}},
            "stability": {"n_samples": []},
        },
        "attacks.waveform.precision: requires the paper's detector, got bfloat16.",
    ),
    ({"explainers": ["lime", "nothing"]}, "explainers: unknown explainer, got 'nothing'."),
    ({"explainers": ["lime", "json:nothing"]}, "does not define nothing, got 'json:nothing'"),
    (
        {"explainers": ["lime", "saliency"], "model": {"predict": "json:loads"}, "stability": {"n_samples": []}},
        "explainers.saliency: requires gradients, but model.predict provides only predictions.",
    ),
    (
        {"explainers": ["lime", {"name": "x", "stored": "/nowhere"}]},
        "explainers.x.stored: must be a folder, got '/nowhere'.",
    ),
    (
        {"attacks": {"seconds": 3}, "frontend": {"hop_samples": 1000}},
        "attacks.seconds: too short for frontend.excerpt_frames 115 (5.22 s), got 3. Give at least 5.22.",
    ),
    (
        {"attacks": {"seconds": None}, "corpus": {"synthetic": {"seconds": 5}}, "frontend": {"hop_samples": 1000}},
        "corpus.synthetic.seconds: too short for frontend.excerpt_frames 115 (5.22 s), got 5.",
    ),
]


def test_keys_that_exclude_each_other_are_refused_with_the_cure():
    for over, said in IMPOSSIBLE_TOGETHER:
        assert said in refusal(over), over


POSSIBLE_TOGETHER = [
    {"frontend": {"sample_rate": 8000, "f_max": 4000, "n_mels": 40}, **FOLDER},
    {"frontend": {"f_min": 0}},
    {"frontend": {"f_max": 11025}},
    {"frontend": {"excerpt_frames": 133}},
    {"frontend": {"n_mels": 128, "frame_samples": 2048}},
    {"frontend": {"excerpt_frames": 121}, "detector": {"architecture": {"layers": "ismir2016"}}},
    {"detector": {"training": {"targets": [0, 1]}}},
    {"detector": {"training": {"filter_min_hz": 8000}}},
    {"lime": {"n_time": 6, "n_band": 5, "exact": False}},
    {"lime": {"n_time": 6, "n_band": 4}},
    {"lime": {"evaluator": "direct", "n_time": 3}},
    {"lime": {"evaluator": "direct", "exact": False}},
    {"lime": {"evaluator": "direct"}, "stability": {"n_samples": []}},
    {"localised": {"k": [20]}},
    {"drawings": {"shapes": ["letters:HELLO"], "folder": str(ROOT / "config")}},
    {"attacks": {"seconds": 1000}},
]


def test_keys_that_go_together_are_accepted():
    for over in POSSIBLE_TOGETHER:
        together(over)


# --- Songs


def test_splits_without_songs():
    splits = {"attacks": {"splits": ["test"]}}
    assert "attacks.splits: the corpus has no songs in these splits, got ['test']. Use train." in refusal(
        splits, n_songs={"train": 3, "valid": 0, "test": 0}
    )
    assert "got ['test']. Add songs" in refusal(splits, n_songs={"train": 0, "valid": 0, "test": 0})
    together({"attacks": {"splits": ["valid", "test"]}}, n_songs={"train": 1, "valid": 1, "test": 0})


def test_nothing_to_train_on():
    songs = {"train": 0, "valid": 1, "test": 1}
    assert "detector.checkpoint: the corpus has no songs to train on (filelists/train), got null. Add songs" in refusal(
        n_songs=songs
    )
    together({"detector": {"checkpoint": "a.pt"}}, n_songs=songs)


def test_nothing_to_tune_on():
    songs = {"train": 1, "valid": 0, "test": 1}
    assert (
        "detector.threshold: the corpus has no songs to tune the threshold on (filelists/valid), got null. Add songs, or set"
        in refusal(n_songs=songs)
    )
    together({"detector": {"threshold": 0.5}}, n_songs=songs)
    together({"detector": {"checkpoint": "a.pt"}}, n_songs=songs)


def test_a_corpus_that_is_still_to_be_downloaded():
    together(FOLDER, n_songs=None)


# --- A callable


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path_of_jobs.cache_clear()
    yield tmp_path
    path_of_jobs.cache_clear()


def said_of(target):
    with pytest.raises(ConfigError) as caught:
        _check_callable(target, "model.predict")
    message = str(caught.value)
    assert message.startswith("model.predict: ")
    assert f"got '{target[:70]}" in message
    assert len(message) < 400
    return message


def test_callables_that_can_be_imported_are_not_imported(on_path):
    (on_path / "own").mkdir()
    (on_path / "own" / "__init__.py").write_text("raise SystemExit\n")
    (on_path / "own" / "model.py").write_text(
        "raise SystemExit\ndef predict(x): pass\nclass Model: pass\n"
        "try:\n  from numpy import mean as other\nexcept ImportError:\n  pass\n"
        "with open('x') as file:\n  (first, *second), third = file\nfor each in (): pass\n"
        "def f():\n  global late\n  late = 1\n"
    )
    for name in ("predict", "Model", "other", "file", "first", "second", "third", "each", "late"):
        _check_callable(f"own.model:{name}", "model.predict")
    assert "does not define predic, got 'own.model:predic'. Give a name that it defines (did you mean 'predict'?)." in said_of(
        "own.model:predic"
    )
    assert "does not define anything, got 'own:anything'. Give a name that it defines." in said_of("own:anything")
    assert "no module own.nothing, got 'own.nothing:predict'. Put its folder on PYTHONPATH." in said_of("own.nothing:predict")
    assert "no module own.model.deeper, got" in said_of("own.model.deeper:predict")


@pytest.mark.parametrize("text", ["from os import *\n", "def __getattr__(name): pass\n", "globals()['predict'] = print\n"])
def test_modules_that_may_define_anything(on_path, text):
    (on_path / "open_module.py").write_text(text)
    _check_callable("open_module:predict", "model.predict")


def test_callables_that_need_no_file():
    _check_callable("json:loads", "model.predict")
    _check_callable("math:sqrt", "model.predict")
    _check_callable("builtins:abs", "model.predict")
    _check_callable("numpy.linalg:norm", "model.predict")


@pytest.mark.parametrize(
    "content", [b"def predict(x:\n", b"x = 1\n\0", "# jämendo\n".encode("utf-16"), b"(" * 10**5, b"if 1:\nx"]
)
def test_modules_that_are_no_python(on_path, content):
    (on_path / "broken.py").write_bytes(content)
    assert "cannot be read as Python" in said_of("broken:predict")


def test_folders_without_code_and_long_names(on_path):
    (on_path / "folder").mkdir()
    assert "no module folder, got" in said_of("folder:predict")
    assert "Put its folder on PYTHONPATH" in said_of("x" * 10_000 + ":predict")


def test_what_lies_beside_the_snakefile_only_is_not_found(on_path, tmp_path_factory, monkeypatch):
    """The Python of Snakemake finds it, that of the jobs does not."""
    beside = tmp_path_factory.mktemp("beside")
    (beside / "only_here.py").write_text("def predict(x): pass\n")
    monkeypatch.chdir(beside)
    monkeypatch.syspath_prepend(str(beside))
    assert "no module only_here, got" in said_of("only_here:predict")


# --- Cost


def test_it_is_light():
    code = (
        "import sys; import veracity.workflow.consistency, veracity.songs.settings\n"
        "print([name for name in ('torch', 'librosa', 'scipy', 'sklearn', 'matplotlib', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    began = time.process_time()
    check_together(checked(DEFAULT), n_songs=SONGS)
    assert time.process_time() - began < 0.05


# --- The network's geometry


@pytest.mark.parametrize("layers", STEPS)
def test_detectors_are_made_of_exactly_the_lengths_that_can_be_evaluated_at_once(layers):
    """Evaluating all excerpts at once with the network gives the same values as one by one."""
    torch.manual_seed(0)
    architecture = Architecture(layers)
    accepted = []
    for n in range(1, 140, 2):
        try:
            architecture.dense_kernel(n, 80)
            accepted.append(n)
        except ConfigError as error:
            with pytest.raises(ConfigError, match=f"Choose {str(error).split('Choose ')[1]}"):
                Detector(architecture, FrontEnd(excerpt_frames=n))
    assert accepted == {"ismir2015": list(range(25, 140, 18)), "ismir2016": list(range(25, 140, 6))}[layers]
    for n in (accepted[0], accepted[-1]):
        network = Detector(architecture, FrontEnd(excerpt_frames=n)).eval().network().to(dtype=torch.float64)
        frames = torch.randn(n + 9, 80, dtype=torch.float64)
        apart = network.logits(frames.unfold(0, n, 1).transpose(1, 2))
        torch.testing.assert_close(network.dense_logits(frames), apart, atol=1e-9, rtol=0)


def test_a_pool_that_drops_a_remainder_is_refused():
    """The geometry 115 > 113 > 37 > 35 > 17 of issue 14."""
    steps = [(3, False), (3, True), (3, False), (2, True)]
    assert left_of(115, steps) == (17, False)
    with pytest.raises(ConfigError, match=r"leaves a remainder in a pool of this network, got 115\. Choose other kernels"):
        checked_frames(115, steps)  # all lengths without a remainder are even
    steps = [(4, False), (3, True), (3, False), (2, True)]
    with pytest.raises(ConfigError, match=r"leaves a remainder in a pool of this network, got 115\. Choose 111 or 117"):
        checked_frames(115, steps)
    assert checked_frames(117, steps) == 18


# --- settings in a notebook are rejected if the configuration would reject them


def made(kind, settings):
    return kind(**{key: value for key, value in settings.items() if key != "predict"})


CLASSES = {
    "frontend": FrontEnd,
    "detector.training": TrainingSettings,
    "detector.architecture": Architecture,
    "lime": LimeSettings,
    "controls.shortcut": ShortcutSettings,
    "model": ModelSettings,
    "corpus.synthetic": SynthesisSettings,
    "attacks.spectrogram": AttackSettings,
}


def own(group):
    part = DEFAULT
    for key in group.split("."):
        part = part[key]
    return part


def test_notebook_and_configuration_refuse_the_same_in_the_same_words():
    runs_only = {"n_updates", "n_train", "n_valid", "n_test", "max_updates"}  # zero is meaningful in a notebook
    n_refused = 0
    for group, kind in CLASSES.items():
        for name in own(group):
            path = f"{group}.{name}"
            values = [float("nan"), "1e-7", [], {}, "zzz", *NUMBERS.get(path, {}).values()]
            for value in [*values, -1, 1e30, 10**30]:
                refused = error_of(checked, with_value(path, value))
                if name in runs_only or name in ("build", "predict"):
                    continue
                by_class = error_of(made, kind, {**own(group), name: value})
                if refused and not refused.startswith(f"{path}: "):
                    continue  # because of another key
                words = [
                    str(text).partition(", got ")[2].partition(", and use --configfile")[0].rstrip(".")
                    for text in (refused, by_class)
                ]
                assert words[0] == words[1], (path, value)
                n_refused += bool(refused)
    assert n_refused > 300


def test_any_numbers_make_settings_or_a_sentence():
    rng = np.random.default_rng(0)
    choices = [0, 1, 2, 3, 25, 80, 115, 120, 1e-9, 0.5, 1.0, 8000.0, 22050, 10**6, 10**20, -1, float("nan"), "x", True, None]
    for group, kind in CLASSES.items():
        names = [field.name for field in dataclasses.fields(kind)]
        for _ in range(300):
            changed = {name: choices[rng.integers(len(choices))] for name in rng.permutation(names)[:2]}
            error_of(made, kind, {**own(group), **changed})


def test_configurations_at_random_pass_or_are_refused_in_a_sentence():
    rng = np.random.default_rng(1)
    passed = 0
    for _ in range(400):
        config = DEFAULT
        for path in rng.permutation(list(NUMBERS))[:3]:
            part = NUMBERS[path]
            low, high = part.get("minimum", 0.01), part.get("maximum", 1000)
            value = float(np.exp(rng.uniform(np.log(max(low, 1e-3)), np.log(high))))
            config = merged(config, nested(path, (int(value) or 1) if part["type"] == "integer" else value))
        passed += not error_of(together, config)
    assert 50 < passed < 400


def test_a_part_of_a_song_is_as_long_as_needed_and_no_longer():
    rng = np.random.default_rng(2)
    for _ in range(200):
        frontend = FrontEnd(
            frame_samples=int(rng.integers(600, 4000)),
            hop_samples=int(rng.integers(1, 3000)),
            excerpt_frames=int(rng.integers(0, 100)) * 2 + 1,
            n_mels=20,
        )
        needed = consistency._samples_needed(frontend, apart=True)
        assert len(inner_start_frames(needed, frontend)) == 1
        assert len(inner_start_frames(needed - 1, frontend)) == 0


# --- texts of messages


def words_of(kind, **settings):
    needed = {"eps": 1, "eta": 1, "alpha": 1} if kind is AttackSettings else {}
    return error_of(made, kind, {**needed, **settings})


def test_settings_refuse_words_that_they_do_not_know():
    assert words_of(Architecture, layers="ismir2105") == (
        "detector.architecture.layers: unknown value, got 'ismir2105'. Give ismir2015 or ismir2016 (did you mean 'ismir2015'?)."
    )
    for kind, settings, said in (
        (TrainingSettings, {"standardisation": "exakt"}, "Give exact or running (did you mean 'exact'?)"),
        (TrainingSettings, {"precision": "tf32"}, "Give float32 or bfloat16"),
        (AttackSettings, {"update_rule": ["adam"]}, "Give adam or sign"),
        (AttackSettings, {"precision": None}, "Give float32, tf32 or bfloat16"),
        (LimeSettings, {"fill": "max", "fills": ("max",)}, "Give mean, zero or min"),
        (LimeSettings, {"fills": ("mean", "max")}, "lime.fills.1: unknown value, got 'max'. Give mean, zero or min"),
        (LimeSettings, {"fills": "mean"}, "Give a list"),
        (LimeSettings, {"evaluator": "Auto"}, "Give auto or direct"),
        (FrontEnd, {"n_mles": 80}, "frontend.n_mles: unknown key. Did you mean 'n_mels'?"),
    ):
        assert said in words_of(kind, **settings)
    assert error_of(AttackSettings) == "attack.eps: missing. Give a number from 1.0e-12 to 1000000."


def test_settings_are_frozen_hashable_and_take_numbers_of_numpy():
    one = FrontEnd(np.int64(16000), n_mels=np.int32(40), floor=np.float32(0.0625))
    assert one == FrontEnd(16000, n_mels=40, floor=0.0625) == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(dataclasses.replace(one, n_mels=40))
    assert type(one.sample_rate) is int
    for value in (torch.tensor(8000.0), np.array([8000.0]), Decimal(8000)):
        assert "frontend.f_max: wrong type, got " in error_of(lambda value=value: FrontEnd(f_max=value))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.n_mels = 3
    with pytest.raises(TypeError, match="at most 8"):
        FrontEnd(*range(9))


@pytest.mark.parametrize("domain", ["wave", "", None, "Waveform", ["waveform"]])
def test_attacks_refuse_domains_that_there_are_not(domain):
    settings, frontend = AttackSettings(eps=0.1, eta=0.1, alpha=1), FrontEnd()
    audio, detector = np.zeros(60000, dtype=np.float32), AttackedDetector(None, frontend, 0.5)
    for attack, first in ((attack_song, audio), (attack_excerpts, (audio, np.array([5])))):
        positional = first if isinstance(first, tuple) else (first,)
        message = error_of(lambda attack=attack, positional=positional: attack(*positional, detector, settings, domain=domain))
        assert "domain: must be waveform or spectrogram, got" in message


def test_attacks_refuse_thresholds_and_chunks_that_there_are_not():
    settings, audio = AttackSettings(eps=0.1, eta=0.1, alpha=1), np.zeros(60000, dtype=np.float32)
    for threshold in (2.0, float("nan"), -1):
        with pytest.raises(ConfigError, match=r"^threshold: must be"):
            AttackedDetector(None, FrontEnd(), threshold)
    with pytest.raises(ConfigError, match=r"^chunk_frames: must be"):
        attack_song(audio, AttackedDetector(None, FrontEnd(), 0.5), settings, domain="waveform", chunk_frames=0)


def test_one_of_a_few_words():
    assert one_of("sing", ("nosing", "sing"), "label") == "sing"
    assert one_of(np.str_("sing"), ("nosing", "sing"), "label") == "sing"
    for value in ("no sing", "Sing", "", None, 1, np.array(["sing", "sing"]), [], {"sing": 1}, b"sing", "x" * 10**6, 10**5000):
        with pytest.raises(ConfigError, match=r"^label: must be nosing or sing, got .*[.?]$") as caught:
            one_of(value, ("nosing", "sing"), "label")
        assert len(str(caught.value)) < 200
    with pytest.raises(ConfigError, match=r"^update rule: must be adam or sign, got 'Adm'\. Did you mean 'adam'\?$"):
        one_of("Adm", ("adam", "sign"), "update rule")
    with pytest.raises(ConfigError, match=r"^word: must be only, got 'b'\.$"):
        one_of("b", ("only",), "word")
    with pytest.raises(ConfigError, match=r"^word: must be one of a, b or c, got 1\.$"):
        one_of(1, ("a", "b", "c"), "word")


def test_numbers_within_bounds():
    for value in (1, 1.5, 2, np.float32(1.5), np.int64(2)):
        within(value, 1, 2, "x")
    for value in (0.99, 2.01, float("nan"), "1", True, None, 1 + 0j, np.array([1.5, 1.5]), 10**5000):
        with pytest.raises(ConfigError, match=r"^x: must be a number from 1 to 2, got .*\.$"):
            within(value, 1, 2, "x")
    within(np.int64(2), 1, 2, "x", whole=True)
    with pytest.raises(ConfigError, match=r"^x: must be a whole number from 1 to 2, got 1\.0\.$"):
        within(1.0, 1, 2, "x", whole=True)


@pytest.mark.parametrize(
    ("number", "text"), [(1e-7, "1.0e-7"), (2.5e20, "2.5e+20"), (0.1, "0.1"), (1e6, "1000000"), (3, "3"), (float("inf"), "inf")]
)
def test_numbers_as_yaml_reads_them(number, text):
    assert plain(number) == text
    if number < float("inf"):
        assert yaml.safe_load(text) == number


def test_quoted_content_is_short_and_on_one_line():
    for value in ("a\nb" * 10**6, ["x" * 10**6] * 10**5, 10**5000, {1: {2: {3: {4: {5: 6}}}}}, "\x1b[31m\x00", object()):
        for text in (shortened(value), quoted(value)):
            assert len(text) <= 82
            assert text.isprintable()


def test_merging_is_snakemake_s():
    for name in OTHERS:
        over = yaml.safe_load((Path(ROOT) / "config" / name).read_text(encoding="utf-8"))
        by_snakemake = yaml.safe_load(yaml.safe_dump(DEFAULT))
        update_config(by_snakemake, over)
        assert by_snakemake == merged(DEFAULT, over)
