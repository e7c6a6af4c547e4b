"""The pages and what they are made of, in Debian's Chromium with a camera that is not there."""
