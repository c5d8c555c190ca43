"""Who is asking: identities, API keys and rate limits."""
