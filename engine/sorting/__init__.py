"""Data sorted out of core: drawn, spilled, merged."""
