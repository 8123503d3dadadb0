"""Values of masks and LIME from exact tables, compared with one forward pass for each mask as baseline."""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from measure import Row, best_seconds, capability, fixture
from plain import dense_logits

from veracity.detector.checkpoints import Checkpoint
from veracity.detector.decisions import probability
from veracity.explainers import lime
from veracity.games.evaluators import DirectEvaluator, Evaluator
from veracity.games.game import Game, fill_game
from veracity.games.grid import SegmentGrid, masks_of
from veracity.games.models import network_evaluator
from veracity.page.session import Session, Song
from veracity.songs.frontend import log_mel, magnitudes

GRID = SegmentGrid()


def explain(evaluator: Evaluator, games: Sequence[Game], masks: np.ndarray) -> list[lime.LimeFit]:
    """Explain excerpts with sampled LIME."""
    return [lime.fit_sampled(masks, values) for values in evaluator.probabilities(games, masks)]


def lime_8192(device: torch.device, quick: bool) -> Row:
    """Explain one excerpt with 8192 masks; ratio = seconds of the baseline / of veracity.

    The baseline is the published implementation: the dilated network, one mask at a time. A sample of masks is timed and
    scaled. LIME weights are compared with those from the unfolded detector's values of all masks (1024 of them if `quick`).
    """
    given = fixture(device)
    game = fill_game(given.excerpts(1)[0].to(device), GRID, "mean")
    masks = lime.sample_masks(np.random.default_rng(0), 8192, GRID.n_segments)
    evaluator = network_evaluator(given.detector.network(), GRID)
    sample = masks[: 64 if quick else 256]
    logits = []

    def one_by_one() -> None:
        logits.clear()
        with torch.inference_mode():
            logits.extend(dense_logits(given.detector, game.inputs(mask[None])[0]).cpu().numpy() for mask in sample)

    works = (lambda: explain(evaluator, [game], masks), one_by_one)
    seconds, plain = best_seconds(*works, device=device, repeats=1 if quick else 5)
    plain *= len(masks) / len(sample)
    value_gap = np.abs(probability(np.concatenate(logits)) - next(evaluator.probabilities([game], sample))).max()

    checked = masks[: 1024 if quick else 8192]
    by_tables, by_detector = (explain(e, [game], checked)[0].weights for e in (evaluator, DirectEvaluator(given.detector)))
    weight_gap = np.abs(by_tables - by_detector).max()
    detail = (
        f"goal 400x; {given.words}; baseline: {len(sample)} masks through the dilated network, one by one, scaled to 8192; "
        f"largest difference {value_gap:.1e} in P(sing) of these, {weight_gap:.1e} in LIME weights from {len(checked)} masks"
    )
    failure = "" if max(weight_gap, value_gap) <= 1e-5 else "tables and unfolded network differ by more than 1e-5"
    return Row("lime_8192", device.type, seconds, "s", plain, plain / seconds, detail, failure)


def all_masks(device: torch.device, quick: bool) -> Row:
    """Evaluate all 2**20 masks of one excerpt; ratio = seconds of direct evaluation in batches, scaled / ours."""
    given = fixture(device)
    game = fill_game(given.excerpts(1)[0].to(device), GRID, "mean")
    network = given.detector.network()
    evaluator = network_evaluator(network, GRID)
    indices = np.random.default_rng(0).integers(1 << GRID.n_segments, size=256 if quick else 1024)
    chosen, direct = masks_of(indices, GRID.n_segments), DirectEvaluator(network.logits)
    works = (lambda: next(evaluator.logits([game])), lambda: next(direct.logits([game], chosen)))
    seconds, plain = best_seconds(*works, device=device, repeats=1 if quick else 5)
    plain *= (1 << GRID.n_segments) / len(chosen)
    pair = next(evaluator.probabilities([game]))[indices], next(direct.probabilities([game], chosen))
    gap = np.abs(pair[0] - pair[1]).max()
    detail = (
        f"goal 0.5 s; {given.words}; baseline: {len(chosen)} masks in batches of {direct.batch} through the folded network, "
        f"scaled to 2^20; largest difference {gap:.1e} in P(sing)"
    )
    failure = "" if gap <= 1e-5 else "tables and direct evaluation differ by more than 1e-5"
    return Row("all_masks", device.type, seconds, "s", plain, plain / seconds, detail, failure)


def page_stroke(device: torch.device, quick: bool) -> Row:
    """Explain a drawing as the page does at the end of a stroke; baseline: a drawing that touches all segments."""
    given = fixture(device)
    session = Session(Checkpoint(given.detector, threshold=0.5))
    audio, rate = given.songs[-1], session.frontend.sample_rate
    frames = log_mel(magnitudes(torch.as_tensor(audio[: 10 * rate]), session.frontend), session.frontend).numpy()
    song = Song("a song", audio[: 10 * rate], frames, np.zeros(len(frames)))
    horse, everything = session.shape("horse", (0.5, 0.5), (0.45, 0.45)), np.ones((session.frontend.excerpt_frames, 80))
    touched = len(session.explain(song, 100, horse, 5.0)["touched"])
    works = [functools.partial(session.explain, song, 100, coverage, 5.0) for coverage in (horse, everything)]
    seconds, most = best_seconds(*works, device=device, repeats=1 if quick else 5)
    detail = (
        f"goal 0.5 s; {given.words}; P(sing), exact LIME, Shapley values and smallest sets, from all 2^20 masks; a horse on "
        f"{touched} segments; baseline: a drawing on all 20, whose sets take another 2^20 masks; {capability()}"
    )
    return Row("page_stroke", device.type, seconds, "s", most, most / seconds, detail)


def excerpts_scaling(device: torch.device, quick: bool) -> Row:
    """Explain many excerpts at once; value = seconds per excerpt, baseline = a single excerpt, ratio = baseline / value."""
    given = fixture(device)
    evaluator = network_evaluator(given.detector.network(), GRID)
    masks = lime.sample_masks(np.random.default_rng(0), 8192, GRID.n_segments)
    counts = (1, 4, 16) if quick else (1, 10, 100, 640)
    games = [fill_game(x.to(device), GRID, "mean") for x in given.excerpts(counts[-1])]

    def explain_first(count: int, times: int) -> None:
        for _ in range(times):
            explain(evaluator, games[:count], masks)

    explain_first(4, 2)
    times = [max(1, 20 // n) for n in counts]  # few excerpts are explained more often
    works = [functools.partial(explain_first, *pair) for pair in zip(counts, times, strict=True)]
    seconds = best_seconds(*works, device=device, repeats=1 if quick else 2, warm_up=False)
    each = {n: s / n / t for n, s, t in zip(counts, seconds, times, strict=True)}
    listed = ", ".join(f"{n}: {1000 * s:.0f} ms" for n, s in each.items())
    detail = f"goal flat; {given.words}; 8192 masks; per excerpt at {listed}"
    first, last = each[counts[0]], each[counts[-1]]
    return Row("excerpts_scaling", device.type, last, "s/excerpt", first, first / last, detail)
