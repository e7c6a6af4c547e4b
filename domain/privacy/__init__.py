"""What is held about a user: all of it to see, and to take back."""
