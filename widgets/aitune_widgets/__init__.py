"""Textual widgets of aitune-tui: plain values in, messages out.

They know no backend and no kernel. Every widget turns its values into lines of `(text, tone)`
segments, and repaints only the lines that differ from those on the screen.
"""
