"""Configurations that run, and what is said of those that do not."""

import copy
import math
from pathlib import Path

import pytest
import yaml

from veracity.errors import ConfigError
from veracity.jobs.config import check

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
    assert over["run"] != DEFAULT["run"]  # or their results would overwrite each other


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
        ("lime.predict", "my_package.model:predict"),
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
        ("lime.predict", "no colon"),
        ("localised.k", []),
        ("tuning.waveform.eps", []),
    ],
)
def test_values_that_are_wrong_are_named_with_their_path(path, value):
    message = message_of(with_value(path, value))
    assert message.startswith(f"configuration key '{path}' is wrong: ")
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
