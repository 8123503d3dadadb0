"""Exact tables of custom networks: detection of feed-forward networks, and correctness of their tables."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from veracity.classifiers.adapters import MelClassifier
from veracity.classifiers.protocol import ARG_MAX, OneLabel
from veracity.errors import ConfigError
from veracity.games.evaluators import DirectEvaluator
from veracity.games.game import Game
from veracity.games.grid import SegmentGrid
from veracity.games.models import explained_classifier
from veracity.games.table_plans import plan_tables
from veracity.games.tables import TableEvaluator
from veracity.games.traced_modules import feedforward_of_module
from veracity.songs.settings import FrontEnd

FRAMES, BANDS = 50, 40


def settled(module):
    """Give batch norms non-trivial statistics, and activations both signs."""
    torch.manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            part.weight.data.normal_()
            part.bias.data.normal_()
    return module.eval().double().requires_grad_(False)


class Traced(nn.Module):
    """Networks as users write them: padding, functional style, frequency first, several labels."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.linspace(-1, 1, BANDS))
        self.norm = nn.BatchNorm2d(1)
        self.first = nn.Conv2d(1, 6, 3, padding=1, stride=(2, 1))
        self.second = nn.Conv2d(6, 8, 3, padding="same")
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = ((x - self.mean) / 2.0).transpose(1, 2).unsqueeze(1)
        x = functional.relu(self.first(self.norm(x)))
        x = functional.max_pool2d(x, 2)
        x = functional.dropout(functional.silu(self.second(x)), 0.5, self.training)
        x = functional.avg_pool2d(x, (2, 3)).mean(dim=(2, 3))
        return self.out(x.view(x.size(0), -1))


def same_padding():
    return nn.Sequential(
        nn.Unflatten(1, (1, FRAMES)),
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.BatchNorm2d(5),
        nn.MaxPool2d((3, 2)),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(5 * 8 * 10, 7),
        nn.Sigmoid(),
        nn.Linear(7, 1),
    )


def deep():
    parts = [nn.Unflatten(1, (1, FRAMES))]
    for n_in, n_out in [(1, 3), (3, 4)]:
        parts += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.SiLU(), nn.MaxPool2d(3, stride=2, padding=1)]
    parts += [nn.Conv2d(4, 2, (3, 1), padding=(1, 0)), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(2 * 13 * 10, 6), nn.ReLU(), nn.Linear(6, 1))


def global_average():
    return nn.Sequential(
        nn.Unflatten(1, (1, FRAMES)),
        nn.Conv2d(1, 4, 5),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3, dilation=2),
        nn.ELU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.LayerNorm(48),  # after the sum, any operation is allowed
        nn.Linear(48, 1),
    )


def fully_convolutional():
    return nn.Sequential(
        nn.Unflatten(1, (1, FRAMES)),
        nn.Conv2d(1, 4, 3, groups=1),
        nn.ReLU(),
        nn.AvgPool2d(2, padding=1),
        nn.Conv2d(4, 2, 3, padding=(2, 1)),
        nn.Tanh(),
        nn.Conv2d(2, 1, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def dense_alone():
    return nn.Sequential(nn.Flatten(), nn.Linear(FRAMES * BANDS, 9), nn.ReLU(), nn.Linear(9, 1))


def game(grid, seed=0):
    rng = np.random.default_rng(seed)
    return Game(*(torch.as_tensor(rng.standard_normal((FRAMES, BANDS))) for _ in range(2)), grid)


@pytest.mark.parametrize("make", [Traced, same_padding, deep, global_average, fully_convolutional, dense_alone])
@pytest.mark.parametrize(("n_time", "n_band"), [(5, 4), (3, 2), (1, 1)])
def test_tables_of_a_feedforward_network_equal_the_module(make, n_time, n_band):
    module, grid = settled(make()), SegmentGrid(n_time, n_band, FRAMES, BANDS)

    def one(answer):
        return answer[:, -1] - answer[:, 0] if answer.shape[1] > 1 else answer[:, 0]

    network = feedforward_of_module(module, torch.randn(2, FRAMES, BANDS, dtype=torch.float64), one)
    plan, reason = plan_tables(network.steps, grid)
    assert plan is not None, reason
    masks = np.random.default_rng(1).random((40, grid.n_segments)) < 0.5
    direct = next(DirectEvaluator(lambda x: one(module(x))).logits([game(grid)], masks))
    assert np.std(direct) > 1e-6
    evaluator = TableEvaluator(network, plan)
    np.testing.assert_allclose(next(evaluator.logits([game(grid)], masks)), direct, atol=1e-10)
    everything = list(evaluator.logits([game(grid, 4), game(grid)]))[1]
    np.testing.assert_allclose(everything[masks @ (1 << np.arange(grid.n_segments))], direct, atol=1e-10)


def test_windows_that_take_much_memory_are_gathered_in_parts(monkeypatch):
    module, grid = settled(deep()), SegmentGrid(5, 4, FRAMES, BANDS)
    network = feedforward_of_module(module, torch.randn(2, FRAMES, BANDS, dtype=torch.float64), lambda x: x[:, 0])
    plan, _ = plan_tables(network.steps, grid)
    assert any(plan.padding)  # the neck contains a padded convolution and a padded pool
    evaluator = TableEvaluator(network, plan)
    whole = next(evaluator.logits([game(grid)]))
    monkeypatch.setattr("veracity.games.tables.MAX_WINDOW_VALUES", 1)
    np.testing.assert_allclose(next(evaluator.logits([game(grid)])), whole, atol=1e-10)


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        x = self.first(x[:, None])
        return (x + self.second(x).relu()).mean(dim=(1, 2, 3))


class Choosing(nn.Module):
    def forward(self, x):
        return x.mean(dim=(1, 2)) if x.sum() > 0 else x.amax(dim=(1, 2))


class Doubling(nn.Module):
    """Module whose result for two excerpts differs from that for one, which no chain of layers can reproduce."""

    def forward(self, x):
        return functional.relu(x[:, None].roll(1, 0)).mean(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Joined(), "add joins results"),
        (Choosing(), "torch.fx cannot trace"),
        (Doubling(), "roll"),
        (nn.Sequential(nn.GRU(BANDS, 4)), "joins results|only its last result|not a supported convolution|do not return a map"),
        (nn.Sequential(nn.LayerNorm(BANDS), nn.Flatten(), nn.Linear(FRAMES * BANDS, 1)), "LayerNorm"),
        (nn.Sequential(nn.Unflatten(1, (1, FRAMES)), nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.ReLU(),
                       nn.Flatten(), nn.Linear(4000, 1)), "pads with values other than zero"),
        (nn.Sequential(nn.Unflatten(1, (1, FRAMES)), nn.MaxPool2d(3, ceil_mode=True), nn.ReLU(), nn.Flatten(),
                       nn.Linear(238, 1)), "rounds its output size up"),
        (nn.Sequential(nn.Unflatten(1, (1, FRAMES)), nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2), nn.ReLU(), nn.Flatten(),
                       nn.Linear(3648, 1)), "InstanceNorm2d"),
        (nn.Sequential(nn.Conv1d(FRAMES, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(114, 1)), "Conv1d"),
    ],
)  # fmt: skip
def test_modules_without_feedforward_form_are_refused_with_the_operation(module, message):
    with pytest.raises(ConfigError, match=message):
        feedforward_of_module(module.eval(), torch.randn(2, FRAMES, BANDS), lambda x: x.flatten())


def classifier(module, labels=("a", "b", "c"), exclusive=False):
    return MelClassifier(
        module,
        labels=labels,
        excerpt_frames=FRAMES,
        frontend=FrontEnd(sample_rate=8000, frame_samples=512, hop_samples=160, n_mels=BANDS, f_min=50, f_max=4000),
        exclusive=exclusive,
    )


@pytest.mark.parametrize(("threshold", "exclusive"), [(0.3, False), (0.3, True), (ARG_MAX, True)])
def test_one_label_of_a_reader_s_network_gets_all_masks_by_itself(threshold, exclusive, caplog):
    one = OneLabel(classifier(settled(Traced()).float(), exclusive=exclusive), "b", threshold)
    with caplog.at_level("INFO"):
        model = explained_classifier(one, SegmentGrid(5, 4, FRAMES, BANDS))
    assert model.exact
    assert model.evaluator.name == "tables"
    assert "tables (" in caplog.text
    values = next(model.values([game(SegmentGrid(5, 4, FRAMES, BANDS)).to("cpu", torch.float32)]))
    assert values.audited(np.random.default_rng(0)) < 1e-5
    direct = explained_classifier(one, SegmentGrid(5, 4, FRAMES, BANDS), exact_tables=False)
    assert direct.evaluator.name == "direct"


def test_why_there_are_no_tables_is_logged(caplog):
    one = OneLabel(classifier(Joined(), ["x"]), "x", 0.5)
    with caplog.at_level("INFO"):
        model = explained_classifier(one, SegmentGrid(5, 4, FRAMES, BANDS))
    assert not model.exact
    assert "add joins results" in caplog.text


def test_a_module_that_fails_while_it_is_followed_is_evaluated_mask_by_mask(caplog):
    one = OneLabel(classifier(settled(same_padding()).float(), ["x"]), "x", 0.5)
    one.classifier.layers = lambda: 1 / 0
    with caplog.at_level("INFO"):
        model = explained_classifier(one, SegmentGrid(2, 2, FRAMES, BANDS))
    assert model.exact
    assert model.evaluator.name == "direct"
    assert "its layers cannot be traced (ZeroDivisionError)" in caplog.text
