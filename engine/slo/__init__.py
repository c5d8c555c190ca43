"""Service levels: what is promised, whether it is kept, and how fast the error budget burns."""
