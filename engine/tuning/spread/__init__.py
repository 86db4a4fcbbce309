"""Trials of which each takes the whole cluster, one after the other.

For estimators that learn by passes over all workers, and for LightGBM where a trial does not fit
in one. `trials.SpreadTrials` runs on the client; how a fold is learned from and measured is told by
`boosted` for LightGBM and by `learnt` for other estimators.
"""
