"""The rules of Parley: dataclasses, use-case functions and ports. Imports the standard library only."""
