"""The composition root: settings, server, transport and background loops."""
