"""Recurrent layers written into a file, in the place of operations that stand for them."""
