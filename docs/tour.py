# %% [markdown]
# # Tour: one excerpt of one song
#
# This notebook attacks a song, explains one adversarial excerpt of it, and compares the explanation with the exact truth.
#
# A barely audible perturbation flips the decision of a singing voice detector. *Which part of the perturbation is responsible?*
# The excerpt of 1.64 s is divided into 5 x 4 segments. All 2^20 subsets of the 20 segments of the perturbation are evaluated.
# The answer is therefore known exactly, and an explanation can be checked against it.
#
# The detector was trained on 32 real songs and is part of the package ([pretrained detector](model.md)). The song below is
# synthesised by the notebook and contains no singing, so **the results support no conclusion about music.** To use your own,
# set `song = "my song.mp3"` and `detector = "detector.pt"`. [Custom models](model.md) lists the supported models;
# `notebook.explain` takes any classifier.
#
# This page is `docs/tour.py`. VS Code and PyCharm open it directly, Jupyter after `pip install jupytext`.

# %%
import numpy as np
from IPython.display import Audio

from veracity import notebook
from veracity.explainers.evaluate import explain
from veracity.games.models import explained_model
from veracity.songs.audio import write_audio

song, detector = notebook.example("results/example"), "pretrained"

# %% [markdown]
# ## Predictions of the detector

# %%
seconds, p = notebook.p_sing(song, detector)
print(f"P(sing) of the excerpt around 5 s: {p[np.searchsorted(seconds, 5)]:.3f}")

# %% [markdown]
# ## Attack three seconds and explain one excerpt
#
# One call attacks the song around the excerpt, evaluates all masks and runs LIME, on 8192 sampled masks and on all masks.
# `at` is the start of the excerpt in seconds.

# %%
result = notebook.explain(song, detector, at=5.0)
print(result)
print(f"SNR: {result.snr_db:.0f} dB")

# %%
notebook.plot(result)

# %% [markdown]
# Listen to the clean and the adversarial audio, one after the other:

# %%
both = np.concatenate([result.audio, result.adversarial_audio])
Audio(both, rate=result.sample_rate)

# %% [markdown]
# The song with only LIME's first three segments of the perturbation:

# %%
Audio(result.sound(result.top(3)), rate=result.sample_rate)

# %% [markdown]
# Save the adversarial audio as 32-bit floats, so that the perturbation is not rounded:

# %%
write_audio("results/example/adversarial.wav", result.adversarial_audio, result.sample_rate)

# %% [markdown]
# ## Compare LIME with the truth
#
# `smallest_sets` are the smallest flip sets: the fewest segments of the perturbation that suffice to flip the decision. LIME
# explains the adversarial excerpt. The loop tests whether LIME's first segments also flip the decision.

# %%
for k in (1, 2, 3, 5):
    sampled, exact = result.top(k), result.top(k, by="lime_exact")
    print(k, "segments: LIME's", result.flip(sampled), "| exact LIME's", result.flip(exact))
print("smallest sets:", result.smallest_sets[:5])
print("segment", result.top(1)[0], "is at", result.place(result.top(1)[0]))
(_, correlation), _ = np.corrcoef(result.lime, result.lime_exact)
print(f"weights from 8192 samples and from all masks: correlation {correlation:.4f}")

# %% [markdown]
# ## Another explainer
#
# About thirty explainers are built in ([list](explainers.md)); some need `pip install ".[explainers]"`. Any function that takes
# an explanation task and returns weights is an explainer, too.

# %%
model = explained_model(detector, result.grid)
options = {"threshold": result.threshold, "rng": np.random.default_rng(0)}
explanation = explain("occlusion", model, result.adversarial, result.grid, result.label, **options)
three = explanation.ranking[:3]
print("occlusion's first three:", three, "flip:", result.flip(three))
print("model queries:", explanation.n_queries)
