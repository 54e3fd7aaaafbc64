"""The ways out: what every call to a vendor has in common, whichever library speaks."""
