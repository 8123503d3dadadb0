"""Explainers: their access to data and model, the methods of the built-in ones, and equal conditions for all."""

import io
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import random_detector
from torch import nn

from veracity.detector.modules import as_module
from veracity.errors import ConfigError
from veracity.experiments import attributions
from veracity.explainers import evaluate, layers, lime
from veracity.explainers.settings import READY, ExplainerSettings, explainers_of
from veracity.games import solution_concepts
from veracity.games.evaluators import DirectEvaluator
from veracity.games.explained import ExplainedModel
from veracity.games.game import Game, fill_game
from veracity.games.grid import SegmentGrid, masks_of
from veracity.games.models import explained_model

GRID = SegmentGrid(n_time=3, n_band=2)
N = GRID.n_segments
WEIGHTS = np.array([3.0, -2.0, 0.5, 0.0, 1.0, -0.25])


def linear_logits(excerpts):
    """Return the weighted sum of the means of segments, whose weights every additive method must find."""
    one_hot = torch.as_tensor(np.eye(N)[GRID.segment_map().ravel()] * WEIGHTS / (len(GRID.segment_map().ravel()) / N))
    return excerpts.double().flatten(1) @ one_hot.sum(dim=1)


@pytest.fixture(scope="module")
def linear():
    evaluator = DirectEvaluator(linear_logits)
    return ExplainedModel(evaluator, linear_logits, True, differentiable=True)


@pytest.fixture(scope="module")
def network():
    return random_detector(seed=3).network()


@pytest.fixture(scope="module")
def detector(network):
    return explained_model(network, GRID)


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    return torch.randn(115, 80) * 1.5 - 3, torch.randn(115, 80) * 1.5 - 3


def ask(explainer, model, pair, label="sing", seed=0, **settings):
    one = explainer if callable(explainer) else ExplainerSettings(explainer, **{**READY[explainer], **settings})
    rng = np.random.default_rng(seed)
    return evaluate.explain(one, model, pair[0], GRID, label, threshold=0.5, rng=rng, clean=pair[1])


@pytest.mark.parametrize("name", READY)
def test_every_ready_explainer_answers_and_stays_within_its_budget(name, detector, pair):
    answer = ask(name, detector, pair)
    assert answer.weights.shape == (N,)
    assert sorted(answer.ranking) == list(range(N))
    assert READY[name].get("budget") is None or answer.n_queries <= READY[name]["budget"]
    again = ask(name, detector, pair)
    np.testing.assert_array_equal(answer.weights, again.weights)
    np.testing.assert_array_equal(answer.ranking, again.ranking)


ADDITIVE = ["occlusion", "add_one_in", "gradient_x_difference", "integrated_gradients", "smoothgrad"]


@pytest.mark.parametrize("label", ["sing", "nosing"])
@pytest.mark.parametrize("name", ADDITIVE)
def test_additive_methods_find_the_terms_of_a_linear_model(name, label, linear, pair):
    off = pair[0].mean().expand(115, 80)
    terms = [float(linear_logits(Game(pair[0], off, GRID).inputs(np.eye(N, dtype=bool)[i : i + 1]))[0]) for i in range(N)]
    terms = np.array(terms) - float(linear_logits(off[None])[0])
    found = ask(name, linear, pair, label).weights
    np.testing.assert_allclose(found, terms if label == "sing" else -terms, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", ["probability", "logit", "decision"])
def test_exact_values_are_those_of_the_readouts(scale, detector, pair):
    (logits,) = detector.evaluator.logits([fill_game(pair[0], GRID, "mean")])
    values = {"logit": logits, "probability": 1 / (1 + np.exp(-logits.astype(float))), "decision": (logits > 0).astype(float)}
    for name in ("shapley", "banzhaf"):
        wanted = getattr(solution_concepts, name)(values[scale])
        sing, nosing = (ask(name, detector, pair, label, options={"scale": scale}).weights for label in ("sing", "nosing"))
        np.testing.assert_allclose(sing, wanted, atol=1e-6)
        np.testing.assert_allclose(nosing, -wanted, atol=1e-6)


@pytest.mark.parametrize("name", ["kernel_shap", "permutation_shap", "svarm", "kadd_shap"])
def test_sampled_shapley_values_come_near_the_exact_ones(name, detector, pair):
    exact = ask("shapley", detector, pair).weights
    sampled = ask(name, detector, pair, budget=2048).weights
    assert np.abs(sampled - exact).max() < (0.15 if name == "kadd_shap" else 0.05)  # kADD-SHAP fits a model of second order


def test_kernel_shap_is_exact_where_its_budget_holds_all_masks(detector, pair):
    exact = ask("shapley", detector, pair).weights
    np.testing.assert_allclose(ask("kernel_shap", detector, pair, budget=80).weights, exact, atol=1e-5)


def test_our_lime_and_captums_agree_on_a_linear_game(pair):
    """captum's Lime with our kernel and ridge is the same fit: its coefficients are those of `fit_sampled` on its masks."""
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import LimeBase

    torch.manual_seed(0)
    drawn = []
    weights = torch.as_tensor(WEIGHTS)

    def similarity(original, perturbed, interpretable, **_):
        drawn.append(interpretable[0].numpy().astype(bool).copy())
        return float(lime.kernel(N, 0.25)[int(interpretable.sum())])

    explainer = LimeBase(
        lambda x: x.double() @ weights,
        SkLearnRidge(alpha=1.0),
        similarity_func=similarity,
        perturb_func=lambda original, **_: (torch.rand(1, N) < 0.5).double(),
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda interpretable, original, **_: interpretable,
        to_interp_rep_transform=None,
    )
    theirs = explainer.attribute(torch.ones(1, N, dtype=torch.double), n_samples=400)[0].numpy()
    masks = np.stack(drawn)
    ours = lime.fit_sampled(masks, masks @ WEIGHTS, kernel_width=0.25, alpha=1.0).weights
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_deeplift_takes_rounding_for_what_it_is(detector, pair):
    """If the logit hardly changes, attributions that cancel have a small sum, with an error from rounding of the same size."""
    near = pair[0].mean() + 1e-4 * (pair[0] - pair[0].mean())  # and so are switched-off segments
    answer = ask("deeplift", detector, (near, pair[1]))
    assert answer.noted["completeness_error"] > layers.LARGEST_DELTA
    assert np.isfinite(answer.weights).all()


def test_deeplift_adds_up_and_grad_cam_counts_units_at_their_centres(detector, pair):
    answer = ask("deeplift", detector, pair)
    assert answer.noted["completeness_error"] < 1e-4
    from veracity.explainers.layers import _centres

    layers = [nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3), nn.MaxPool2d(3), nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)]
    np.testing.assert_array_equal(_centres(layers, 0, 33), 9 + 3 * np.arange(33))


def test_the_module_of_a_network_computes_its_logits(network, pair):
    excerpts = torch.stack(pair)
    torch.testing.assert_close(as_module(network)(excerpts), network.logits(excerpts), atol=1e-5, rtol=1e-5)


def test_the_smallest_set_of_the_perturbation_game_is_the_truth(detector, pair):
    answer = ask("smallest_set", detector, pair, fill="clean", privileged=True)
    (logits,) = detector.evaluator.logits([Game(*pair, GRID)])
    decides = logits > 0
    if decides.any():
        best = solution_concepts.smallest_flip_sets(decides)
        size = int(best[0]).bit_count()
        chosen = int((1 << answer.ranking[:size]).sum())
        assert chosen in best


@pytest.mark.parametrize("name", ["greedy_forward", "greedy_backward", "beam_search", "local_search", "random_search"])
def test_searches_find_the_one_segment_that_decides(name, linear):
    """A linear game in which segment 0 alone outweighs all others."""
    on, off = torch.ones(115, 80), torch.zeros(115, 80)
    assert ask(name, linear, (on, off)).ranking[0] == 0


# --- access of an explainer


def test_an_explainer_that_is_not_privileged_sees_no_clean_excerpt(linear, pair):
    seen = []
    ask(lambda task: seen.append(task.clean) or np.zeros(N), linear, pair)
    assert seen == [None]


def test_an_explainer_works_on_copies(linear, pair):
    before = [x.clone() for x in pair]

    def spoiling(task):
        task.excerpt.zero_()
        task.off.zero_() if not task.off.is_set_to(task.excerpt) else None
        return np.zeros(N)

    ask(spoiling, linear, (pair[0], pair[1]))
    assert all(torch.equal(x, y) for x, y in zip(before, pair, strict=True))


@pytest.mark.parametrize("way", ["values", "logits", "backward", "module"])
def test_what_goes_beyond_the_budget_is_refused_whatever_the_way(way, detector, pair):
    def greedy(task):
        if way == "values":
            task.values(np.ones((4, N), dtype=bool))
        elif way == "logits":
            task.logits(task.excerpt.expand(4, -1, -1))
        elif way == "module":
            task.module(task.excerpt.expand(4, -1, -1))
        else:
            x = task.excerpt.expand(2, -1, -1).clone().requires_grad_()
            task.logits(x).sum().backward()
        return np.zeros(N)

    import sys

    sys.modules["greedy_test"] = type(sys)("greedy_test")
    sys.modules["greedy_test"].greedy = greedy
    evaluate._found.cache_clear()
    settings = ExplainerSettings("greedy", call="greedy_test:greedy", budget=3)
    with pytest.raises(ConfigError, match=r"explainers.greedy: must not exceed its budget of 3 queries, got 4"):
        evaluate.explain(settings, detector, pair[0], GRID, "sing", threshold=0.5, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros(N + 1), "got shape"),
        (np.full(N, np.nan), "not finite"),
        (None, "numbers"),
        (["a"] * N, "numbers"),
        (np.zeros(N, dtype=complex), "numbers"),
    ],
)
def test_answers_that_are_none_are_told_with_the_name(answer, message, linear, pair):
    def strange(task):
        return answer

    with pytest.raises(ConfigError, match=f"explainers.strange: must return one number.*{message}"):
        ask(strange, linear, pair)


def test_an_explainer_that_fails_is_named_and_not_a_traceback(linear, pair):
    def failing(task):
        return 1 / 0

    with pytest.raises(ConfigError, match=r"explainers.failing: fails .ZeroDivisionError"):
        ask(failing, linear, pair)


@pytest.mark.parametrize("name", ["saliency", "integrated_gradients", "deeplift"])
def test_a_black_box_gives_no_gradients(name, pair):
    black_box = ExplainedModel(DirectEvaluator(linear_logits), linear_logits, True)
    with pytest.raises(
        ConfigError, match=f"explainers.{name}: requires gradients, but the explained model provides only predictions"
    ):
        ask(name, black_box, pair)


def test_ties_are_broken_at_random_but_by_the_seed(linear, pair):
    rankings = [tuple(ask("constant", linear, pair, seed=seed).ranking) for seed in range(8)]
    assert len(set(rankings)) > 4
    assert rankings[0] == tuple(ask("constant", linear, pair, seed=0).ranking)


def test_torchs_generator_is_seeded_by_the_question_and_left_as_it_was(linear, pair):
    torch.manual_seed(7)
    state = torch.random.get_rng_state()

    def drawing(task):
        return torch.rand(N)

    first, second = (ask(drawing, linear, pair, seed=1).weights for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(state, torch.random.get_rng_state())


# The configuration


def test_explainers_are_read_by_name_by_callable_and_by_mapping():
    found = explainers_of(["lime", "shapley", "my_module:My_Explainer", {"call": "kernel_shap", "budget": 99, "name": "few"}])
    assert [(one.name, one.budget) for one in found] == [("shapley", None), ("my_explainer", None), ("few", 99)]
    assert found[2].call == "veracity.explainers.sampling:kernel_shap"


@pytest.mark.parametrize(
    ("configured", "message"),
    [
        (["shapley"], "explainers: must contain lime, .*Add it"),
        (["lime", "shaply"], "explainers: unknown explainer, got 'shaply'.*did you mean 'shapley'"),
        (["lime", "shapley", "shapley"], "names must differ, got 'shapley' twice"),
        (["lime", {"name": "best", "call": "a:b"}], "name is reserved for tables, got 'best'"),
        (["lime", {"name": "x_positive", "call": "a:b"}], "name is reserved for tables"),
        (["lime", {"name": "best_ranking", "call": "a:b"}], "name is reserved for tables"),
        (["lime", {"name": "shapley_asked", "call": "a:b"}], "name is reserved for tables"),
        (["lime", {"name": "x", "call": "a:b", "fill": "clean"}], "explainers.x.fill: requires privileged access"),
        (["lime", {"name": "x"}], "explainers.x: must have call or stored, got neither"),
        (["lime", {"name": "x", "call": "a:b", "bugdet": 3}], "unknown key, got 'bugdet'"),
        (["lime", {"name": "x", "call": "a:b", "fill": "max"}], "explainers.x.fill: must be one of"),
        (["lime", {"name": "x", "call": "a:b", "budget": -1}], "explainers.x.budget: must be"),
        (["lime", {"name": "X y", "call": "a:b"}], "lower-case letters"),
        (["lime", {"name": "x", "call": "a:b", "options": 3}], "explainers.x.options: must be"),
        (["lime", 3], "explainers: must be names, .*, got 3"),
    ],
)
def test_what_is_no_explainer_is_refused_with_its_name(configured, message):
    with pytest.raises(ConfigError, match=message):
        explainers_of(configured)


# Stored attributions


def test_stored_attributions_are_read_and_checked(tmp_path):
    one = ExplainerSettings("mine", stored=str(tmp_path))
    (tmp_path / "waveform").mkdir()
    path = tmp_path / "waveform" / "song.npz"
    excerpts = SimpleNamespace(start_frame=np.array([3, 80]))
    with pytest.raises(ConfigError, match=r"song\.npz: attributions of the explainer 'mine' are missing"):
        attributions._stored(one, excerpts, N, "waveform", "song")
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (2 * 10**12, 20)})
    for content in (b"\x80\x04K\x01.", b"<html>", b"", huge.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"cannot be read as attributions. Write") as told:
            attributions._stored(one, excerpts, N, "waveform", "song")
        assert "pickle" not in str(told.value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.npy", huge.getvalue())
    with pytest.raises(ConfigError, match=r"cannot be read as attributions. Write"):
        attributions._stored(one, excerpts, N, "waveform", "song")
    np.savez(path, weights=np.zeros((3, N)), start_frame=excerpts.start_frame)
    with pytest.raises(ConfigError, match=r"shape .3, 6."):
        attributions._stored(one, excerpts, N, "waveform", "song")
    np.savez(path, weights=np.zeros((2, N)), start_frame=[3, 81])
    with pytest.raises(ConfigError, match=r"start_frame does not match the excerpts, got .3, 81."):
        attributions._stored(one, excerpts, N, "waveform", "song")
    np.savez(path, weights=np.arange(2 * N).reshape(2, N), start_frame=excerpts.start_frame)
    assert attributions._stored(one, excerpts, N, "waveform", "song").shape == (2, N)


def test_masks_may_be_single_rows(linear, pair):
    def single(task):
        return np.array([task.values(masks_of(np.array([1 << i]), N)[0])[0] for i in range(N)])

    assert ask(single, linear, pair).n_queries == N


@pytest.mark.parametrize(("module", "name"), [("captum.attr", "saliency"), ("shapiq", "kernel_shap")])
def test_what_an_extra_brings_is_told(monkeypatch, detector, pair, module, name):
    for one in [key for key in sys.modules if key.split(".")[0] in ("captum", "shapiq")]:
        monkeypatch.delitem(sys.modules, one)
    for one in (module, module.split(".")[0]):
        monkeypatch.setitem(sys.modules, one, None)
    with pytest.raises(ConfigError, match=rf'requires the package {module.split(".")[0]}\. Run pip install "\.\[explainers\]"'):
        evaluate.explain(name, detector, pair[0], GRID, "sing", threshold=0.5, rng=np.random.default_rng(0))


def test_a_name_that_is_none_is_told(detector, pair):
    with pytest.raises(ConfigError, match=r"explainers: unknown explainer, got 'oclusion'\..*\(did you mean 'occlusion'"):
        evaluate.explain("oclusion", detector, pair[0], GRID, "sing", threshold=0.5, rng=np.random.default_rng(0))
