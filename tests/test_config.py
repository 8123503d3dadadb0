"""The model of the configuration: accepted and rejected values, messages, defaults, and generated files."""

import copy
import math
import runpy
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from workspaces import Workspace

from veracity.errors import ConfigError
from veracity.settings import child, resolved
from veracity.workflow.configuration import MODEL, check_files, checked, complete, defaults
from veracity.workflow.runs import configurations

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
OTHERS = sorted(path.name for path in (ROOT / "config").glob("*.yaml") if path.name != "config.yaml")
SCHEMA = MODEL.json_schema()


def merged(base, over):
    """Merge as Snakemake does: mappings key by key, anything else replaced."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def with_value(path, value):
    """Return the default configuration with one key set."""
    return merged(DEFAULT, nested(path, value))


def message_of(config, within=""):
    with pytest.raises(ConfigError) as caught:
        checked(config, within=within)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?")), message
    assert len(message) < 400
    return message


def error_of(call, *arguments):
    """Return the error message for a configuration, or None; any other exception is a bug."""
    try:
        call(*arguments)
    except ConfigError as error:
        message = str(error)
    else:
        return None
    assert "\n" not in message
    assert len(message) < 400
    return message


def leaves(node=SCHEMA, path=""):
    """Yield the path and the JSON schema of every key that is not a group."""
    for key, part in resolved(SCHEMA, node)["properties"].items():
        part = resolved(SCHEMA, part)
        yield from leaves(part, f"{path}{key}.") if "properties" in part else [(f"{path}{key}", part)]


LEAVES = dict(leaves())
NUMBERS = {
    path: [one for one in part.get("anyOf", [part]) if one.get("type") in ("number", "integer")]
    for path, part in LEAVES.items()
}
NUMBERS = {path: found[0] for path, found in NUMBERS.items() if found}


# --- Accepted


def test_default_file_holds_every_key_with_the_default_of_the_model():
    assert defaults() == DEFAULT
    checked(DEFAULT)


def test_other_files_are_accepted_over_the_default():
    assert {"jamendo.yaml", "jamendo_free_trained.yaml", "truth.yaml"} <= set(OTHERS)
    for name in OTHERS:
        over = yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
        checked(merged(DEFAULT, over))
        for variant in configurations(merged(DEFAULT, over)).values():
            checked({**variant, "run": "variant"})
        # Otherwise their results would overwrite each other. A file with variants only adds them to the default run.
        assert over.keys() == {"variants"} or over["run"] != DEFAULT["run"]
    check_files(sorted((ROOT / "config").glob("*.yaml")))


def test_possible_values_are_accepted():
    for path, value in (
        ("corpus.folder", "/some where/jämendo"),
        ("corpus.sha256", "a" * 64),
        ("attacks.seconds", None),
        ("attacks.waveform.alpha", 2.5),
        ("attacks.waveform.eps", 1),
        ("attacks.scope", "excerpt"),
        ("detector.threshold", 0.51),
        ("device", "cuda:1"),
        ("model.predict", "my_package.model:predict"),
        ("model.threshold", "arg max"),
        ("stability.n_samples", []),
        ("detector.architecture.layers", "ismir2016"),
        ("explainers", ["lime", {"call": "occlusion", "budget": 3}]),
    ):
        checked(with_value(path, value))


def test_missing_keys_have_their_defaults():
    assert complete({}) == DEFAULT
    for path in LEAVES:
        part = copy.deepcopy(DEFAULT)
        *parents, last = path.split(".")
        place = part
        for key in parents:
            place = place[key]
        del place[last]
        assert complete(part) == DEFAULT, path
        assert checked(part) == checked(DEFAULT), path
    assert complete({"lime": {"n_time": 4}, "seed": 3}) == merged(DEFAULT, {"lime": {"n_time": 4}, "seed": 3})


def test_checking_changes_nothing():
    config = copy.deepcopy(DEFAULT)
    checked(config)
    complete(config)["lime"]["n_time"] = 9
    assert config == DEFAULT


# --- Refused


IMPOSSIBLE = {
    "wrong type": [
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
        ("model.threshold", "best"),
        ("explainers.1", ["lime", 5]),
        ("variants.a", {"a": 5}),
    ],
    "out of range": [
        ("attacks.waveform.eps", 0),
        ("attacks.waveform.eps", -0.01),
        ("attacks.waveform.eps", 2.1),
        ("attacks.waveform.max_updates", 0),
        ("attacks.seconds", 2),
        ("seed", -1),
        ("seed", 10**30),
        ("detector.threshold", 1),
        ("detector.threshold", 0.0),
        ("model.threshold", 7),
        ("detector.training.stretch", 1),
        ("detector.training.stretch", 0.999999),
        ("detector.training.n_updates", 0),
        ("detector.training.n_updates", 10**15),
        ("detector.training.learning_rate", 1e30),
        ("detector.training.batch", 10**9),
        ("detector.training.decay", 2),
        ("detector.training.filter_db", 1e300),
        ("corpus.synthetic.seconds", 3),
        ("corpus.synthetic.n_train", 0),
        ("excerpts.per_direction", 0),
        ("excerpts.per_direction", 10**12),
        ("lime.n_samples", 1),
        ("lime.kernel_width", 0),
        ("lime.alpha", 1e300),
        ("frontend.floor", 1e30),
        ("frontend.floor", 1e-300),
        ("frontend.frame_samples", 10**9),
        ("frontend.n_mels", 10**6),
        ("frontend.excerpt_frames", 10**7),
        ("attacks.waveform.alpha", 1e300),
        ("attacks.waveform.eta", 1e-300),
        ("controls.shortcut.learning_rate", 0),
        ("stability.n_repeats", 10**12),
        ("tuning.waveform.eps.1", [0.005, 100]),
        ("localised.k.1", [1, 0, 5]),
        ("detector.training.targets.0", [-0.1, 0.98]),
    ],
    "not a finite number": [("attacks.waveform.eps", math.nan), ("attacks.waveform.eta", math.inf)],
    "unknown value": [
        ("attacks.spectrogram.update_rule", "sgd"),
        ("detector.architecture.layers", "ismir2021"),
        ("corpus.kind", "jamendo"),
        ("lime.fill", "median"),
        ("lime.fills.2", ["mean", "zero", "max"]),
        ("truth.score", "accuracy"),
    ],
    "too few values": [
        ("attacks.splits", []),
        ("localised.k", []),
        ("tuning.waveform.eps", []),
        ("explainers", []),
        ("detector.training.targets", [0.02]),
    ],
    "too long": [("run", "x" * 300), ("corpus.note", "x" * 501), ("detector.training.targets", [0, 1, 1])],
    "repeated value": [
        ("attacks.splits", ["test", "test"]),
        ("tuning.waveform.eps", [0.1, 0.1]),
        ("drawings.shapes", ["horse", "horse"]),
    ],
    "empty": [("detector.checkpoint", ""), ("drawings.folder", ""), ("corpus.folder", "")],
    "invalid value": [
        ("run", "../elsewhere"),
        ("run", ""),
        ("run", "mine\n"),
        ("device", "gpu"),
        ("device", "cpu\n"),
        ("corpus.sha256", "abc"),
        ("corpus.sha256", "a" * 64 + "\n"),
        ("model.predict", "no colon"),
        ("model.predict", "a..b:c"),
        ("model.predict", "module:predict\n"),
        ("controls.names.0", ["grid_0x3"]),
        ("truth.tested.0", ["Lime"]),
        ("variants.A", {"A": {"seed": 1}}),
        ("variants.a__b", {"a__b": {"seed": 1}}),
    ],
}


def test_impossible_values_are_refused_with_path_problem_value_and_cure():
    for problem, cases in IMPOSSIBLE.items():
        for path, value in cases:
            key = path.rpartition(".")[0] if path.rpartition(".")[2].isdigit() or path.startswith("variants") else path
            message = message_of(with_value(key, value))
            assert message.startswith(f"{path}: {problem}, got "), message


def test_numbers_are_finite_numbers_within_their_bounds():
    for path, part in NUMBERS.items():
        whole = part["type"] == "integer"
        values = [math.nan, math.inf, -math.inf, "1", "x", True, [], {}] + ([2.0, 2.5] if whole else [])
        values += [part[bound] for bound in ("exclusiveMinimum", "exclusiveMaximum") if bound in part]
        for bound, sign in (("minimum", -1), ("maximum", 1)):
            if bound in part:
                beyond = part[bound] + sign * (1 if whole else max(1e-300, abs(part[bound]) * 1e-9))
                values.append(beyond)
                # It may be incompatible with another key, but is within its own range.
                assert "out of range" not in str(error_of(checked, with_value(path, part[bound]))), (path, bound)
        for value in values:
            assert message_of(with_value(path, value)).startswith(f"{path}: "), (path, value)


def test_unknown_keys_are_refused_with_the_nearest_known_one():
    for path, cure in {
        "atacks": "Did you mean 'attacks'?",
        "attacks.waveform.epss": "Did you mean 'eps'?",
        "lime.n_sample": "Did you mean 'n_samples'?",
        "detector.training.lerning_rate": "Did you mean 'learning_rate'?",
        "corpus.synthetic.sample_rate": "Choose from n_train, n_valid, n_test, seconds.",
        "lime.zzz": "Choose from n_time, n_band, n_samples",
    }.items():
        assert message_of(with_value(path, 1)).startswith(f"{path}: unknown key. {cure}")
    for group in {path.rpartition(".")[0] for path in LEAVES}:
        unknown = f"{group}.qqqq".lstrip(".")
        assert message_of(with_value(unknown, 1)).startswith(f"{unknown}: unknown key. ")


def test_keys_that_are_not_words_or_too_long_are_refused_in_a_few_letters():
    for group in ("lime", "attacks"):
        for key in (1, 1.5, True, None, (1, 2), "x" * 100_000, "a\nb"):
            assert ": unknown key. Choose from " in message_of(merged(DEFAULT, {group: {key: 3}}))


def test_variants_are_named_before_their_keys():
    config = with_value("lime.n_time", 0)
    assert message_of(config, within="variants.a").startswith("variants.a.lime.n_time: out of range, got 0. ")
    assert message_of(with_value("lime.n_tim", 4), within="variants.a").startswith("variants.a.lime.n_tim: unknown key. ")
    assert message_of(with_value("frontend.f_min", 9000), within="variants.a").startswith(
        "variants.a.frontend.f_min: must be below"
    )


def test_of_several_errors_the_first_in_the_order_of_the_file_is_reported():
    config = with_value("lime.n_samples", 0)
    config["attacks"]["waveform"]["eps"] = -1
    config["drawings"] = 3
    assert {message_of(config) for _ in range(5)} == {message_of(with_value("attacks.waveform.eps", -1))}


# --- In words


def test_messages_end_with_the_cure():
    for path, value, cure in (
        ("frontend.floor", "1e-7", "Write 1.0e-7, because YAML reads 1e-7 as text."),
        ("frontend.floor", "2.5E-7", "Write 2.5e-7, because"),
        ("attacks.waveform.alpha", "1e3", "Write 1000, because"),
        ("attacks.waveform.eps", "0.01", "got '0.01'. Write 0.01 without quotation marks, and use --configfile"),
        ("lime.n_samples", "8192", "Write 8192 without quotation marks, and use --configfile with a file, because values"),
        (
            "lime.exact",
            "false",
            "Write false without quotation marks, and use --configfile with a file, because values in braces",
        ),
        (
            "attacks.seconds",
            "null",
            "Write null without quotation marks, and use --configfile with a file, because values",
        ),
        ("lime.n_samples", 8192.0, "got 8192.0. Write 8192."),
        ("lime.n_samples", "many", "got 'many'. Give a whole number of at least 2."),
        ("lime.exact", "yes", "got 'yes'. Give true or false."),
        ("run", 2024, "Put 2024 in quotation marks, or give letters, digits, _, . and -, starting with a letter or digit."),
        ("lime.fill", "mode", "Give mean, zero or min."),
        ("lime.fill", "mena", "Give mean, zero or min (did you mean 'mean'?)."),
        ("detector.threshold", 1, "Give a number above 0 and below 1 or null."),
        ("detector.training.batch", 1, "Give a whole number from 2 to 10000."),
        ("run", "a b", "Give letters, digits, _, . and -, starting with a letter or digit."),
        ("detector.checkpoint", "", "Give a path or null."),
        ("localised.k", [], "Give a list of one or more distinct values, each a whole number of at least 1."),
        ("detector.training.targets", [0.02], "Give a list of 2 values, each a number from 0 to 1."),
        ("model.threshold", "best", "Give a number from 1.0e-6 to 0.999999, arg max or null."),
        (
            "variants",
            {"A": {}},
            "Give names of lower-case letters, digits and single underscores, each with the keys that differ.",
        ),
        ("lime", 5, "Give a mapping with the keys n_time, n_band,"),
    ):
        assert cure in message_of(with_value(path, value)), (path, value)


def test_number_that_is_proposed_is_one_for_yaml():
    for text in ("1e-7", "1E5", "3e+20", "-1e-300", "12e2", "1_0e1"):
        proposed = yaml.safe_load(message_of(with_value("frontend.f_max", text)).split("Write ")[1].split(",")[0])
        assert isinstance(proposed, int | float)
        assert proposed == float(text)


def test_quoted_values_are_short():
    began = time.monotonic()
    for value in ("x" * 500_000, ["x" * 60_000] * 900, {"x" * 500_000: 1}, -(10**5000)):
        for path in ("run", "seed", "lime.fill", "localised.k", "lime"):
            config = copy.deepcopy(DEFAULT)
            *parents, last = path.split(".")
            (config[parents[0]] if parents else config)[last] = value
            message_of(config)
    assert time.monotonic() - began < 5


# --- Files


def test_key_that_stands_twice_in_a_file_is_refused_with_its_line(tmp_path):
    path = tmp_path / "mine.yaml"
    for text, line, key in (
        ("seed: 0\nlime: {n_time: 5}\nseed: 1\n", 3, "seed"),
        ("lime:\n  n_time: 5\n  n_band: 4\n  'n_time': 6\n", 4, "n_time"),
        ("a: &x {b: 1}\nc: [{d: 1, d: 2}]\n", 2, "d"),
        ('{"seed": 0,\n"lime": {"a": 1, "a": 2}}', 2, "a"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=f"mine.yaml, line {line}: duplicate key, got {key}. Remove one of them."):
            check_files([path])
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n")
    check_files([path])


def test_end_to_end_the_workflow_stops_with_the_sentence(tmp_path):
    workspace = Workspace(tmp_path)
    (tmp_path / "twice.yaml").write_text("lime:\n  n_time: 4\n  n_time: 5\n")
    for options, said in (
        (
            "--config 'lime={n_time: 4}'",
            "lime.n_time: wrong type, got '4'. Write 4 without quotation marks, and use --configfile",
        ),
        ("--configfile twice.yaml", "twice.yaml, line 3: duplicate key, got n_time. Remove one of them."),
    ):
        done = workspace.run(f"snakemake -n corpus {options}")
        assert done.returncode
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_schema_and_reference_page_are_current():
    written = runpy.run_path(str(ROOT / "docs" / "configuration.py"))
    again = "python docs/configuration.py writes them anew"
    page = written["page"]()
    assert written["PAGE"].read_text(encoding="utf-8") == page, again
    assert written["SCHEMA"].read_text(encoding="utf-8") == written["schema_text"](), again
    assert all(f"| `{path}` |" in page for path in LEAVES)


def test_schema_accepts_the_files_of_the_project_and_refuses_impossible_values():
    schema = runpy.run_path(str(ROOT / "docs" / "configuration.py"))["schema"]()
    validator = jsonschema.Draft202012Validator(schema)
    for name in ("config.yaml", *OTHERS):
        validator.validate(yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))
    for path, value in (("lime.n_time", 0), ("lime.n_tim", 4), ("device", "gpu"), ("run", "a b"), ("variants", {"A": {}})):
        assert not validator.is_valid(nested(path, value)), path
    assert child(schema, schema, "lime")
