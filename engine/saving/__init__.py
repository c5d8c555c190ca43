"""The save: request, decision, write, retry, resolution and idempotency."""
