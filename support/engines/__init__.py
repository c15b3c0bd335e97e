"""Engines of our own that run inside Dynamo's environment; nothing here imports the rest of the project."""
