"""Rooms: who is in them, who may do what, how people come in and go."""
