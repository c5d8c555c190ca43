"""Channels: the ways in which somebody is told, each with what it needs and what it answers."""
