"""The context of an incident: questions, measured facts and hypotheses. Pure."""
