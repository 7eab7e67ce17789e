"""Measurements of amiss beside its peers: `python -m bench` of time, `python -m bench.accuracy` of digits."""
