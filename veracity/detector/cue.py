"""Settings of the planted-cue control, in which a detector is trained to respond to a tone; imports no torch."""

import math
from typing import Annotated

from pydantic import Field

from ..errors import ConfigError, plain
from ..settings import between, settings
from ..songs.settings import FrontEnd
from .settings import Batch


@settings("controls.cue")
class CueSettings:
    """Tone that decides, and the training of a detector on it.

    Attributes
    ----------
    mel : int
        Mel band whose centre frequency the tone has.
    seconds : float
        Length of the tone in seconds, with the rise and fall of a Hann window.
    level_db : float
        Level of the tone over that of the excerpt that it is added to, in dB.
    n_updates, batch : int
        Number of updates of the training, and excerpts of each; half of a batch holds the tone.
    learning_rate : float
        Learning rate of Adam.
    """

    mel: Annotated[int, between(0, 999)] = 50
    seconds: Annotated[float, between(0.01, 10)] = 0.2
    level_db: Annotated[float, between(-60, 40)] = 0.0
    n_updates: Annotated[int, between(0, 10**6)] = 100
    batch: Batch = 16
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.001

    def n_samples(self, frontend: FrontEnd, n_time: int = 1) -> int:
        """Return the length of the tone in samples.

        Parameters
        ----------
        frontend : FrontEnd
            Front end that computes the excerpts.
        n_time : int
            Number of segments along time, 1 by default. The tone must fit into one segment, including the analysis windows
            around it.

        Returns
        -------
        int
            Number of samples of the tone.

        Raises
        ------
        ConfigError
            If the front end has no such mel band, or if the tone does not fit.
        """
        if self.mel >= frontend.n_mels:
            raise ConfigError(f"controls.cue.mel: not one of {frontend.n_mels} mel bands, got {self.mel}. Lower it.")
        n = round(self.seconds * frontend.sample_rate)
        held = (frontend.excerpt_frames // n_time - 1) * frontend.hop_samples - frontend.frame_samples
        if n > held:
            most = max(0, held) / frontend.sample_rate
            raise ConfigError(
                f"controls.cue.seconds: more than a segment holds with the windows around it, got {plain(self.seconds)}. "
                f"Give at most {math.floor(1000 * most) / 1000}, or lower lime.n_time."
            )
        return n
