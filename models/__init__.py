"""Conditions in, millivolts out: conditional generators of 12-lead ECGs, and readers of recorded ones."""
