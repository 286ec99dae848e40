"""The unprivileged side: reads the machine, knows what is good, measures loads, asks the helper."""
