"""Incidents with a known cause, replayed against a real Prometheus: does the message name the cause?"""
