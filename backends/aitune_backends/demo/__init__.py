"""A made-up machine that the rest of the program cannot tell from a real one."""
