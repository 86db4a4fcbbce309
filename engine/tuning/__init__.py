"""Tuning: many trainings on one set of binned rows, started, watched and pruned."""
