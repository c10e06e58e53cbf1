"""How the tables became what they are. Alembic runs these; a script that was released never changes."""
