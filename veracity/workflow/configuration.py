"""Model of the configuration: type, range, default and meaning of each key.

``config/config.yaml`` contains the same defaults with comments, for users who edit them. ``python docs/configuration.py``
writes the JSON schema and the reference page from the model. Ranges of library settings are defined in their classes. Upper
limits are generous; they only catch typos. `veracity.workflow.consistency` checks keys against each
other.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from ..attacks.settings import AttackSettings, Step, Weight
from ..classifiers.building import ModelSettings
from ..detector.settings import Architecture, Batch, BatchNorms, Change, DecayEvery, TrainingSettings
from ..detector.shortcut import ShortcutSettings
from ..errors import ConfigError, shortened
from ..explainers.lime import LimeSettings
from ..settings import Distinct, Several, about, between, matching, merged, sentence, settings
from ..songs.settings import FrontEnd
from ..songs.synthesis import Seconds

Few = Annotated[int, between(1, 100_000)]
Songs = Annotated[int, between(1, 10_000)]
Updates = Annotated[int, between(1, 10**7)]
Flag = Annotated[bool, Field(strict=True)]
FilePath = Annotated[str, Field(strict=True, min_length=1, json_schema_extra={"accepted": "a path"})]
Text = Annotated[str, Field(strict=True)]
ExplainerItem = Annotated[
    Text | dict[str, Any], Field(json_schema_extra={"accepted": "a name or a mapping with the keys of an explainer"})
]
Address = Annotated[str, Field(strict=True, min_length=1, json_schema_extra={"accepted": "an address"})]
Digest = Annotated[str, matching("[0-9a-fA-F]{64}", "64 hexadecimal digits (as printed by sha256sum)")]
Seed = Annotated[str, matching("seed[0-9]{1,3}", "seed0, seed1 and so on")]
RunName = Annotated[
    str, matching("[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits, _, . and -, starting with a letter or digit", max_length=100)
]
Frames = Annotated[int, between(1, 10**9)]
PartSeconds = Annotated[float, Field(strict=True, gt=2, le=1e6)]
Segments = Annotated[int, Field(strict=True, ge=1)]
Masks = Annotated[int, Field(strict=True, ge=2)]
Probability = Annotated[float, Field(strict=True, gt=0, lt=1)]
Margin = Annotated[float, Field(strict=True, gt=0, le=1)]
Word = Annotated[str, Field(strict=True, min_length=1, max_length=100)]
Split = Literal["train", "valid", "test"]
FullScale = Annotated[float, between(1e-12, 2)]  # a change of 2 moves a sample from -1 to 1
Device = Annotated[str, matching("auto|cpu|cuda(:[0-9]{1,3})?", "auto, cpu, cuda, or cuda:1 for the second GPU")]
Target = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*",
        "module:callable (for example my_package.my_model:predict)",
    ),
]
Explainer = Annotated[
    str, matching("[a-z][a-z0-9_]*(:(mean|zero|min|clean))?", "an explainer, such as shapley or shapley:clean")
]
Control = Annotated[
    str,
    matching(
        "confined|shortcut|random_weights|grid_(shifted|[1-9][0-9]{0,2}x[1-9][0-9]{0,2})",
        "confined, shortcut, random_weights, grid_shifted, or grid_ and a grid, as in grid_4x5",
    ),
]
VariantName = Annotated[
    str, matching("[a-z][a-z0-9]*(_[a-z0-9]+)*", "a name of lower-case letters, digits and single underscores", max_length=40)
]
_NAMES_WITH_KEYS = {
    "accepted": "names of lower-case letters, digits and single underscores, each with the keys that differ",
    "additionalProperties": False,
}
Variants = Annotated[dict[VariantName, dict[str, Any]], Field(max_length=100, json_schema_extra=_NAMES_WITH_KEYS)]
_Curves = Literal["aufc", "aufc_normalised", "excess_k", "sufficiency", "comprehensiveness", "necessity", "sufficiency_of_top"]
_Matches = Literal["best_match_recall", "core_precision", "core_recall", "pointing", "pointing_strict"]
_Ranks = Literal["rank_accuracy", "mass_accuracy", "roc_auc"]
Score = Literal[_Curves, _Matches, _Ranks]


@settings("corpus.words")
class Words:
    """Words of the label files."""

    sing: Annotated[Several[Word], about("Words for singing in label files.")] = ("sing",)
    nosing: Annotated[Several[Word], about("Words for everything else in label files.")] = ("nosing",)


@settings("corpus.synthetic")
class Synthetic:
    """Size of the synthetic corpus."""

    n_train: Annotated[Songs, about("Number of training songs.")] = 12
    n_valid: Annotated[Songs, about("Number of validation songs.")] = 3
    n_test: Annotated[Songs, about("Number of test songs.")] = 3
    seconds: Annotated[Seconds, about("Length of each song in seconds.")] = 30


@settings("corpus.songs")
class SongKeys:
    """Songs of each split, by name or pattern (``*``, ``?``); if all are empty, the lists of the corpus are used."""

    train: Annotated[Distinct[Text], about("Training songs.")] = ()
    valid: Annotated[Distinct[Text], about("Validation songs.")] = ()
    test: Annotated[Distinct[Text], about("Test songs.")] = ()


@settings("corpus")
class Corpus:
    """Songs and labels."""

    kind: Annotated[
        Literal["synthetic", "folder", "audio"],
        about("synthetic: generated; folder: in the Jamendo layout; audio: any folder of audio."),
    ] = "synthetic"
    folder: Annotated[FilePath | None, about("Path to the corpus, unless it is synthetic.")] = None
    songs: SongKeys = SongKeys()
    words: Words = Words()
    url: Annotated[Address | None, about("Address of a zip archive, for the target `download`.")] = None
    sha256: Annotated[Digest | None, about("SHA-256 digest of the archive.")] = None
    note: Annotated[str, Field(strict=True, max_length=500), about("Description of the songs in figures and tables.")] = (
        "synthetic corpus"
    )
    synthetic: Synthetic = Synthetic()


@settings("detector.training")
class Training(TrainingSettings):
    """Training of the detectors."""

    n_updates: Annotated[int, between(1, 10**8)] = 200
    batch: Batch = 16
    decay_every: DecayEvery = 40
    stretch: Change = 0.1
    shift: Change = 0.1
    batch_norms: BatchNorms = "final"


@settings("detector")
class DetectorKeys:
    """Singing voice detector."""

    checkpoint: Annotated[
        FilePath | None, about("Path to a trained detector (.pt), or `pretrained`; null: detectors are trained.")
    ] = None
    threshold: Annotated[
        Probability | None,
        about("Decision threshold of P(sing); null: that of the checkpoint, or one tuned on the validation songs."),
    ] = None
    median_frames: Annotated[Few, about("Length of the median filter in frames, for scores and threshold tuning only.")] = 56
    n_seeds: Annotated[int, between(1, 1000), about("Number of trained detectors.")] = 1
    attacked: Annotated[Seed, about("Trained detector that is attacked and explained.")] = "seed0"
    architecture: Architecture = Architecture()
    training: Training = Training()


@settings("attacks.waveform")
class Waveform(AttackSettings):
    """Attack on the audio."""

    eps: FullScale = 0.01
    eta: Step = 0.0003
    alpha: Weight = 2
    max_updates: Updates = 50


@settings("attacks.spectrogram")
class Spectrogram(AttackSettings):
    """Attack on the magnitude spectrogram."""

    eps: Step = 0.1
    eta: Step = 0.0005
    alpha: Weight = 15
    max_updates: Updates = 50


@settings("attacks")
class Attacks:
    """Adversarial attacks on songs."""

    scope: Annotated[Literal["song", "excerpt"], about("One perturbation per song or per excerpt.")] = "song"
    splits: Annotated[Several[Split], about("Splits whose songs are attacked and explained.")] = ("test",)
    seconds: Annotated[PartSeconds | None, about("Length of the attacked middle of a song, in seconds; null: whole song.")] = 10
    chunk_frames: Annotated[Frames | None, about("Number of frames processed together; null: chosen for the device.")] = None
    candidates: Annotated[int, between(1, 1_000_000), about("Number of attacked excerpts per song (`scope: excerpt`).")] = 40
    waveform: Waveform = Waveform()
    spectrogram: Spectrogram = Spectrogram()


@settings("tuning.waveform")
class WaveformGrid:
    """Grid of settings of the attack on the audio."""

    eps: Annotated[Several[FullScale], about("Values of `attacks.waveform.eps`.")] = (0.005, 0.01)
    eta: Annotated[Several[Step], about("Values of `attacks.waveform.eta`.")] = (0.0003, 0.001)
    alpha: Annotated[Several[Weight], about("Values of `attacks.waveform.alpha`.")] = (2, 10)


@settings("tuning.spectrogram")
class SpectrogramGrid:
    """Grid of settings of the attack on the spectrogram."""

    eps: Annotated[Several[Step], about("Values of `attacks.spectrogram.eps`.")] = (0.05, 0.1)
    eta: Annotated[Several[Step], about("Values of `attacks.spectrogram.eta`.")] = (0.0005, 0.002)
    alpha: Annotated[Several[Weight], about("Values of `attacks.spectrogram.alpha`.")] = (15, 50)


@settings("tuning")
class Tuning:
    """Grids of the target `tuning`, on the validation songs."""

    waveform: WaveformGrid = WaveformGrid()
    spectrogram: SpectrogramGrid = SpectrogramGrid()


@settings("excerpts")
class ExcerptKeys:
    """Selection of excerpts."""

    per_direction: Annotated[Few, about("Largest number of excerpts for each song, attack and direction.")] = 2


@settings("model")
class Model(ModelSettings):
    """User-supplied model instead of the paper's detector."""

    build: Target | None = None
    predict: Annotated[
        Target | None,
        about("Black box: function from log-mel excerpts, shape (n, frames, bands), to P(sing), shape (n,)."),
    ] = None


@settings("flips")
class FlipKeys:
    """Search for flip sets if not all masks can be evaluated."""

    search_budget: Annotated[int, between(1, 10**8), about("Largest number of sets that the search tries per excerpt.")] = 8192


@settings("truth")
class Truth:
    """Evaluation of explainers against the exact flip sets."""

    score: Annotated[Score, about("Score that the contrasts compare.")] = "aufc_normalised"
    tested: Annotated[Several[Explainer], about("Explainers tested against the reference explainers.")] = (
        "lime",
        "lime_exact",
        "shapley",
    )
    against: Annotated[Several[Explainer], about("Reference explainers of the contrasts.")] = ("random", "norm", "lime")
    margin: Annotated[
        float, Field(strict=True, gt=0, le=1000), about("Largest difference of scores that counts as equivalence.")
    ] = 0.05
    n_rankings: Annotated[int, between(100, 10**7), about("Number of random rankings, for the chance level.")] = 10_000
    groups: Annotated[
        dict[str, Word],
        about("Artist of each song, for the table `sensitivity`; a song without an entry counts as its own artist."),
    ] = field(default_factory=dict)


@settings("controls.confined")
class Confined(AttackSettings):
    """Attack on the spectrogram that may change only a few segments."""

    segments: Annotated[int, between(1, 63), about("Number of segments that may change.")] = 3
    eps: Step = 10
    eta: Step = 0.1
    alpha: Weight = 3000
    max_updates: Updates = 60


@settings("controls")
class Controls:
    """Controls, in which the correct answer or the chance level is known."""

    all: Annotated[Flag, about("Whether the target `all` includes the controls.")] = False
    names: Annotated[Distinct[Control], about("Controls to compute.")] = (
        "confined",
        "shortcut",
        "random_weights",
        "grid_shifted",
        "grid_10x2",
        "grid_4x5",
    )
    margin: Annotated[Margin, about("Half the width of the interval that counts as chance.")] = 0.2
    per_direction: Annotated[
        Few,
        about(
            "Largest number of excerpts for each song, attack and direction. `shortcut` uses four times this number, and "
            "`random_weights` all excerpts of the run."
        ),
    ] = 1
    candidates: Annotated[int, between(1, 1_000_000), about("Number of excerpts per song in which a cause is planted.")] = 8
    explainers: Annotated[tuple[ExplainerItem, ...], about("Explainers to evaluate in addition to the standard ones.")] = (
        "energy",
        "random_order",
        "constant",
        "occlusion",
        "integrated_gradients",
    )
    confined: Confined = Confined()
    shortcut: ShortcutSettings = ShortcutSettings()


@settings("listening")
class Listening:
    """Explanations as audio."""

    per_panel: Annotated[int, between(0, 10), about("Number of excerpts for each attack and direction.")] = 2


@settings("localised")
class Localised:
    """Perturbations confined to their segments of largest norm."""

    k: Annotated[Several[Segments], about("Numbers of segments to which perturbations are confined.")] = (1, 3, 5)
    explainers: Annotated[Flag, about("Whether all explainers are evaluated; false: LIME only.")] = True


@settings("drawings")
class Drawings:
    """Drawings on spectrograms that flip the decision."""

    shapes: Annotated[Distinct[Text], about("Built-in shapes; `letters:TEXT` draws any text.")] = (
        *("horse", "wiggle", "upward sweep", "downward sweep", "zigzag", "spiral", "heart", "star", "circle", "house", "A"),
        "LIME",
    )
    folder: Annotated[FilePath | None, about("File or folder of drawings: .npy, .npz, .png or pickled arrays.")] = None
    n_placements: Annotated[Few, about("Number of places and sizes tried for each shape.")] = 8


@settings("stability")
class Stability:
    """Sampling error of LIME."""

    n_samples: Annotated[Distinct[Masks], about("Numbers of sampled masks; if empty, the study is skipped.")] = tuple(
        2**n for n in range(6, 16)
    )
    n_repeats: Annotated[Few, about("Number of fits for each number of masks.")] = 2
    per_direction: Annotated[Few, about("Largest number of excerpts for each song, attack and direction.")] = 1


@settings("")
class Configuration:
    """Configuration of a whole run."""

    run: Annotated[RunName, about("Name of the run; its results go to `results/<run>`.")] = "synthetic"
    seed: Annotated[int, between(0, 2**53 - 1), about("Seed from which every random number derives.")] = 0
    device: Annotated[Device, about("Device for training, predictions and attacks; `auto`: a GPU if there is one.")] = "auto"
    explaining_device: Annotated[Device, about("Device for all other jobs.")] = "cpu"
    variants: Annotated[Variants, about("Names of variants, each with the keys in which it differs from this run.")] = field(
        default_factory=dict
    )
    save_every_seconds: Annotated[float, between(0, 1e6), about("Time in seconds between saved states of a job.")] = 60
    corpus: Corpus = Corpus()
    frontend: FrontEnd = FrontEnd()
    detector: DetectorKeys = DetectorKeys()
    attacks: Attacks = Attacks()
    tuning: Tuning = Tuning()
    excerpts: ExcerptKeys = ExcerptKeys()
    model: Model = Model()
    lime: LimeSettings = LimeSettings()
    flips: FlipKeys = FlipKeys()
    explainers: Annotated[
        Annotated[tuple[ExplainerItem, ...], Field(min_length=1, max_length=1000)],
        about("Explainers to evaluate: names, module:callable, or mappings (docs/explainers.md)."),
    ] = ("lime",)
    truth: Truth = Truth()
    controls: Controls = Controls()
    listening: Listening = Listening()
    localised: Localised = Localised()
    drawings: Drawings = Drawings()
    stability: Stability = Stability()


MODEL = TypeAdapter(Configuration)


def defaults() -> dict[str, Any]:
    """Return all keys with their defaults, as YAML types."""
    return json.loads(json.dumps(asdict(Configuration())))


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration in which missing keys have their defaults."""
    return merged(defaults(), config)


def checked(config: Mapping[str, Any], *, within: str = "") -> Configuration:
    """Validate a configuration, in which keys may be missing, and return it as an instance of the model.

    ConfigError is raised for the first key that is unknown or has an invalid value. `within` is a prefix of its name, such as
    ``variants.eps_small``.
    """
    prefix = f"{within}." if within else ""
    try:
        return MODEL.validate_python(dict(config))
    except ValidationError as error:
        raise ConfigError(prefix + sentence(error, Configuration, config)) from None
    except ConfigError as error:  # raised by settings that contradict each other
        raise ConfigError(f"{prefix}{error}") from None


class _Loader(yaml.SafeLoader):
    """Loader that rejects duplicate keys, of which Snakemake silently uses the last."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        for n, (key, _) in enumerate(node.value):
            if key.value != "<<" and key.value in (other.value for other, _ in node.value[:n]):
                line = f"{self.name}, line {key.start_mark.line + 1}"
                raise ConfigError(f"{line}: duplicate key, got {shortened(key.value)}. Remove one of them.")
        return node


def check_files(paths: Iterable[str | Path]) -> None:
    """Raise ConfigError if a configuration file contains a key twice."""
    for path in paths:
        with Path(path).open(encoding="utf-8") as file:
            yaml.compose(file, _Loader)
