"""The detector that is attacked and explained."""

from typing import Any

from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.network import Network
from veracity.jobs import store
from veracity.jobs.devices import reserve_device
from veracity.songs.frontend import FrontEnd


def attacked_detector(snakemake: Any, device: str) -> tuple[Network, FrontEnd, float]:
    """Load the detector that is attacked and explained, with its front end and threshold."""
    frontend = FrontEnd(**snakemake.params.settings["frontend"])
    detector = load_checkpoint(snakemake.input.detector, frontend=frontend).detector
    threshold = float(store.read_attributes(snakemake.input.predictions)["threshold"])
    return detector.network().to(reserve_device(device)), frontend, threshold
