"""What several test files share: the material that lies beside a checkout, and a skip that says so."""

from pathlib import Path

import numpy as np
import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: this test reads real music, a real detector or published numbers there")
    return SHARED


@pytest.fixture(scope="session")
def published(shared):
    """Return the numbers of the published implementation."""
    return np.load(shared / "golden" / "published.npz", allow_pickle=False)


@pytest.fixture(scope="session")
def real_detector(shared):
    """Return a detector trained on real songs."""
    from veracity.detector import load_checkpoint

    return load_checkpoint(shared / "data" / "detector-jamendo44.pt")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks of tests are small and quickest on one thread, above all when cores are shared."""
    torch.set_num_threads(1)
