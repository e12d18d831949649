"""Intervals, conformal p-values, ROC curves and resampling; knows neither images nor torch."""
