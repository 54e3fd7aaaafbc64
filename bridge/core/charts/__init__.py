"""What charts show, before anything is drawn. Pure."""
