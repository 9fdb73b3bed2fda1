"""The annotate recipe: layers marked for tfmot, which then quantizes them itself."""
