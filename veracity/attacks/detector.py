"""Attacked detector, in a module of its own so that stages that only explain do not depend on the code of attacks."""

from dataclasses import dataclass
from functools import cached_property

from ..detector.checkpoints import AnyDetector, as_network
from ..detector.network import Network
from ..errors import within
from ..songs.settings import FrontEnd


@dataclass(frozen=True)
class AttackedDetector:
    """Attacked detector with its front end and threshold.

    Parameters
    ----------
    detector : Network, Detector, Checkpoint or path-like
        Detector. An attack runs on its device.
    frontend : FrontEnd
        Settings of the front end.
    threshold : float
        Decision threshold: "sing" is P(sing) > threshold.

    Raises
    ------
    ConfigError
        If `threshold` is not in [0, 1].
    """

    detector: AnyDetector
    frontend: FrontEnd
    threshold: float

    def __post_init__(self) -> None:
        within(self.threshold, 0, 1, "threshold")

    @cached_property
    def network(self) -> Network:
        """Network of the detector."""
        return as_network(self.detector)
