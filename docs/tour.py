# %% [markdown]
# # A tour: one excerpt of one song
#
# An attack turns a detector's decision on a song round by a perturbation that one hardly hears. *Which part of the perturbation
# did it?* Here the answer is known: all 2^20 ways to take segments of it are evaluated. So one can see whether an explanation
# finds it.
#
# The song and the detector below are made on the spot: a synthetic song in which nobody sings, and a detector that was trained
# for a minute or two on such songs. **What they show says nothing about music.** Put your own in: `song = "my song.mp3"`,
# `detector = "detector.pt"` (docs/model.md says which checkpoints are read; a classifier of your own is taken as well).

# %%
import numpy as np
from IPython.display import Audio, display

from veracity import notebook
from veracity.detector.checkpoints import load_checkpoint
from veracity.explainers.asking import explain as ask
from veracity.explainers.settings import explainers_of
from veracity.games.models import explained_model
from veracity.songs.audio import write_audio

song, detector = notebook.example("results/example")

# %% [markdown]
# ## What the detector says of the song

# %%
seconds, p = notebook.p_sing(song, detector)
threshold = load_checkpoint(detector).threshold
print(f"“sing” in {np.mean(p > threshold):.0%} of {seconds[-1]:.0f} s, the threshold is {threshold:.2f}")

# %% [markdown]
# ## Attack three seconds, and explain one excerpt of them
#
# One call attacks, evaluates all masks, and asks LIME, from 8192 samples and from all masks.

# %%
found = notebook.explain(song, detector, at=5.0)
print(found)

# %%
figure = notebook.plot(found)
display(figure)

# %% [markdown]
# Before and after, to be heard; and a file of them, in 32-bit floats, so that nothing is rounded away:

# %%
Audio(np.concatenate([found.audio, found.adversarial_audio]), rate=found.sample_rate)

# %%
write_audio("results/example/adversarial.wav", found.adversarial_audio, found.sample_rate)

# %% [markdown]
# ## Does LIME find it?
#
# `smallest_sets` are the fewest segments of the perturbation that alone turn the decision round. LIME is asked about the
# adversarial excerpt; do the segments that it names first turn it round?

# %%
for k in (1, 2, 3, 5):
    print(k, "segments:", "LIME's", found.flip(found.top(k)), "| exact LIME's", found.flip(found.top(k, by="lime_exact")))
print("smallest sets:", found.smallest_sets[:5])
print(f"weights from 8192 samples and from all masks: correlation {np.corrcoef(found.lime, found.lime_exact)[0, 1]:.4f}")

# %% [markdown]
# ## Another explainer
#
# Thirty come along (docs/explainers.md); any function from a question to weights is one.

# %%
model = explained_model(detector, found.grid)
(occlusion,) = explainers_of(["lime", "occlusion"])
rng = np.random.default_rng(0)
answer = ask(occlusion, model, found.adversarial, found.grid, found.label, threshold=threshold, rng=rng)
print(
    "occlusion's first three:", answer.ranking[:3], "flip:", found.flip(answer.ranking[:3]), "after", answer.rows, "predictions"
)
