"""The tone of the control in which a detector is taught what decides; needs no torch."""

import math
from dataclasses import dataclass

from ..errors import ConfigError, within
from ..songs.settings import FrontEnd


@dataclass(frozen=True)
class CueSettings:
    """The tone that decides, and how a detector is taught so.

    Attributes
    ----------
    mel : int
        The tone has the centre frequency of this mel band.
    seconds : float
        It lasts so long, with a Hann window's rise and fall.
    level_db : float
        Its level, over that of the excerpt that it is added to.
    n_updates, batch : int
        Of the training; half of a batch holds the tone.
    learning_rate : float
    """

    mel: int = 50
    seconds: float = 0.2
    level_db: float = 0.0
    n_updates: int = 100
    batch: int = 16
    learning_rate: float = 0.001

    def __post_init__(self) -> None:
        within(self.mel, 0, 999, "controls.cue.mel", whole=True)
        within(self.seconds, 0.01, 10, "controls.cue.seconds")
        within(self.level_db, -60, 40, "controls.cue.level_db")
        within(self.n_updates, 0, 10**6, "controls.cue.n_updates", whole=True)
        within(self.batch, 2, 10**4, "controls.cue.batch", whole=True)
        within(self.learning_rate, 0, 1, "controls.cue.learning_rate")

    def n_samples(self, frontend: FrontEnd, n_time: int = 1) -> int:
        """Return how many samples the tone lasts; raises ConfigError when one of `n_time` parts cannot hold it."""
        if self.mel >= frontend.n_mels:
            raise ConfigError(f"controls.cue.mel {self.mel} is none of {frontend.n_mels} mel bands: lower it")
        n = round(self.seconds * frontend.sample_rate)
        held = (frontend.excerpt_frames // n_time - 1) * frontend.hop_samples - frontend.frame_samples
        if n > held:
            most = max(0, held) / frontend.sample_rate
            raise ConfigError(
                f"controls.cue.seconds {self.seconds} is more than a segment holds with the windows that hear it: give at most "
                f"{math.floor(1000 * most) / 1000}, or lower lime.n_time"
            )
        return n
