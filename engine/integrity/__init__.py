"""The integrity rules of the stored data, checked over a whole database while it is in use."""
