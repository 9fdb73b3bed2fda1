"""Clustering: few different values in each kernel."""
