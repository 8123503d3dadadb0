"""What controls are called, and who is asked in each; needs nothing, to be read with the configuration."""

CLEAN = "clean"  # the fill of the perturbation game
GRID = "grid_"
SHIFTED = "shifted"
#: Who is asked in every control, beside those of the configuration.
IN_ANY_CASE = ("norm", "lime", "lime_exact", "shapley")
PLANTED = ("confined", "cue")  # a cause in audio; the others take the study's own excerpts
CONTROLS = ("confined", "cue", "random_weights")
