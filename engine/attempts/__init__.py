"""The ledger: exactly one row for every attempt, whatever became of it."""
