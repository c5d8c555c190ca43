"""Probes: small functions that look at the system and say what they found, with the numbers.

A module for each thing that is looked at; `registry` names them all.
"""
