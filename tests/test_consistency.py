"""Settings that are each admissible and together impossible."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from snakemake.utils import update_config
from test_config import DEFAULT, LEAVES, OTHERS, ROOT, SCHEMA, merged, with_value

from veracity.attacks.excerpt_scope import attack_excerpts
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.detector.model import Detector
from veracity.detector.settings import STEPS, Architecture, TrainingSettings, checked_frames, left_of
from veracity.errors import ConfigError, one_of, plain, quoted, shortened, within
from veracity.explainers.lime import LimeSettings
from veracity.jobs.callables import path_of_jobs
from veracity.jobs.config import check
from veracity.planning import consistency
from veracity.planning.consistency import check_callable, check_together
from veracity.songs.settings import FrontEnd, inner_start_frames
from veracity.songs.synthesis import SynthesisSettings

SONGS = {"train": 3, "valid": 1, "test": 1}


def together(*overs, n_songs=SONGS):
    config = DEFAULT
    for over in overs:
        config = merged(config, over)
    check(config, SCHEMA)  # each key is admissible
    check_together(config, n_songs=n_songs)


def refusal(*overs, n_songs=SONGS):
    with pytest.raises(ConfigError) as caught:
        together(*overs, n_songs=n_songs)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


NO_STUDY = {"stability": {"n_samples": []}}
FOLDER = {"corpus": {"kind": "folder", "folder": "somewhere"}}


@pytest.mark.parametrize("name", ["config.yaml", *OTHERS])
def test_the_repository_s_configurations_are_consistent(name):
    together(yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"frontend": {"f_min": 9000}}, "frontend.f_min 9000 is not below frontend.f_max 8000"),
        ({"frontend": {"f_min": 8000}}, "frontend.f_min 8000 is not below frontend.f_max 8000"),
        ({"frontend": {"f_max": 12000}}, "frontend.f_max 12000 is above half of frontend.sample_rate 22050"),
        ({"frontend": {"sample_rate": 8000}, **FOLDER}, "lower it to at most 4000 or raise frontend.sample_rate"),
        ({"frontend": {"n_mels": 600}}, "135 of frontend.n_mels 600 bands hold no frequency bin and would be constant: lower"),
        ({"frontend": {"frame_samples": 256}}, "bands hold no frequency bin"),
        (
            {"frontend": {"excerpt_frames": 120}},
            "frontend.excerpt_frames 120 leaves a remainder in a pool of ismir2015: choose 115",
        ),
        ({"frontend": {"excerpt_frames": 120}}, "choose 115 or 133"),
        (
            {"frontend": {"excerpt_frames": 124}},
            "frontend.excerpt_frames 124 is even, so that no frame is the centre: choose 115 or",
        ),
        ({"frontend": {"excerpt_frames": 117}}, "choose 115 or 133"),
        ({"frontend": {"excerpt_frames": 9}}, "frontend.excerpt_frames 9 is too small for ismir2015: choose 25"),
        ({"frontend": {"n_mels": 10}}, "frontend.n_mels 10 is too small for ismir2015: raise it to 25 or more"),
        (
            {"frontend": {"n_mels": 64}, "detector": {"architecture": {"layers": "ismir2016"}}},
            "frontend.n_mels 64 is too small for ismir2016: raise it to 79 or more",
        ),
        (
            {"frontend": {"excerpt_frames": 119}, "detector": {"architecture": {"layers": "ismir2016"}}},
            "frontend.excerpt_frames 119 leaves a remainder in a pool of ismir2016: choose 115 or 121",
        ),
        (
            {"frontend": {"sample_rate": 8000, "f_max": 4000}},
            "frontend.sample_rate 8000 lacks what the detector sees of a synth",
        ),
        ({"detector": {"training": {"targets": [0.98, 0.02]}}}, "targets [0.98, 0.02] are not below and above 0.5"),
        ({"detector": {"training": {"targets": [0.6, 0.9]}}}, "targets [0.6, 0.9] are not below and above 0.5"),
        ({"detector": {"training": {"filter_min_hz": 9000}}}, "filter_min_hz 9000 is above filter_max_hz 8000: swap them"),
        ({"detector": {"training": {"filter_min_semitones": 8}}}, "filter_min_semitones 8 is above filter_max_semitones 7"),
        ({"lime": {"fills": ["zero"]}}, "lime.fill 'mean' is not among lime.fills ['zero']: add it there"),
        ({"lime": {"n_time": 200, "exact": False}}, "does not fit 115 frames x 80 bands"),
        ({"lime": {"n_time": 6, "n_band": 5}}, "30 segments has 2**30 masks, too many to evaluate all: use at most 24"),
        ({"lime": {"n_time": 8, "n_band": 8, "exact": False}}, "64 segments has more than the 63"),
        (
            {"lime": {"n_samples": 10**12}},
            "lime.n_samples 1000000000000 on 20 segments would take 5.59e+05 GiB of memory: choose",
        ),
        ({"stability": {"n_samples": [64, 10**12]}}, "stability.n_samples 1000000000000 on 20 segments would take"),
        ({"truth": {"tested": ["oclusion"]}}, "truth.tested holds 'oclusion', which is not among explainers"),
        ({"truth": {"tested": ["occlusion"]}}, "truth.tested holds 'occlusion', which is not among explainers: add it there"),
        ({"truth": {"tested": ["random"]}}, "truth.tested holds 'random'"),
        (
            {"explainers": ["lime", "beam_search"], "truth": {"tested": ["beam_search:mean"]}},
            "truth.tested holds 'beam_search:mean', which is asked about clean: correct it",
        ),
        (
            {"lime": {"fills": ["mean"]}, "truth": {"against": ["shapley:zero"]}},
            "truth.against holds 'shapley:zero', and lime.fills holds no zero: add it there",
        ),
        ({"localised": {"k": [1, 21]}}, "localised.k holds 21, the grid has only 20 segments"),
        ({"lime": {"evaluator": "direct"}}, "set stability.n_samples to []"),
        ({"model": {"predict": "json:loads"}}, "with model.predict only those of up to 12 segments are evaluated"),
        (
            {"drawings": {"shapes": ["horse", "hors"]}},
            "drawings.shapes holds 'hors', which is no shape (did you mean 'horse'?)",
        ),
        ({"drawings": {"shapes": []}}, "drawings.shapes is empty, and drawings.folder is null"),
        ({"drawings": {"shapes": ["letters:  "]}}, "drawings.shapes holds 'letters:', which is no shape"),
        ({"drawings": {"folder": "/nowhere/to be found"}}, "drawings.folder '/nowhere/to be found' does not exist"),
        ({"drawings": {"folder": "x" * 5000}}, "does not exist"),
        ({"lime": {"kernel_width": 0.01}}, "weigh as much as 1 masks, which determine no weights of 20 segments"),
        ({"lime": {"n_samples": 10}}, "which determine no weights of 20 segments: raise one of them"),
        ({"attacks": {"waveform": {"eps": 3}}}, "attacks.waveform.eps is 3, where full scale is 1"),
        ({"frontend": {"hop_samples": 2048}}, "frontend.hop_samples 2048 is more than frontend.frame_samples 1024"),
        ({"corpus": {"words": {"sing": ["x"], "nosing": ["x"]}}}, "corpus.words says that 'x' is sing and nosing"),
        ({"corpus": {"kind": "audio", "folder": "x"}}, "corpus.kind audio has no lists of songs to train on"),
        ({"tuning": {"waveform": {"eps": [0.005, 100]}}}, "tuning.waveform.eps is 100, where full scale is 1"),
        ({"model": {"threshold": 0.9}}, "model.threshold is given, and there is no model.build or model.predict"),
        ({"model": {"predict": "json:loads", "threshold": 7}}, "model.threshold is 7"),
        ({"model": {"build": "json:loads"}}, "model.label is null: name the label of model.build"),
        (
            {"explainers": ["lime", {"call": "shapley", "options": {"scal": "logit"}}]},
            "takes no option 'scal' (did you mean 'scale'",
        ),
        ({"explainers": ["lime", {"call": ["a"], "name": "x"}]}, "explainers: call is ['a']"),
        ({"explainers": ["lime", {"call": 5, "name": "x"}]}, "explainers: call is 5"),
        ({"explainers": ["lime", {"stored": {"a": 1}, "name": "x"}]}, "stored of the explainer 'x' is"),
        ({"explainers": ["lime", {"stored": "", "name": "x"}]}, "stored of the explainer 'x' is ''"),
        ({"explainers": ["lime", {"stored": "docs", "name": "x", "budget": 3}]}, "is stored, and asked nothing"),
        (
            {"explainers": ["lime", "shapley"], "lime": {"exact": False}},
            "needs the values of all masks, and lime.exact is false",
        ),
        (
            {"explainers": ["lime", "grad_cam"], "model": {"predict": "json:loads"}, "stability": {"n_samples": []}},
            "needs layers",
        ),
        ({"model": {"label": "music"}}, "model.label is given, and there is no model.build"),
        ({"model": {"build": "json:loads", "predict": "json:loads"}}, "model.build and model.predict are both given"),
        (
            {"model": {"predict": "json:loads", "threshold": "arg max"}, "stability": {"n_samples": []}},
            "give a number, or null",
        ),
        (
            {"model": {"build": "json:loads", "label": "x", "threshold": "best"}},
            "'best' is not possible, give a probability, or arg max",
        ),
        (
            {
                "model": {"build": "json:loads", "label": "x"},
                "attacks": {"waveform": {"precision": "bfloat16"}},
                "stability": {"n_samples": []},
            },
            "attacks.waveform.precision is for the paper's detector alone",
        ),
        ({"explainers": ["lime", "nothing"]}, "there is no explainer 'nothing'"),
        ({"explainers": ["lime", "json:nothing"]}, "defines no nothing"),
        (
            {"explainers": ["lime", "saliency"], "model": {"predict": "json:loads"}, "stability": {"n_samples": []}},
            "explainers holds saliency, which needs gradients, and model.predict is known by its predictions alone",
        ),
        ({"explainers": ["lime", {"name": "x", "stored": "/nowhere"}]}, "has stored '/nowhere', which is no folder"),
        (
            {"attacks": {"seconds": 3}, "frontend": {"hop_samples": 1000}},
            "attacks.seconds 3 is too short for frontend.excerpt_frames",
        ),
        (
            {"attacks": {"seconds": None}, "corpus": {"synthetic": {"seconds": 5}}, "frontend": {"hop_samples": 1000}},
            "corpus.synthetic.seconds 5 is too short",
        ),
    ],
)
def test_what_does_not_go_together_is_named_with_its_cure(over, said):
    assert said in refusal(over)


@pytest.mark.parametrize(
    "over",
    [
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
    ],
)
def test_what_goes_together(over):
    together(over)


# --- Songs


def test_splits_without_songs():
    splits = {"attacks": {"splits": ["test"]}}
    assert "no songs in attacks.splits ['test']: name train" in refusal(splits, n_songs={"train": 3, "valid": 0, "test": 0})
    assert "no songs in attacks.splits ['test']: add songs" in refusal(splits, n_songs={"train": 0, "valid": 0, "test": 0})
    together({"attacks": {"splits": ["valid", "test"]}}, n_songs={"train": 1, "valid": 1, "test": 0})


def test_nothing_to_train_on():
    songs = {"train": 0, "valid": 1, "test": 1}
    assert "no songs to train on (filelists/train) and detector.checkpoint is null" in refusal(n_songs=songs)
    together({"detector": {"checkpoint": "a.pt"}}, n_songs=songs)


def test_nothing_to_tune_on():
    songs = {"train": 1, "valid": 0, "test": 1}
    assert "(filelists/valid) and detector.threshold is null: add songs, or set" in refusal(n_songs=songs)
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
        check_callable(target)
    message = str(caught.value)
    assert message.startswith(f"model.predict '{target[:70]}")
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
        check_callable(f"own.model:{name}")
    assert "defines no predic (did you mean 'predict'?)" in said_of("own.model:predic")
    assert "defines no anything: name what it defines" in said_of("own:anything")
    assert "no module own.nothing is found: put its folder on PYTHONPATH" in said_of("own.nothing:predict")
    assert "no module own.model.deeper is found" in said_of("own.model.deeper:predict")


@pytest.mark.parametrize("text", ["from os import *\n", "def __getattr__(name): pass\n", "globals()['predict'] = print\n"])
def test_modules_that_may_define_anything(on_path, text):
    (on_path / "open_module.py").write_text(text)
    check_callable("open_module:predict")


def test_callables_that_need_no_file():
    check_callable("json:loads")
    check_callable("math:sqrt")
    check_callable("builtins:abs")
    check_callable("numpy.linalg:norm")


@pytest.mark.parametrize(
    "content", [b"def predict(x:\n", b"x = 1\n\0", "# jämendo\n".encode("utf-16"), b"(" * 10**5, b"if 1:\nx"]
)
def test_modules_that_are_no_python(on_path, content):
    (on_path / "broken.py").write_bytes(content)
    assert "is no Python: mend it" in said_of("broken:predict")


def test_folders_without_code_and_long_names(on_path):
    (on_path / "folder").mkdir()
    assert "no module folder is found" in said_of("folder:predict")
    assert "is found" in said_of("x" * 10_000 + ":predict")


def test_what_lies_beside_the_snakefile_only_is_not_found(on_path, tmp_path_factory, monkeypatch):
    """Snakemake's own Python sees it, the jobs' does not."""
    beside = tmp_path_factory.mktemp("beside")
    (beside / "only_here.py").write_text("def predict(x): pass\n")
    monkeypatch.chdir(beside)
    monkeypatch.syspath_prepend(str(beside))
    assert "no module only_here is found" in said_of("only_here:predict")


# --- Cost


def test_it_is_light():
    code = (
        "import sys; import veracity.planning.consistency, veracity.songs.settings\n"
        "print([name for name in ('torch', 'librosa', 'scipy', 'sklearn', 'matplotlib', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    began = time.process_time()
    check_together(DEFAULT, n_songs=SONGS)
    assert time.process_time() - began < 0.05


def test_nothing_is_changed():
    before = yaml.safe_dump(DEFAULT)
    check_together(DEFAULT, n_songs=SONGS)
    assert yaml.safe_dump(DEFAULT) == before


# --- The network's geometry


@pytest.mark.parametrize("layers", STEPS)
def test_detectors_are_made_of_exactly_the_lengths_that_can_be_evaluated_at_once(layers):
    """By the network itself: as many values from all at once as from one by one, and the same ones."""
    torch.manual_seed(0)
    architecture = Architecture(layers)
    accepted = []
    for n in range(1, 140, 2):
        try:
            architecture.dense_kernel(n, 80)
            accepted.append(n)
        except ConfigError as error:
            with pytest.raises(ConfigError, match=f"choose {str(error).split('choose ')[1]}"):
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
    with pytest.raises(ConfigError, match="115 leaves a remainder in a pool of this network: choose other kernels"):
        checked_frames(115, steps)  # all lengths that leave none are even
    steps = [(4, False), (3, True), (3, False), (2, True)]
    with pytest.raises(ConfigError, match="115 leaves a remainder in a pool of this network: choose 111 or 117"):
        checked_frames(115, steps)
    assert checked_frames(117, steps) == 18


# --- The settings of a notebook refuse what the schema refuses


def error_of(call, *arguments):
    """Return the one sentence of a refusal, or None; any other error is one of ours."""
    try:
        call(*arguments)
    except ConfigError as error:
        message = str(error)
    else:
        return None
    assert "\n" not in message
    assert len(message) < 400
    return message


def made(kind, settings):
    return kind(**{key: value for key, value in settings.items() if key != "predict"})


FLOAT_STEP = 1 + 1e-9
CLASSES = {
    "frontend": FrontEnd,
    "detector.training": TrainingSettings,
    "detector.architecture": Architecture,
    "attacks.waveform": AttackSettings,
    "lime": LimeSettings,
    "corpus.synthetic": SynthesisSettings,
}
FIELDS = [
    (f"{group}.{field.name}", group, field.name)
    for group, kind in CLASSES.items()
    for field in dataclasses.fields(kind)
    if f"{group}.{field.name}" in LEAVES
]


@pytest.mark.parametrize(("path", "group", "name"), FIELDS, ids=[field[0] for field in FIELDS])
def test_settings_and_schema_have_the_same_ranges(path, group, name):
    """What the schema refuses, its dataclass refuses, and neither refuses a bound that the other one admits."""
    part = LEAVES[path]
    whole = part.get("type") == "integer"
    values = [float("nan"), float("inf"), "1e-7", None, [], {}, "zzz"]
    for bound, sign in ((part.get("minimum"), -1), (part.get("maximum"), 1)):
        if bound is not None:
            values += [bound, bound + sign if whole else bound * FLOAT_STEP**sign + sign * 1e-300]
    kind, own = CLASSES[group], DEFAULT
    for key in group.split("."):
        own = own[key]
    for value in values:
        config = with_value(path, value)
        try:
            check(config, SCHEMA)
        except ConfigError:
            if value == 0 and name in ("max_updates", "n_updates", "n_train", "n_valid", "n_test"):
                continue  # senseless for a run, but not for a probe of costs
            assert error_of(made, kind, {**own, name: value})
        else:
            own_range = error_of(made, kind, {**own, name: value}) or ""
            assert "number from" not in own_range  # it may be refused beside another setting, not by its own range


def test_any_numbers_make_settings_or_a_sentence():
    rng = np.random.default_rng(0)
    choices = [0, 1, 2, 3, 25, 80, 115, 120, 1e-9, 0.5, 1.0, 8000.0, 22050, 10**6, 10**20, -1, float("nan"), "x", True, None]
    for group, kind in CLASSES.items():
        names = [field.name for field in dataclasses.fields(kind)]
        for _ in range(300):
            changed = {name: choices[rng.integers(len(choices))] for name in rng.permutation(names)[:2]}
            own = DEFAULT
            for key in group.split("."):
                own = own[key]
            error_of(made, kind, {**own, **changed})


def test_configurations_at_random_pass_or_are_refused_in_a_sentence():
    rng = np.random.default_rng(1)
    paths = [path for path in LEAVES if not path.startswith(("run", "device", "explaining", "corpus.k"))]
    passed = 0
    for _ in range(400):
        config = DEFAULT
        for path in rng.permutation(paths)[:3]:
            part = LEAVES[path]
            low, high = part.get("minimum", 0.01), part.get("maximum", 1000)
            value = float(np.exp(rng.uniform(np.log(max(low, 1e-3)), np.log(high))))
            if part.get("type") == "integer":
                value = int(value) or 1
            elif "number" not in part.get("type", ()):
                continue
            config = merged(config, nested(path, value))
        passed += not (
            error_of(check, config, SCHEMA) or error_of(lambda config: check_together(config, n_songs=SONGS), config)
        )
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


# --- Words for what is wrong


def words_of(kind, **settings):
    needed = {"eps": 1, "eta": 1, "alpha": 1} if kind is AttackSettings else {}
    return error_of(made, kind, {**needed, **settings})


def test_settings_refuse_words_that_they_do_not_know():
    assert words_of(Architecture, layers="ismir2105") == (
        "unknown architecture 'ismir2105': choose ismir2015 or ismir2016 (did you mean 'ismir2015'?)"
    )
    assert "choose exact or running" in words_of(TrainingSettings, standardisation="exakt")
    assert "choose float32 or bfloat16" in words_of(TrainingSettings, precision="tf32")
    assert "choose adam or sign" in words_of(AttackSettings, update_rule=["adam"])
    assert "choose float32, tf32 or bfloat16" in words_of(AttackSettings, precision=None)
    assert "choose mean, zero or min" in words_of(LimeSettings, fill="max", fills=("max",))
    assert "choose mean, zero or min" in words_of(LimeSettings, fills=("mean", "max"))
    assert "give a list" in words_of(LimeSettings, fills="mean")
    assert "choose auto or direct" in words_of(LimeSettings, evaluator="Auto")


@pytest.mark.parametrize("domain", ["wave", "", None, "Waveform", ["waveform"]])
def test_attacks_refuse_domains_that_there_are_not(domain):
    settings, frontend = AttackSettings(eps=0.1, eta=0.1, alpha=1), FrontEnd()
    audio, asked = np.zeros(60000, dtype=np.float32), {"domain": domain, "threshold": 0.5}
    for attack, first in ((attack_song, audio), (attack_excerpts, (audio, np.array([5])))):
        positional = first if isinstance(first, tuple) else (first,)
        message = error_of(lambda attack=attack, positional=positional: attack(*positional, None, frontend, settings, **asked))
        assert "unknown domain" in message
        assert "choose waveform or spectrogram" in message


def test_attacks_refuse_thresholds_and_chunks_that_there_are_not():
    settings, frontend, audio = AttackSettings(eps=0.1, eta=0.1, alpha=1), FrontEnd(), np.zeros(60000, dtype=np.float32)
    for asked in ({"threshold": 2.0}, {"threshold": float("nan")}, {"threshold": 0.5, "chunk_frames": 0}):
        with pytest.raises(ConfigError, match=r"threshold is|chunk_frames is"):
            attack_song(audio, None, frontend, settings, domain="waveform", **asked)
    with pytest.raises(ConfigError, match="threshold is"):
        attack_excerpts(audio, np.array([5]), None, frontend, settings, domain="waveform", threshold=-1)


def test_one_of_a_few_words():
    assert one_of("sing", ("nosing", "sing"), "label") == "sing"
    assert one_of(np.str_("sing"), ("nosing", "sing"), "label") == "sing"
    for value in ("no sing", "Sing", "", None, 1, np.array(["sing", "sing"]), [], {"sing": 1}, b"sing", "x" * 10**6, 10**5000):
        with pytest.raises(ConfigError, match=r"unknown label .*: choose nosing or sing") as caught:
            one_of(value, ("nosing", "sing"), "label")
        assert len(str(caught.value)) < 200
    with pytest.raises(ConfigError, match=r"choose adam or sign \(did you mean 'adam'\?\)"):
        one_of("Adm", ("adam", "sign"), "update rule")
    with pytest.raises(ConfigError, match=r"choose only"):
        one_of("b", ("only",), "word")


def test_numbers_within_bounds():
    for value in (1, 1.5, 2, np.float32(1.5), np.int64(2)):
        within(value, 1, 2, "x")
    for value in (0.99, 2.01, float("nan"), "1", True, None, 1 + 0j, np.array([1.5, 1.5]), 10**5000):
        with pytest.raises(ConfigError, match=r"x is .*: give a number from 1 to 2"):
            within(value, 1, 2, "x")
    within(np.int64(2), 1, 2, "x", whole=True)
    with pytest.raises(ConfigError, match="give a whole number from 1 to 2"):
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
