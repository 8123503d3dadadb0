"""Shared fixtures: the material next to a checkout, one finished run for all files that read one, a browser."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from workspaces import SMALL, Workspace

#: Files that take longest. They start first, in this order, so that no process runs one of them alone at the end.
LONGEST_FIRST = (
    *("workflow_recovery", "slurm", "variants", "workflow_models", "commands", "workflow_targets", "workflow_outside"),
    *("page_browser", "planning", "site", "workflow", "pages", "benchmarks", "controls", "tables", "truth_study"),
    *("attacks", "notebook", "experiments"),
)
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items):
    order = {f"test_{name}": i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


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
    """Run torch on one thread, because the networks of tests are small, and fastest on one thread when cores are shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """Return a workspace after `snakemake all` on seconds of synthetic audio, to be read only.

    All test processes share it: the first that needs it makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished_run"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            making = Path(f"{folder}.unfinished")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            workspace = Workspace(making)
            workspace.configure("small", SMALL)
            done = workspace.snakemake("all")
            assert done.returncode == 0, done.stdout + done.stderr
            making.rename(folder)
    return Workspace.at(folder)


@pytest.fixture
def copy(finished_run, tmp_path):
    """Return a copy of the finished run that a test may change."""
    return Workspace.copy_of(finished_run, tmp_path / "copy")


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
        "proxy-server=127.0.0.1:9",  # no server listens there, so any external request of the page fails and is logged
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver_program))
    driver.set_window_size(1200, 900)
    yield driver
    driver.quit()
