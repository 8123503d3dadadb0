"""Controls: the cause is in the right segments, explainers find it if they can, and verdicts follow."""

import numpy as np
import pytest
import torch
from networks import flipping_excerpts, random_detector, standardised_detector

from veracity.attacks.detector import AttackedDetector
from veracity.attacks.settings import AttackSettings
from veracity.detector.checkpoints import Checkpoint
from veracity.detector.model import Detector
from veracity.detector.shortcut import ShortcutSettings, train_shortcut, with_tone
from veracity.errors import ConfigError
from veracity.experiments import controlled, explanations, flips
from veracity.experiments.controlled import Controlled
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import explainers_of
from veracity.games.grid import SegmentGrid
from veracity.games.models import explained_model
from veracity.games.shifted import ShiftedGrid
from veracity.results import controls as table_of
from veracity.results.canvas import save
from veracity.results.over_songs import Estimate
from veracity.songs.audio import load_audio
from veracity.songs.frontend import FrontEnd, log_mel
from veracity.songs.settings import band_hz, excerpt_windows, inner_start_frames, mel_filterbank
from veracity.songs.synthesis import SynthesisSettings, write_corpus

FRONTEND = FrontEnd()
GRID = SegmentGrid()
LIME = LimeSettings(n_time=3, n_band=2, n_samples=128, fills=("mean",))
SMALL = LIME.grid(115, 80)
ATTACK = AttackSettings(eps=10.0, eta=0.3, alpha=3000.0, max_updates=12)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Return the audio of three songs of the embedded corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, SynthesisSettings(n_train=3, n_valid=0, n_test=0, seconds=8), seed=0)
    return [load_audio(path, sample_rate=FRONTEND.sample_rate) for path in sorted(folder.rglob("*.flac"))]


@pytest.fixture(scope="module")
def random_start(songs):
    """Return a detector with random weights that standardises these songs, and a threshold between its predictions."""
    return standardised_detector(songs[0], seed=1)


def tabled(items, **changes):
    """Return the table of controls of some artefacts."""
    return table_of.table(table_of.scores(items), **{"seed": 0, "margin": 0.2} | changes)


# --- confined attacks -------------------------------------------------------------------------------------------------


def test_allowed_bins_are_heard_in_the_segments_alone():
    segments = np.zeros(20, dtype=bool)
    segments[[1, 10]] = True  # time 0 band 1, time 2 band 2
    allowed = controlled.allowed_bins(segments, GRID, FRONTEND)
    magnitude = np.abs(RNG.normal(size=(115, FRONTEND.n_bins))).astype(np.float32) + 1
    changed = magnitude + allowed * np.float32(5)
    difference = (log_mel(changed, FRONTEND) - log_mel(magnitude, FRONTEND)).numpy()
    inside = segments[GRID.segment_map()]
    assert np.abs(difference[~inside]).max() == 0
    heard = (mel_filterbank(FRONTEND) > 0)[:, 20:40].any(axis=1)
    assert 0.8 * heard.sum() < allowed[0].sum() <= heard.sum()
    assert (np.abs(difference[inside]) > 0.5).mean() > 0.9


def test_a_confined_attack_changes_its_segments_alone_and_flips(songs, random_start):
    detector, threshold = random_start
    numbers = {"n_segments": 2, "candidates": 6, "per_direction": 3}

    def confined(**changes):
        attacked = AttackedDetector(detector, detector.frontend, threshold)
        return controlled.confined_case(songs[0], attacked, SMALL, ATTACK, **numbers | changes, rng=np.random.default_rng(0))

    case = confined()
    assert case.n_tried == 6
    assert len(case.excerpts.original) > 0
    assert case.cause.sum(axis=1).tolist() == [2] * len(case.cause)
    model = explained_model(detector, SMALL)
    asked = explainers_of(["lime", "constant", "occlusion"])
    found = controlled.compute("confined", case, model, asked, LIME, SMALL, seed=0, song="a")
    assert found.outside.max() == 0
    names = list(zip(found.explainers, found.fills, strict=True))
    assert names[:5] == [("norm", ""), ("lime", "mean"), ("lime_exact", "mean"), ("shapley", "mean"), ("shapley", "clean")]
    np.testing.assert_array_equal(found.recall[0], 1)  # the norm of a perturbation that is zero elsewhere
    assert found.reads_model.tolist() == [False, True, True, True, True, False, True]
    more = controlled.compute(
        "confined", case, model, explainers_of(["lime", "energy", "random_order", "constant"]), LIME, SMALL, seed=0, song="a"
    )
    row = list(more.explainers).index("constant")  # other evaluated explainers change nothing
    np.testing.assert_array_equal(more.recall[row], found.recall[names.index(("constant", "mean"))])
    again = confined()
    np.testing.assert_array_equal(again.excerpts.adversarial, case.excerpts.adversarial)
    with pytest.raises(ConfigError, match=r"controls.confined.segments: must be from 1 to 6, got 7\."):
        confined(n_segments=7)


def test_a_song_too_short_for_an_inner_excerpt_gives_an_empty_case():
    detector = random_detector(seed=1)
    short = np.zeros(115 * 315, dtype=np.float32)
    numbers, attacked = {"candidates": 2, "rng": RNG}, AttackedDetector(detector, detector.frontend, 0.5)
    trained = Checkpoint(detector, threshold=0.5)
    cases = [
        controlled.confined_case(short, attacked, SMALL, ATTACK, n_segments=1, per_direction=1, **numbers),
        controlled.shortcut_case(short, trained, SMALL, ShortcutSettings(), largest=2, **numbers),
    ]
    for case in cases:
        found = controlled.compute("shortcut", case, explained_model(detector, SMALL), [], LIME, SMALL, seed=0, song="a")
        assert found.recall.shape == (5, 0)
        table = tabled([("a", "waveform", found)])
        assert table[table.expected != ""].verdict.tolist() == ["undetermined"] * 5
        assert table.chance.isna().all()


# --- the shortcut -----------------------------------------------------------------------------------------------------


def test_the_tone_lies_where_and_as_loud_as_asked(songs):
    shortcut = ShortcutSettings(mel=50, seconds=0.2, level_db=6.0)
    windows = excerpt_windows(songs[0], np.array([10, 200]), FRONTEND)
    onsets = np.array([3000, 20000])
    tone = with_tone(windows, onsets, shortcut, FRONTEND) - windows
    n = shortcut.n_samples(FRONTEND)
    for one, window, onset in zip(tone, windows, onsets, strict=True):
        assert np.flatnonzero(np.abs(one) > 1e-6)[[0, -1]] == pytest.approx([onset, onset + n], abs=60)
        level = 20 * np.log10(np.sqrt((one[onset : onset + n] ** 2).mean() / (window**2).mean()))
        assert level == pytest.approx(6.0, abs=0.1)
        spectrum = np.abs(np.fft.rfft(one[onset : onset + n]))
        peak = spectrum.argmax() * FRONTEND.sample_rate / n
        assert peak == pytest.approx(band_hz(FRONTEND)[50], abs=10)


@pytest.mark.slow
def test_shortcut_is_found_only_by_explainers_that_use_the_model(songs, random_start):
    """An explainer that does not use the model does not find the tone."""
    shortcut = ShortcutSettings(level_db=12.0, n_updates=40, batch=12, learning_rate=0.003)
    torch.manual_seed(0)
    detector = Detector()
    detector.freq_norm.load_state_dict(random_start[0].freq_norm.state_dict())
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    trained = train_shortcut(detector, songs[:2], shortcut, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in detector.state_dict().items())  # a copy is taught
    items = []
    asked = explainers_of(["lime", "occlusion", "constant"])
    model, settings = explained_model(trained, GRID), LimeSettings(n_samples=512, fills=("mean",))
    for i in range(5):  # parts of an unseen song
        audio = songs[2][i * 22050 : i * 22050 + 4 * 22050]
        rng = np.random.default_rng(i)
        case = controlled.shortcut_case(audio, trained, GRID, shortcut, candidates=6, largest=2, rng=rng)
        found = controlled.compute("shortcut", case, model, asked, settings, GRID, seed=0, song=f"part-{i}")
        assert len(found.original) == 2
        items.append((f"part-{i}", "waveform", found))
    table = tabled(items).set_index(["explainer", "fill"])
    assert 0 < table.loc["", ""]["mean"] < 3  # side lobes in quiet bands
    table = table[table.score == table_of.RECALL]
    seen = table.loc[[("lime", "mean"), ("lime_exact", "mean"), ("occlusion", "mean"), ("shapley", "clean"), ("norm", "")]]
    assert (seen["mean"] > 0.8).all()
    assert (seen.verdict == "as expected").all()
    blind = table.loc["constant", "mean"]
    assert blind["mean"] < 0.35
    assert blind.expected == "chance"
    assert blind.verdict in ("as expected", "undetermined")
    failing = table_of.verdict_of(Estimate(0.05, 0.0, 0.15, 5), "above chance", 0.05, 0.2)
    assert failing == "undetermined"  # the verdict if it were expected to use the model
    assert table.chance.tolist() == pytest.approx([0.05] * len(table))


def test_shortcut_longer_than_a_segment_is_refused():
    with pytest.raises(ConfigError, match=r"controls.shortcut.mel: must be below frontend.n_mels 80, got 80"):
        ShortcutSettings(mel=80).n_samples(FRONTEND)
    with pytest.raises(
        ConfigError,
        match=r"controls.shortcut.seconds: tone and overlapping windows must fit in one segment, got 2\. Give at most 1\.5",
    ):
        ShortcutSettings(seconds=2).n_samples(FRONTEND)
    assert ShortcutSettings().n_samples(FRONTEND, n_time=5) == 4410
    with pytest.raises(ConfigError, match=r"lower lime.n_time"):
        ShortcutSettings().n_samples(FRONTEND, n_time=10)
    with pytest.raises(ConfigError, match=r"all training songs are shorter than an excerpt"):
        train_shortcut(random_detector(), [np.zeros(100, dtype=np.float32)], ShortcutSettings(), seed=0)


# --- random weights, other grids --------------------------------------------------------------------------------------


def test_random_weights_are_others_and_are_scored_against_the_trained_ones_truth():
    detector = random_detector(seed=3)
    network = detector.network()
    other = controlled.untrained(detector, seed=0, song="a")
    assert not torch.equal(controlled.untrained(detector, seed=0, song="b").conv1.weight, other.conv1.weight)
    assert torch.equal(other.freq_norm.running_mean, detector.freq_norm.running_mean)
    assert not torch.equal(other.conv1.weight, detector.conv1.weight)
    assert torch.equal(controlled.untrained(detector, seed=0, song="a").conv1.weight, other.conv1.weight)
    excerpts, model = flipping_excerpts(network), explained_model(network, SMALL)
    explained = explanations.compute(excerpts, model, LIME, seed=0, song="a")
    flipped = flips.compute(excerpts, explained, model, LIME, seed=0, song="a")
    case = controlled.study_case(excerpts, 1, SMALL.n_segments, flipped)
    assert case.excerpts.start_frame.tolist() == [0, 2]
    of_trained = controlled.compute("x", case, model, [], LIME, SMALL, seed=0, song="a")
    own = controlled.study_case(excerpts, 1, SMALL.n_segments)
    by_itself = controlled.compute("x", own, model, [], LIME, SMALL, seed=0, song="a")
    np.testing.assert_array_equal(of_trained.aufc_normalised, by_itself.aufc_normalised)
    np.testing.assert_array_equal(of_trained.recall, np.nan)
    untrained = explained_model(other.network(), SMALL)
    found = controlled.compute("random_weights", case, untrained, [], LIME, SMALL, seed=0, song="a")
    np.testing.assert_array_equal(found.aufc_normalised[0], of_trained.aufc_normalised[0])  # the norm sees no model
    assert not np.array_equal(found.aufc_normalised[-1], of_trained.aufc_normalised[-1])


def test_borders_of_a_shifted_grid_lie_half_a_segment_later():
    grid = ShiftedGrid(5, 4, 115, 80)
    assert np.bincount(grid.time_of_frame).tolist() == [35, 23, 23, 23, 11]
    assert np.bincount(grid.band_of_mel).tolist() == [30, 20, 20, 10]
    assert np.unique(grid.segment_map()).tolist() == list(range(20))
    assert ShiftedGrid(1, 1, 7, 5).segment_map().max() == 0


@pytest.mark.parametrize(
    ("control", "grid"),
    [
        ("confined", SegmentGrid()),
        ("grid_shifted", ShiftedGrid()),
        ("grid_10x2", SegmentGrid(10, 2)),
        ("grid_4x5", SegmentGrid(4, 5)),
    ],
)
def test_controls_name_their_grid(control, grid):
    found = controlled.grid_of(control, LimeSettings(), 115, 80)
    assert found == grid
    assert type(found) is type(grid)


# --- expectations and verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "explainer", "fill", "privileged", "reads", "expected"),
    [
        ("confined", "norm", "", True, False, "1"),
        ("confined", "shapley", "clean", True, True, "above chance"),
        ("confined", "lime", "mean", False, True, ""),
        ("confined", "constant", "mean", False, False, "chance"),
        ("shortcut", "lime", "mean", False, True, "above chance"),
        ("shortcut", "energy", "mean", False, False, ""),
        ("shortcut", "random_order", "mean", False, False, "chance"),
        ("random_weights", "lime", "mean", False, True, "chance"),
        ("random_weights", "shapley", "clean", True, True, ""),
        ("grid_4x5", "lime", "mean", False, True, ""),
    ],
)
def test_what_is_expected(control, explainer, fill, privileged, reads, expected):
    assert table_of.expected_of(control, explainer, fill, privileged=privileged, reads_model=reads) == expected


def made(control, recall, outside=0.0):
    """Return the results of a control for one song: the norm, LIME, Shapley values of both games, a constant."""
    who = [("norm", "", True, 0), ("lime", "mean", False, 9), ("shapley", "mean", False, 64), ("shapley", "clean", True, 64)]
    who.append(("constant", "mean", False, 0))
    values = np.array(recall, dtype=float)[:, None]
    return Controlled(
        control=control,
        explainers=np.array([one[0] for one in who]),
        fills=np.array([one[1] for one in who]),
        privileged=np.array([one[2] for one in who]),
        reads_model=np.array([one[3] > 0 for one in who]),
        original=np.array(["nosing"]),
        n_tried=4,
        cause=np.eye(6, dtype=bool)[:1],
        outside=np.array([outside]),
        recall=values,
        aufc_normalised=values,
    )


def test_tables_by_hand(tmp_path):
    songs = [[1, 0.9, 0.8, 1, 0.1], [1, 0.8, 0.9, 1, 0.2], [1, 0.7, 0.7, 1, 0.3]]
    items = [(f"s{i}", "spectrogram", made("confined", one)) for i, one in enumerate(songs)]
    items += [(f"s{i}", "waveform", made("random_weights", [1, x, x, 1, x])) for i, x in enumerate((-0.02, 0.01, 0.02))]
    items += [(f"s{i}", "waveform", made("grid_4x5", one)) for i, one in enumerate(songs)]
    found = table_of.scores(items)
    table = table_of.table(found, seed=0, margin=0.3, left_out={"shortcut": "no training songs"})
    of = {(row.control, row.explainer, row.fill, row.score): row for row in table.itertuples()}
    recall, area = table_of.RECALL, table_of.AREA
    assert of["confined", "norm", "", recall].verdict == "as expected"
    assert of["confined", "shapley", "clean", recall].verdict == "undetermined"  # three songs agree: no interval
    assert of["confined", "lime", "mean", recall].verdict == ""
    constant = of["confined", "constant", "mean", recall]
    assert (constant.mean, constant.chance, constant.verdict) == (pytest.approx(0.2), pytest.approx(1 / 6), "as expected")
    assert constant.low == 0  # clipped to the range of a recall
    assert of["confined", "", "", table_of.OUTSIDE].verdict == "as expected"
    assert of["random_weights", "lime", "mean", area].verdict == "as expected"
    question = of["grid_4x5", "", "", table_of.QUESTION]
    assert question.mean == pytest.approx(0.2)
    assert question.verdict == "undetermined"  # 0.2, 0.1 and 0.3: with three songs, not distinguishable from 0
    save(table_of.plot(table, found, margin=0.3, footnote="note"), tmp_path / "controls.png")
    shown = table_of.page(table)
    assert shown.verdict.iloc[-1] == "left out: no training songs"
    leaking = [(f"s{i}", "spectrogram", made("confined", one, outside=0.5)) for i, one in enumerate(songs)]
    worse = tabled(leaking)
    assert worse[worse.score == table_of.OUTSIDE].verdict.tolist() == ["not as expected"]
    wrong = [(f"s{i}", "spectrogram", made("confined", [0.5, *one[1:4], 0.9 + i / 100])) for i, one in enumerate(songs)]
    worse = tabled(wrong).set_index(["explainer", "fill"])
    assert worse.loc[[("norm", ""), ("constant", "mean")]].verdict.tolist() == ["not as expected"] * 2


@pytest.mark.parametrize(
    ("mean", "low", "high", "n", "expected", "verdict"),
    [
        (0.1, 0.02, 0.2, 9, "chance", "as expected"),
        (0.4, -0.5, 1.3, 3, "chance", "undetermined"),
        (0.4, 0.3, 0.5, 9, "chance", "not as expected"),
        (0.12, 0.11, 0.13, 9, "chance", "as expected"),  # above it, and within the margin
        (0.4, 0.3, 0.5, 9, "above chance", "as expected"),
        (0.2, -0.1, 0.5, 3, "above chance", "undetermined"),
        (-0.2, -0.3, 0.0, 9, "above chance", "not as expected"),
        (1.0, np.nan, np.nan, 5, "above chance", "as expected"),
        (1.0, np.nan, np.nan, 4, "above chance", "undetermined"),
        (0.0, np.nan, np.nan, 5, "chance", "as expected"),
        (np.nan, np.nan, np.nan, 0, "chance", "undetermined"),
        (np.nan, np.nan, np.nan, 0, "1", "undetermined"),
        (0.99, 0.9, 1.0, 9, "1", "not as expected"),
        (0.5, 0.4, 0.6, 9, "", ""),
    ],
)
def test_verdicts_by_hand(mean, low, high, n, expected, verdict):
    assert table_of.verdict_of(Estimate(mean, low, high, n), expected, 0.05, 0.2) == verdict


def test_nothing_to_show_is_said(tmp_path):
    found = table_of.scores([])
    empty = table_of.table(found, seed=0, margin=0.2)
    figure = table_of.plot(empty, found, margin=0.2, footnote="note")
    save(figure, tmp_path / "controls.png")
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert words == ["no controls except grids", "no other grid"]
    assert len(table_of.page(empty)) == 0


def test_excerpts_begin_inside_the_song(songs):
    starts = inner_start_frames(len(songs[0]), FRONTEND)
    assert excerpt_windows(songs[0], starts[[0, -1]], FRONTEND).shape[0] == 2
