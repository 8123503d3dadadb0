"""User-supplied models: import, copies of inputs, conversion or rejection of outputs, and repeated calls."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from veracity.detector.decisions import probability
from veracity.detector.predictions import predict_excerpts
from veracity.errors import ConfigError
from veracity.games.callables import callable_evaluator, callable_source, checked_probabilities
from veracity.games.game import Game
from veracity.games.grid import SegmentGrid, masks_of

GRID = SegmentGrid(3, 2, 7, 5)
EXCERPTS = np.random.default_rng(0).normal(-3, 2, (10, 7, 5)).astype(np.float32)


def random_game(seed=0):
    on, off = np.random.default_rng(seed).normal(-3, 2, (2, 7, 5)).astype(np.float32)
    return Game(torch.as_tensor(on), torch.as_tensor(off), GRID)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a user's module and return the import path of its function."""
    written = []

    def write(code, name=None):
        name = name or f"model_of_a_user_{len(written)}"
        (tmp_path / f"{name}.py").write_text(code)
        written.append(name)
        return f"{name}:p"

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if name.startswith(("model_of_a_user", "package_of_a_user")):
            del sys.modules[name]


def message_of(target, excerpts=EXCERPTS):
    with pytest.raises(ConfigError) as caught:
        predict_excerpts(excerpts, callable_evaluator(target).predict_logits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- inputs and outputs

calls = []


def sigmoid_of_level(excerpts):
    calls.append((type(excerpts), excerpts.dtype, excerpts.shape, excerpts.flags.writeable, excerpts.flags.c_contiguous))
    return 1 / (1 + np.exp(-excerpts.astype(np.float64).mean(axis=(1, 2))))


def sure(excerpts):
    return (excerpts.mean(axis=(1, 2)) > EXCERPTS.mean()).astype(int)


def test_a_user_s_model_gets_float32_arrays_and_its_probabilities_come_back():
    calls.clear()
    game = random_game()
    evaluator = callable_evaluator("test_models:sigmoid_of_level")
    (values,) = evaluator.probabilities([game])
    np.testing.assert_allclose(values, sigmoid_of_level(game.inputs(masks_of(np.arange(64), 6)).numpy()), atol=1e-12)
    assert calls[0] == (np.ndarray, np.float32, (64, 7, 5), True, True)
    (values,) = evaluator.probabilities([game.to(torch.device("cpu"), torch.float64)])
    assert calls[-1][1] == np.float32
    assert evaluator.name == "direct"
    assert "test_models:sigmoid_of_level" in evaluator.reason


def test_certain_answers_of_a_user_s_model_have_finite_logits_on_the_right_sides():
    logits = callable_evaluator("test_models:sure").predict_logits(torch.as_tensor(EXCERPTS)).numpy()
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(probability(logits), sure(EXCERPTS), atol=1e-11)


def test_an_empty_batch_is_not_asked():
    calls.clear()
    evaluator = callable_evaluator("test_models:sigmoid_of_level")
    assert evaluator.predict_logits(torch.zeros(0, 7, 5)).shape == (0,)
    (values,) = evaluator.probabilities([random_game()], np.zeros((0, 6), dtype=bool))
    assert values.shape == (0,)
    assert predict_excerpts(EXCERPTS[:0], evaluator.predict_logits).shape == (0,)
    assert calls == []


kept = []


def keeps_and_changes(excerpts):
    """Change in place the current input, and the previous input and output."""
    p = sigmoid_of_level(excerpts)
    excerpts -= excerpts.mean(axis=(1, 2), keepdims=True)
    for array in kept:
        array[...] = 0.5
    kept.extend([excerpts, p])
    return p


def test_a_user_s_model_shares_no_memory_with_us():
    kept.clear()
    clean, tensor = EXCERPTS.copy(), torch.as_tensor(EXCERPTS.copy())
    evaluator, game = callable_evaluator("test_models:keeps_and_changes"), random_game()
    on = game.on.clone()
    p = [predict_excerpts(clean, evaluator.predict_logits), probability(evaluator.predict_logits(tensor).numpy())]
    (values,) = evaluator.probabilities([game])
    for found in (clean, tensor.numpy()):
        np.testing.assert_array_equal(found, EXCERPTS)
    assert torch.equal(game.on, on)
    for found in p:
        np.testing.assert_allclose(found, sigmoid_of_level(EXCERPTS), atol=1e-12)
    np.testing.assert_allclose(values, sigmoid_of_level(game.inputs(masks_of(np.arange(64), 6)).numpy()), atol=1e-12)


buffer = np.zeros(100)


def always_the_same_buffer(excerpts):
    buffer[: len(excerpts)] = np.random.default_rng(len(calls)).random(len(excerpts))
    calls.append(None)
    return buffer[: len(excerpts)]


def test_an_answer_is_copied_before_the_next_is_asked():
    calls.clear()
    assert "the same P(sing)" in message_of("test_models:always_the_same_buffer")  # not compared with itself


# --- other types of outputs

P = np.array([0.0, 0.25, 1.0], dtype=np.float32)


@pytest.mark.parametrize(
    "answer",
    [
        P,
        P.tolist(),
        tuple(P),
        torch.as_tensor(P),
        torch.as_tensor(P).requires_grad_() * 1,
        torch.as_tensor(P, dtype=torch.bfloat16),
        torch.as_tensor(P).to_sparse().to_dense(),
        [torch.tensor(p, requires_grad=True) for p in P],
        P.astype(np.float16),
        P.astype(np.longdouble),
        np.float64(P) * (1 + 1e-7),
        np.float64(P) - 1e-9,
    ],
)
def test_what_can_be_read_as_probabilities_is(answer):
    p = checked_probabilities(answer, 3, "it")
    np.testing.assert_allclose(p, P, atol=1e-6)
    assert (type(p), p.dtype) == (np.ndarray, np.float64)
    assert p.min() >= 0
    assert p.max() <= 1
    assert not np.shares_memory(p, answer) if isinstance(answer, np.ndarray) else True


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_an_answer_on_a_gpu_is_fetched():
    answer = torch.as_tensor(P).cuda().requires_grad_() * 1
    np.testing.assert_array_equal(checked_probabilities(answer, 3, "it"), P)
    np.testing.assert_array_equal(checked_probabilities(list(answer), 3, "it"), P)


def test_one_number_for_one_excerpt_needs_no_axis():
    assert checked_probabilities(torch.tensor(0.5), 1, "it") == [0.5]
    with pytest.raises(ConfigError, match=r"one probability for each excerpt, got shape \(\) for 3 excerpts"):
        checked_probabilities(0.5, 3, "it")


class Odd:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("set weights_only=False")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("0.5", "got a str"),
        (b"0.5", "got a bytes"),
        (["0.1", "0.5", "0.9"], "got a list of type <U3"),
        ({0: 0.5}, "got a dict"),
        ({0.1, 0.5, 0.9}, "got a set"),
        ([[0.1], [0.5, 0.9], []], "got a list that is not an array"),
        ((p for p in P), "got a generator"),
        (P.astype(complex), "got a ndarray of type complex128"),
        (torch.as_tensor(P).to(torch.complex64), "got a Tensor of type complex128"),
        (torch.as_tensor(P).to("meta"), "got a Tensor that is not an array"),
        (np.ma.masked_array(P, [0, 1, 0]), "got a MaskedArray"),
        (np.array([0.1, None, 0.5]), "got a ndarray of type object"),
        (np.array(["2020", "2021", "2022"], "M8"), "got a ndarray of type datetime64"),
        (np.zeros(3, [("p", float)]), "got a ndarray of type"),
        (None, "got None"),
        (Odd(), "got a Odd that is not an array"),
        (object(), "got a object"),
        ([], r"got shape \(0,\) for 3 excerpts"),
        (P[:, None], r"got shape \(3, 1\) for 3 excerpts"),
        (P[:2], r"got shape \(2,\) for 3 excerpts"),
        (0.5, r"got shape \(\) for 3 excerpts"),
        ([0.1, math.nan, 0.2], "must return probabilities, got values from nan"),
        ([0.1, math.inf, 0.2], "must return probabilities, got values from 0.1 to inf"),
        ([0.1, 1.00001, 0.2], "must return probabilities, got values from 0.1 to 1.00001"),
        ([0.1, -0.00001, 0.2], "must return probabilities, got values from -1e-05 to 0.2"),
        ([50, 60, 70], "must return probabilities, got values from 50 to 70"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(answer, message):
    with pytest.raises(ConfigError, match=message) as caught:
        checked_probabilities(answer, 3, "it")
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


def logit_instead(excerpts):
    return np.full(len(excerpts), -2.0)


def test_a_refused_answer_names_the_model_and_the_key():
    assert message_of("test_models:logit_instead") == (
        "model.predict: 'test_models:logit_instead' must return probabilities, got values from -2 to -2. "
        "Return values from 0 to 1."
    )


# --- models in training mode

LINEAR = torch.nn.Linear(5, 1)
NETWORKS = {
    "dropout": torch.nn.Sequential(torch.nn.Dropout(0.5), LINEAR),
    "batch_statistics": torch.nn.Sequential(torch.nn.BatchNorm1d(7), LINEAR),
    "batch_statistics_of_vectors": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(35), torch.nn.Linear(35, 1)),
    "both": torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(7), LINEAR),
}


def answer_of(network):
    return lambda excerpts: network(torch.as_tensor(excerpts)).flatten(1).mean(dim=1).sigmoid()


def seeded(excerpts):
    torch.manual_seed(0)
    return dropout(excerpts)


def sorted_answers(excerpts):
    return np.sort(sigmoid_of_level(excerpts))


def less_the_mean(excerpts):
    return sigmoid_of_level(excerpts - excerpts.mean(axis=0))


dropout, batch_statistics, batch_statistics_of_vectors, both = (answer_of(network) for network in NETWORKS.values())


@pytest.mark.parametrize("name", ["dropout", "batch_statistics", "both", "seeded", "sorted_answers", "less_the_mean"])
def test_a_model_in_training_mode_is_recognised(name):
    for network in NETWORKS.values():
        network.train()
    message = message_of(f"test_models:{name}")
    assert f"test_models:{name}" in message
    assert "model.predict" in message
    assert "must return the same P(sing) for the same excerpts" in message
    assert "evaluation mode" in message
    assert "lime.evaluator" not in message


def test_a_model_that_takes_no_single_excerpt_is_told_so():
    NETWORKS["batch_statistics_of_vectors"].train()
    assert "single excerpt, too, as networks do in evaluation mode" in message_of("test_models:batch_statistics_of_vectors")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_in_evaluation_mode_is_not_refused(name):
    network = NETWORKS[name].eval()
    p = predict_excerpts(EXCERPTS, callable_evaluator(f"test_models:{name}").predict_logits)
    with torch.no_grad():
        np.testing.assert_allclose(p, answer_of(network)(EXCERPTS).numpy(), atol=1e-6)


def test_dropout_shows_with_a_single_excerpt():
    NETWORKS["dropout"].train()
    assert "in two calls" in message_of("test_models:dropout", EXCERPTS[:1])


def test_a_batch_of_equal_excerpts_or_of_one_leaves_the_question_open():
    NETWORKS["batch_statistics"].train()
    evaluator = callable_evaluator("test_models:batch_statistics")
    predict_excerpts(EXCERPTS[:1], evaluator.predict_logits)
    predict_excerpts(np.repeat(EXCERPTS[:1], 3, axis=0), evaluator.predict_logits)
    with pytest.raises(ConfigError, match="in a batch of 10 and alone"):
        predict_excerpts(EXCERPTS, evaluator.predict_logits)


def test_only_the_first_excerpts_are_asked_more_than_once():
    calls.clear()
    evaluator = callable_evaluator("test_models:sigmoid_of_level")
    for _ in range(3):
        predict_excerpts(EXCERPTS, evaluator.predict_logits)
    assert [call[2][0] for call in calls] == [10, 10, 1, 1, 1, 10, 10]


# --- Names and imports


class Model:
    pass


not_callable = 3


@pytest.mark.parametrize(
    "target",
    [
        *("", "test_models", "test_models:", ":sure", "no_such_module:f", "test_models:no_such", ".test_models:sure"),
        *("test_models:not_callable", "math:no_such", "no_such.module:f", "test_models.no_such:f", "a b:c", "os:path:join"),
    ],
)
def test_names_that_are_no_callable_give_one_sentence(target):
    with pytest.raises(ConfigError, match="Give module:callable") as caught:
        callable_evaluator(target)
    assert repr(target) in str(caught.value)
    assert "model.predict" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_returns_no_probabilities():
    assert "fails for excerpts" in message_of("test_models:Model")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def p(x) return 1", r"SyntaxError: .*line 1"),
        ("x = 1\nif x:\nx = 2", r"IndentationError: .*line 3"),
        ("import no_such_thing", r"No module named 'no_such_thing', line 1 of .*\.py\), got .*\. Fix the module, or install"),
        ("\n1 / 0", r"ZeroDivisionError: division by zero, line 2 of .*\.py\), got .*\. Fix the module"),
        ("raise ValueError('a\\nb' * 1000)", "ValueError: a ba b.*Fix the module"),
        ("raise SystemExit(0)", "SystemExit: 0, line 1"),
        ("open('no such file')", r"FileNotFoundError: .*no such file.*line 1 of .*_0\.py"),
        ("class Own(Exception):\n    pass\nraise Own()", "Own: , line 3"),
        ("\0", "null bytes"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_the_line(module, code, message):
    target = module(code)
    with pytest.raises(ConfigError, match=message) as caught:
        callable_evaluator(target)
    assert "model_of_a_user_0" in str(caught.value)
    assert "cannot be imported" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def p(x):\n    return x @ x[0, 0, :3]", r"ValueError: .*line 2 of .*\.py\)\. Fix it\."),
        ("def p(x):\n    raise SystemExit", "SystemExit: , line 2"),
        ("def p():\n    pass", r"TypeError: .*\. Fix it\."),
        ("import torch\np = torch.nn.Linear(5, 1)", r"TypeError: .*\. Fix it\."),
    ],
)
def test_a_model_that_fails_is_told_with_the_line(module, code, message):
    found = message_of(module(code))
    assert re.search(message, found), found
    assert "model.predict: 'model_of_a_user_0:p' fails for excerpts of shape (10, 7, 5)" in found


def test_the_source_of_a_model_is_found_and_nothing_imported(module, tmp_path):
    module("raise SystemExit('imported')")
    package = tmp_path / "package_of_a_user"
    for folder in (package, package / "inner", package / "without_init"):
        folder.mkdir()
        (folder / "model.py").write_text("raise SystemExit('imported')")
    for folder in (package, package / "inner"):
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
    space = tmp_path / "package_of_a_user_without_init"
    (space / "deeper").mkdir(parents=True)
    (space / "deeper" / "model.py").write_text("raise SystemExit('imported')")
    before = set(sys.modules)
    assert callable_source("model_of_a_user_0:p") == tmp_path / "model_of_a_user_0.py"
    assert callable_source("package_of_a_user:p") == package / "__init__.py"
    assert callable_source("package_of_a_user.model:p") == package / "model.py"
    assert callable_source("package_of_a_user.inner:p") == package / "inner" / "__init__.py"
    assert callable_source("package_of_a_user.inner.model:p") == package / "inner" / "model.py"
    assert callable_source("package_of_a_user.without_init.model:p") == package / "without_init" / "model.py"
    assert callable_source("package_of_a_user_without_init.deeper.model:p") == space / "deeper" / "model.py"
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "target",
    [
        *("", ":", ":p", "no_such_module:p", "no_such.module:p", "os.path.deeper:p", "sys:p", "math:p", ".a:p", "a..b:p"),
        *("test_models.deeper:p", "package_of_a_user:p", "a\0b:p", "../a:p"),
    ],
)
def test_a_model_without_source_has_none(target):
    assert callable_source(target) is None


def test_finding_a_model_loads_no_torch(tmp_path):
    (tmp_path / "model_of_a_user.py").write_text("")
    code = (
        "import sys; from veracity.games.callables import callable_source;"
        "assert callable_source('model_of_a_user:p'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
