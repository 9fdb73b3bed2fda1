"""Recurrent layers: what one step of them computes, in operations that LiteRT has in int8."""
