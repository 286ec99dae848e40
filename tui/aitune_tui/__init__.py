"""The dashboard and the command line of aitune-tui."""
