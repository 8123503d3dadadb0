"""Parts of a perturbation as audio: no part gives the original, all parts the perturbed audio, and parts add up."""

import numpy as np
import pytest
import torch

from veracity.songs.frontend import FrontEnd, magnitudes
from veracity.songs.resynthesis import band_of_bin, partly_perturbed

FRONTEND = FrontEnd()
N = FRONTEND.excerpt_frames
FIRST = 40


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 0.1, 315 * 220).astype(np.float32)
    return clean, clean + rng.normal(0, 0.01, len(clean)).astype(np.float32)


def sound(pair, chosen):
    return partly_perturbed(*pair, chosen, FRONTEND, first_frame=FIRST)


def test_nothing_and_everything(pair):
    clean, perturbed = pair
    np.testing.assert_allclose(sound(pair, np.zeros((N, 80), dtype=bool)), clean, atol=1e-5)
    all_of_it = sound(pair, np.ones((N, 80), dtype=bool))
    inside = slice((FIRST + 4) * 315, (FIRST + N - 4) * 315)  # frames overlap at the ends of the excerpt
    np.testing.assert_allclose(all_of_it[inside], perturbed[inside], atol=1e-5)
    outside = np.r_[: (FIRST - 4) * 315, (FIRST + N + 4) * 315 : len(clean)]
    np.testing.assert_allclose(all_of_it[outside], clean[outside], atol=1e-5)


def test_parts_add_up(pair):
    chosen = np.random.default_rng(1).random((N, 80)) < 0.5
    clean = pair[0]
    parts = (sound(pair, chosen) - clean) + (sound(pair, ~chosen) - clean)
    np.testing.assert_allclose(parts, sound(pair, np.ones((N, 80), dtype=bool)) - clean, atol=1e-5)


def test_only_the_chosen_bands_sound(pair):
    clean, _ = pair
    chosen = np.zeros((N, 80), dtype=bool)
    chosen[:, 60:] = True  # the highest quarter
    difference = sound(pair, chosen) - clean
    spectrum = magnitudes(difference, FRONTEND)[FIRST + 10 : FIRST + N - 10].square().mean(dim=0).numpy()
    high = band_of_bin(FRONTEND) >= 60
    edges = np.flatnonzero(np.diff(high.astype(int)))
    away = np.ones_like(high)
    for edge in edges:
        away[max(0, edge - 3) : edge + 4] = False  # a window's leakage
    assert spectrum[~high & away].max() < 1e-3 * spectrum[high & away].mean()


def test_magnitudes_get_the_phase_of_the_original(pair):
    clean, _ = pair
    louder = 2 * magnitudes(clean, FRONTEND)
    found = partly_perturbed(clean, louder, np.ones((N, 80), dtype=bool), FRONTEND, first_frame=FIRST)
    inside = slice((FIRST + 4) * 315, (FIRST + N - 4) * 315)
    np.testing.assert_allclose(found[inside], 2 * clean[inside], atol=1e-4)
    assert torch.as_tensor(found).dtype == torch.float32


def test_every_bin_has_a_band():
    bands = band_of_bin(FRONTEND)
    assert (bands[0], bands[-1]) == (0, 79)
    assert (np.diff(bands) >= 0).all()
