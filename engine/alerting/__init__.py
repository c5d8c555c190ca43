"""Alerts: rules, their evaluation, silences, and delivery that cannot be lost."""
