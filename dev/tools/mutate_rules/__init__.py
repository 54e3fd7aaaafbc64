"""Proof that the rule tests notice mistakes: it makes one mistake at a time in a rule, and expects a test to fail.

A mistake that no test notices is a survivor. Each must be explained in survivors.yml, or the run fails.
"""
