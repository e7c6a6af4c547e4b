"""Public keys of users: published by them, handed out to those who share a room with them."""
