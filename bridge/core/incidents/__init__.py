"""The life of an incident: state transitions, user actions, firing periods and flapping. Pure."""
