"""Whether the server's memory stays where it is, however many events and connections pass: `make soak`."""
