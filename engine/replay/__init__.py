"""Replay of real hotel bookings: agencies create, change, send and close quotes on their clock."""
