"""Text in a room, in any script, from drawn lines."""
