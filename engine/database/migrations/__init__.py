"""Reviewed SQL, one revision a file; run by `saveguard migrate`."""
