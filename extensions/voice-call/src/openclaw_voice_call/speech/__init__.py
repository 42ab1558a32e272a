"""Vendors that hear and vendors that speak, over their own wire protocols."""
