"""PostgreSQL: where it runs, how we connect, transact, classify its errors and migrate it."""
