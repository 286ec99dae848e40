"""One module per kernel interface: pure `parse_x(text) -> X`, and a reader on a Host."""
