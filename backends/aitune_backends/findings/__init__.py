"""What is to be said of a machine beyond its settings: one module for each topic.

A topic reads what it needs into a record, and judges the record alone: whatever is absent says
nothing, and every text of the machine is made fit to be shown. `aitune_backends.doctor` asks them
all.
"""
