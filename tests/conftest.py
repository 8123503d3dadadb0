"""What several test files share: the material that lies beside a checkout, and a skip that says so."""

import shutil
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
    from veracity.detector.checkpoints import load_checkpoint

    return load_checkpoint(shared / "data" / "detector-jamendo44.pt")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks of tests are small and quickest on one thread, above all when cores are shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a headless browser without a network."""
    program, driver_program = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (program and driver_program):
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "proxy-server=127.0.0.1:9",  # nobody listens there: whatever the page would fetch fails, and is logged
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver_program))
    driver.set_window_size(1200, 900)
    yield driver
    driver.quit()
