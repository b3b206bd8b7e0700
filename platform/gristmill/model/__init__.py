"""The decoder, and its weights' way in and out (3.3)."""
