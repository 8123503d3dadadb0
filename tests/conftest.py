"""What several test files share: the folder of material that lies beside a checkout, and a skip that says so."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: this test reads real music, a real detector or published numbers there")
    return SHARED
