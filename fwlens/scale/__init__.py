"""Knows the fold past one machine: the same reading and folding, on an Apache Spark that is there already.

`spark.flows` is the door, for notebooks and for `fwlens scale spark`; `share` is what runs on Spark's workers and knows
nothing of Spark; `session` starts a Spark on this machine.
"""
