"""The ingest queue, deletion, kept files, backups."""
