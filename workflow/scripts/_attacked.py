"""Attacked model: the paper's detector or a user-supplied classifier."""

import functools
from typing import Any

from veracity.attacks.detector import AttackedDetector
from veracity.detector.checkpoints import load_checkpoint
from veracity.errors import ConfigError, quoted
from veracity.jobs import store
from veracity.jobs.devices import reserve_device
from veracity.songs.frontend import FrontEnd


def attacked_detector(snakemake: Any, device: str) -> AttackedDetector:
    """Load the attacked detector on its device, with its front end and threshold.

    Parameters
    ----------
    snakemake : Snakemake
        Object that Snakemake provides to scripts.
    device : str
        Name of the device; see `veracity.jobs.devices.reserve_device`.

    Returns
    -------
    AttackedDetector
        Detector on the device.

    Raises
    ------
    ConfigError
        If the rule has no detector as an input, because a user-supplied classifier is attacked.
    """
    if "detector" not in snakemake.input.keys():  # noqa: SIM118 - Namedlist of Snakemake is not a mapping
        build = quoted(snakemake.params.settings.get("model", {}).get("build", "a classifier"))
        raise ConfigError(f"model.build: this stage requires the paper's detector, got {build}. Set model.build to null.")
    frontend = FrontEnd(**snakemake.params.settings["frontend"])
    detector = load_checkpoint(snakemake.input.detector, frontend=frontend).detector
    threshold = float(store.read_attributes(snakemake.input.predictions)["threshold"])
    return AttackedDetector(detector.network().to(reserve_device(device)), frontend, threshold)


def custom_classifier(snakemake: Any) -> Any:
    """Return the user-supplied classifier of the key ``model.build`` with its label; None if the detector is attacked."""
    settings = snakemake.params.settings.get("model", {})
    if not settings.get("build"):
        return None
    return _built(**settings)


@functools.cache  # a script may call it twice
def _built(**settings: Any) -> Any:
    from veracity.classifiers.building import ModelSettings, built

    return built(ModelSettings(**settings))
