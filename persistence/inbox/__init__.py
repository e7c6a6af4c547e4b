"""Stores behind `ports.Inbox`."""
