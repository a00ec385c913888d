"""Exact sums of rows: accumulated, merged, kept in files."""
