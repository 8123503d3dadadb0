"""The detector that is attacked and explained."""

from typing import Any

from veracity import store
from veracity.detector import Network, load_checkpoint
from veracity.devices import reserve_device
from veracity.frontend import FrontEnd


def attacked_detector(snakemake: Any, device: str) -> tuple[Network, FrontEnd, float]:
    """Load the detector that is attacked and explained, with its front end and threshold."""
    detector = load_checkpoint(snakemake.input.detector).detector
    threshold = float(store.read_attributes(snakemake.input.predictions)["threshold"])
    return detector.network().to(reserve_device(device)), detector.frontend, threshold
