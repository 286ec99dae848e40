"""The screens: pages, the frame that never leaves them, and the dialogs."""
