"""What a model is worth: itself and baselines, on training, validation and test rows, in one read.

`work` says what a task does, `scored` what comes of it, `contestants` and `entrants` who is
measured, `slices` on which rows beside, `findings` what the user is told; `run` knows Dask.
"""
