"""Saveguard's engine: the hardened save, its ledger, and everything computed from it."""
