# %% [markdown]
# # A tour: one excerpt of one song
#
# An attack turns a detector's decision on a song round by a perturbation that one hardly hears. *Which part of the perturbation
# did it?* An excerpt of 1.64 s is cut into 5 x 4 segments. Here the answer is known: all 2^20 ways to take
# some of the perturbation's 20 segments are evaluated. So one can see whether an explanation finds it.
#
# The song and the detector below are made on the spot: a synthetic song in which nobody sings, and a detector that was trained
# for a minute or two on such songs and hears "sing" nearly everywhere. **What they show says nothing about music.** Put your
# own in: `song = "my song.mp3"`, `detector = "detector.pt"` ([your own model](model.md) says which are read; `notebook.explain`
# takes any classifier).
#
# This page is `docs/tour.py`: VS Code and PyCharm open it as it is, Jupyter with `pip install jupytext`.

# %%
import numpy as np
from IPython.display import Audio

from veracity import notebook
from veracity.explainers.asking import explain as ask
from veracity.games.models import explained_model
from veracity.songs.audio import write_audio

song, detector = notebook.example("results/example")

# %% [markdown]
# ## What the detector says of the song

# %%
seconds, p = notebook.p_sing(song, detector)
print(f"P(sing) of the excerpt around 5 s: {p[np.searchsorted(seconds, 5)]:.3f}")

# %% [markdown]
# ## Attack three seconds, and explain one excerpt of them
#
# One call attacks, evaluates all masks, and asks LIME, from 8192 samples and from all masks. `at` is where the excerpt begins.

# %%
found = notebook.explain(song, detector, at=5.0)
print(found)
print(f"signal over perturbation: {found.snr_db:.0f} dB")

# %%
notebook.plot(found)

# %% [markdown]
# Before and after, to be heard; and a file of them, in 32-bit floats, so that nothing is rounded away:

# %%
both = np.concatenate([found.audio, found.adversarial_audio])
Audio(both, rate=found.sample_rate)

# %% [markdown]
# The song with the perturbation of LIME's first three segments alone:

# %%
Audio(found.sound(found.top(3)), rate=found.sample_rate)

# %%
write_audio("results/example/adversarial.wav", found.adversarial_audio, found.sample_rate)

# %% [markdown]
# ## Does LIME find it?
#
# `smallest_sets` are the fewest segments of the perturbation that alone turn the decision round. LIME is asked about the
# adversarial excerpt; do the segments that it names first turn it round?

# %%
for k in (1, 2, 3, 5):
    sampled, exact = found.top(k), found.top(k, by="lime_exact")
    print(k, "segments: LIME's", found.flip(sampled), "| exact LIME's", found.flip(exact))
print("smallest sets:", found.smallest_sets[:5])
print("segment", found.top(1)[0], "is at", found.place(found.top(1)[0]))
(_, correlation), _ = np.corrcoef(found.lime, found.lime_exact)
print(f"weights from 8192 samples and from all masks: correlation {correlation:.4f}")

# %% [markdown]
# ## Another explainer
#
# Some thirty come along ([all of them](explainers.md)), a few of them by `pip install ".[explainers]"`; any function from a
# question to weights is one.

# %%
model = explained_model(detector, found.grid)
asked = {"threshold": found.threshold, "rng": np.random.default_rng(0)}
answer = ask("occlusion", model, found.adversarial, found.grid, found.label, **asked)
three = answer.ranking[:3]
print("occlusion's first three:", three, "flip:", found.flip(three))
print("read for it:", answer.rows, "predictions")
