"""Programs for those who change this project; nothing here runs in production."""
