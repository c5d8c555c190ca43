"""Rollups: counters and histograms of the ledger by time, exact to the last committed row."""
