"""LightGBM trials side by side on one set of binned rows; folds are masks over it.

`trials.BoostedTrials` runs on the client; a task on a worker starts each trial in a child process
(`process`), which boosts the boosters of all folds round by round.
"""
