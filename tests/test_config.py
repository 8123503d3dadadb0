"""Configurations that run, and what is said of those that do not."""

import copy
import json
import math
import os
import time
from pathlib import Path

import pytest
import yaml

from veracity.errors import ConfigError
from veracity.jobs.config import check, check_files, read
from veracity.planning.sharing import configurations

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
OTHERS = sorted(path.name for path in (ROOT / "config").glob("*.yaml") if path.name != "config.yaml")


def merged(base, over):
    """Merge as Snakemake does: mappings key by key, anything else replaced."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def with_value(path, value):
    """Return the default configuration with one key set."""
    over = value
    for key in reversed(path.split(".")):
        over = {key: over}
    return merged(DEFAULT, over)


def without(path):
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place[key]
    del place[last]
    return config


def message_of(config):
    with pytest.raises(ConfigError) as caught:
        check(config, SCHEMA)
    message = str(caught.value)
    assert "\n" not in message
    return message


def leaves(schema, path=()):
    for key, part in schema.get("properties", {}).items():
        if part.get("type") == "object":
            yield from leaves(part, (*path, key))
        else:
            yield ".".join((*path, key)), part


LEAVES = dict(leaves(yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))))


def test_the_default_configuration_is_accepted():
    check(DEFAULT, SCHEMA)


@pytest.mark.parametrize("name", OTHERS)
def test_other_configurations_are_accepted_over_the_default(name):
    over = yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    check(merged(DEFAULT, over), SCHEMA)
    for variant in configurations(merged(DEFAULT, over)).values():
        check({**variant, "run": "variant"}, SCHEMA)
    # Or their results would overwrite each other; what has variants alone adds them to the default run.
    assert over.keys() == {"variants"} or over["run"] != DEFAULT["run"]


def test_other_configurations_exist():
    assert {"jamendo.yaml", "jamendo_free.yaml", "mini_jamendo.yaml"} <= set(OTHERS)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("corpus.folder", "/some where/jämendo"),
        ("corpus.sha256", "a" * 64),
        ("attacks.seconds", None),
        ("attacks.waveform.alpha", 2.5),
        ("attacks.waveform.eps", 1),
        ("attacks.scope", "excerpt"),
        ("detector.threshold", 0.51),
        ("device", "cuda:1"),
        ("model.predict", "my_package.model:predict"),
        ("stability.n_samples", []),
        ("detector.architecture.layers", "ismir2016"),
    ],
)
def test_values_that_are_right(path, value):
    check(with_value(path, value), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        # ill-typed
        ("attacks.waveform.eps", "0.01"),
        ("attacks.spectrogram.max_updates", 60.5),
        ("attacks.spectrogram.max_updates", None),
        ("attacks.splits", "test"),
        ("attacks.waveform", 3),
        ("lime.exact", "yes"),
        ("lime.exact", 1),
        ("lime.n_samples", True),
        ("lime.n_samples", 8192.0),
        ("lime.fills", {"mean": True}),
        ("run", 7),
        ("seed", "0"),
        ("seed", 1.0),
        ("detector", None),
        ("corpus.synthetic.seconds", [20]),
        # out of range
        ("attacks.waveform.eps", 0),
        ("attacks.waveform.eps", -0.01),
        ("attacks.waveform.eps", math.nan),
        ("attacks.waveform.eta", math.inf),
        ("attacks.waveform.max_updates", 0),
        ("attacks.seconds", 2),
        ("attacks.splits", []),
        ("attacks.splits", ["test", "test"]),
        ("attacks.spectrogram.update_rule", "sgd"),
        ("seed", -1),
        ("run", "../elsewhere"),
        ("run", ""),
        ("device", "gpu"),
        ("detector.threshold", 1),
        ("detector.threshold", 0.0),
        ("detector.threshold", math.nan),
        ("detector.training.targets", [0.02]),
        ("detector.training.stretch", 1),
        ("detector.architecture.layers", "ismir2021"),
        ("corpus.kind", "jamendo"),
        ("corpus.sha256", "abc"),
        ("corpus.synthetic.seconds", 3),
        ("excerpts.per_direction", 0),
        ("lime.fill", "median"),
        ("lime.n_samples", 1),
        ("lime.kernel_width", 0),
        ("model.predict", "no colon"),
        ("localised.k", []),
        ("tuning.waveform.eps", []),
        ("tuning.waveform.eps", [0.1, 0.1]),
        ("detector.checkpoint", ""),
        ("drawings.folder", ""),
        ("corpus.folder", ""),
        ("drawings.shapes", ["horse", "horse"]),
        ("model.predict", "a..b:c"),
        # a newline at the end
        ("run", "mine\n"),
        ("device", "cpu\n"),
        ("corpus.sha256", "a" * 64 + "\n"),
        ("model.predict", "module:predict\n"),
        # slips of the pen
        ("run", "x" * 300),
        ("seed", 10**30),
        ("frontend.floor", 1e30),
        ("frontend.floor", 1e-300),
        ("frontend.frame_samples", 10**9),
        ("frontend.n_mels", 10**6),
        ("frontend.excerpt_frames", 10**7),
        ("detector.training.learning_rate", 1e30),
        ("detector.training.n_updates", 10**15),
        ("detector.training.batch", 10**9),
        ("detector.training.decay", 2),
        ("detector.training.stretch", 0.999999),
        ("detector.training.filter_db", 1e300),
        ("attacks.waveform.alpha", 1e300),
        ("attacks.spectrogram.eps", 1e300),
        ("attacks.waveform.eta", 1e-300),
        ("attacks.waveform.max_updates", 10**12),
        ("tuning.waveform", {"alpha": [1e300]}),
        ("lime.kernel_width", 1e-200),
        ("lime.alpha", 1e300),
        ("excerpts.per_direction", 10**12),
        ("stability.n_repeats", 10**12),
    ],
)
def test_values_that_are_wrong_are_named_with_their_path(path, value):
    message = message_of(with_value(path, value))
    inside = ".alpha.0" if path == "tuning.waveform" else ""
    assert message.startswith(f"configuration key '{path}{inside}' is wrong: ")
    assert len(message) < 300
    assert message.endswith("see config/config.yaml for what it means")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("localised.k.1", [1, 0, 5]),
        ("drawings.shapes.1", ["horse", 1]),
        ("lime.fills.2", ["mean", "zero", "max"]),
        ("detector.training.targets.0", [-0.1, 0.98]),
    ],
)
def test_the_wrong_entry_of_a_list_is_named_by_its_position(path, value):
    assert f"'{path}' is wrong" in message_of(with_value(path.rpartition(".")[0], value))


@pytest.mark.parametrize("path", [path for path, part in LEAVES.items() if "number" in part.get("type", ())])
def test_no_number_may_be_anything_but_a_finite_number(path):
    for value in (math.nan, math.inf, -math.inf, "1", True):
        assert f"'{path}' is wrong" in message_of(with_value(path, value))


@pytest.mark.parametrize("path", [path for path, part in LEAVES.items() if part.get("type") == "integer"])
def test_no_count_may_be_anything_but_an_integer(path):
    for value in (2.0, 2.5, "2", True, None):
        assert f"'{path}' is wrong" in message_of(with_value(path, value))


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("atacks", "did you mean 'attacks'?"),
        ("attacks.waveform.epss", "did you mean 'eps'?"),
        ("lime.n_sample", "did you mean 'n_samples'?"),
        ("detector.training.lerning_rate", "did you mean 'learning_rate'?"),
        ("lime.zzz", "known keys are n_time, n_band, n_samples"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest_known_one(path, cure):
    message = message_of(with_value(path, 1))
    assert message.startswith(f"configuration key '{path}' is unknown: ")
    assert cure in message


@pytest.mark.parametrize("path", ["seed", "lime", "attacks.waveform.eps", "detector.training.batch", "corpus.synthetic.n_test"])
def test_missing_keys_are_named_with_their_path(path):
    assert message_of(without(path)) == f"configuration key '{path}' is missing: see config/config.yaml for what it means"


def test_every_key_is_needed():
    for path in LEAVES:
        assert f"'{path}' is missing" in message_of(without(path))


def test_no_group_takes_unknown_keys():
    for group in {path.rpartition(".")[0] for path in LEAVES}:
        unknown = f"{group}.qqqq".lstrip(".")
        assert f"'{unknown}' is unknown" in message_of(with_value(unknown, 1))


def test_of_several_errors_the_same_one_is_told_each_time():
    config = with_value("lime.n_samples", 0)
    config["attacks"]["waveform"]["eps"] = -1
    config["seed"] = "x"
    assert {message_of(config) for _ in range(5)} == {message_of(with_value("attacks.waveform.eps", -1))}


def test_an_empty_configuration():
    assert "configuration key 'run' is missing" in message_of({})


def test_checking_changes_nothing():
    config = copy.deepcopy(DEFAULT)
    check(config, SCHEMA)
    assert config == DEFAULT


# --- In words


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("frontend.floor", "1e-7", "YAML reads 1e-7 as text, write 1.0e-7;"),
        ("frontend.floor", "2.5E-7", "write 2.5e-7;"),
        ("attacks.waveform.alpha", "1e3", "write 1000;"),
        ("save_every_seconds", "1.5e5", "write 150000;"),
        ("attacks.waveform.eps", "0.01", "'0.01' is text, write 0.01 without quotation marks;"),
        ("lime.n_samples", "8192", "write 8192 without quotation marks;"),
        ("lime.n_samples", 8192.0, "8192.0 is no whole number, write 8192;"),
        ("lime.n_samples", "many", "'many' is not a whole number;"),
        ("lime.exact", "yes", "'yes' is not true or false;"),
        ("run", 2024, "2024 is not text, put it in quotation marks;"),
        ("lime.fill", "mode", "'mode' is unknown, choose mean, zero or min;"),
        ("lime.fill", "mena", "choose mean, zero or min (did you mean 'mean'?);"),
        ("detector.threshold", 1, "1 is too large, give less than 1;"),
        ("detector.training.batch", 1, "1 is too small, the least is 2;"),
        ("run", "a b", "'a b' is not possible, give letters and digits, and _ . - after the first;"),
        ("detector.checkpoint", "", "it is empty, write null or a text;"),
        ("localised.k", [], "give 1 or more values;"),
        ("attacks.waveform.eps", math.nan, "nan is not a number;"),
    ],
)
def test_what_is_said_of_a_value(path, value, said):
    assert said in message_of(with_value(path, value))


def test_the_number_that_is_proposed_is_one_for_yaml():
    for text in ("1e-7", "1E5", "3e+20", "-1e-300", "12e2", "1_0e1"):
        message = message_of(with_value("attacks.waveform.eps", text))
        proposed = yaml.safe_load(message.split("write ")[1].split(";")[0])
        assert isinstance(proposed, int | float)
        assert proposed == float(text)


@pytest.mark.parametrize("key", [1, 1.5, True, None, (1, 2), "x" * 100_000, "a\nb"])
@pytest.mark.parametrize("group", ["", "lime", "attacks.waveform"])
def test_keys_that_are_no_words_or_too_long_are_named_in_a_few_letters(group, key):
    config = copy.deepcopy(DEFAULT)
    place = config
    for part in filter(None, group.split(".")):
        place = place[part]
    place[key] = 3
    message = message_of(config)
    assert "is unknown: known keys are" in message
    assert len(message) < 500


@pytest.mark.parametrize(
    "value", ["x" * 500_000, ["x" * 60_000] * 9000, {"x" * 500_000: 1}, "x" * 10**8, -(10**5000)], ids=lambda _: ""
)
@pytest.mark.parametrize("path", ["run", "seed", "lime.fill", "localised.k", "detector.checkpoint", "lime"])
def test_what_is_quoted_is_short(path, value):
    if path == "detector.checkpoint" and isinstance(value, str):
        pytest.skip("any text may be a path")
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split(".")
    (config[parents[0]] if parents else config)[last] = value
    assert len(message_of(config)) < 500


def bomb(width=10, depth=12):
    part = ["x"] * width
    for _ in range(depth):
        part = [part] * width
    return part


@pytest.mark.parametrize("path", ["run", "localised.k", "lime.fills", "corpus.note"])
def test_nested_repetitions_are_refused_at_once(path):
    held = []
    held.append(held)
    for value in (bomb(), bomb(3000, 4), held, {"a": {"b": bomb()}}, ["x" * 60_000] * 900, 10**5000):
        began = time.monotonic()
        config = copy.deepcopy(DEFAULT)
        *parents, last = path.split(".")
        (config[parents[0]] if parents else config)[last] = value
        assert "make its lists and texts shorter" in message_of(config)
        assert time.monotonic() - began < 5


# --- Files


def refused(path):
    with pytest.raises(ConfigError) as caught:
        check_files([path])
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))
    return message


def test_the_repository_s_files_are_read_as_yaml_reads_them():
    paths = sorted((ROOT / "config").glob("*.yaml"))
    check_files(paths)
    for path in paths:
        assert read(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 0\nlime: {n_time: 5}\nseed: 1\n", "line 3 of {path} holds the key 'seed' a second time: leave one"),
        ("lime:\n  n_time: 5\n  n_band: 4\n  'n_time': 6\n", "line 4 of {path} holds the key 'n_time' a second time"),
        ("a: &x {b: 1}\nc: [{d: 1, d: 2}]\n", "line 2 of {path} holds the key 'd' a second time"),
        ('{"seed": 0, "lime": {"a": 1, "a": 2}}', "{path} holds the key 'a' twice"),
        ("1: 2\n", "line 1 of {path} has the key 1, which YAML takes for a number: keys are words"),
        ("seed: 0\non: 2\n", "line 2 of {path} has the key on, which YAML takes for true or false"),
        ("? [1, 2]\n: 3\n", "line 1 of {path} has the key [...], which YAML takes for no word"),
        ("~: 3\n", "which YAML takes for nothing"),
        ("", "{path} holds no keys: write lines such as seed: 0"),
        ("# nothing\n", "{path} holds no keys"),
        ("- seed\n", "{path} holds no keys"),
        ("just words", "{path} holds no keys"),
        ("[1, 2]", "{path} holds no keys"),
        ("3", "{path} holds no keys"),
        ("seed: [1\n", "{path} is no YAML in line"),
        ("seed:\t- 1\n\tx: 3", "{path} is no YAML in line"),
        ("a: 1\n---\nb: 2\n", "{path} is no YAML in line 2"),
        ("seed: *nowhere\n", "{path} is no YAML in line 1"),
        ("seed: \x07\n", "{path} is no YAML"),
        ("run: !!python/object/apply:os.system [true]\n", "{path} is no YAML in line 1"),
        ("seed: " + "1" * 5000 + "\n", "{path} holds a value that cannot be read"),
        ("seed: 2024-13-45\n", "{path} holds a value that cannot be read"),
        ("a: " + "[" * 5000, "more than 10000 values or 20 levels"),
        ("a: " + "[" * 5000 + "]" * 5000, "more than 10000 values or 20 levels"),
        ('{"a": ' * 5000 + "1" + "}" * 5000, "more than 10000 values or 20 levels"),
        ("a: &a [*a]\n", "more than 10000 values or 20 levels"),
        ("a: [" + "1, " * 20_000 + "1]\n", "more than 10000 values or 20 levels"),
        ('{"a": [' + "1, " * 20_000 + "1]}", "more than 10000 values or 20 levels"),
        ("a: " + "x" * 300_000, "{path} is larger than 256 KiB"),
    ],
    ids=lambda text: str(text)[:20].encode("unicode_escape").decode(),
)
def test_files_that_are_refused(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert said.format(path=path) in refused(path)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 15)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    began = time.monotonic()
    assert "more than 10000 values" in refused(tmp_path / "bomb.yaml")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("run: jämendo".encode("latin1"), "is no text in UTF-8"),
        ("run: mine".encode("utf-16"), "is no text in UTF-8"),
        (bytes(range(256)), "is no text in UTF-8"),
        (b"run: a\0b", "is no YAML"),
    ],
)
def test_bytes_that_are_no_text(tmp_path, content, said):
    (tmp_path / "mine.yaml").write_bytes(content)
    assert said in refused(tmp_path / "mine.yaml")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing.yaml", tmp_path, tmp_path / "pipe"):
        assert "is no configuration file" in refused(path)
    assert "cannot be read" in refused(tmp_path / ("x" * 300))


def test_what_may_be_repeated_and_merged(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("\ufeffa: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n", encoding="utf-8")
    assert read(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}
    path.write_text(json.dumps(DEFAULT, indent="\t"))
    assert read(path) == DEFAULT
