"""Readiness: a checklist that verifies itself, and sign-off that means something."""
