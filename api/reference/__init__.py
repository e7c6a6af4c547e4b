"""The schema reference under `/docs`: pages rendered from the schema that is served, so that they cannot be out of date."""
