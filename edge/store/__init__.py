"""What survives power loss: inbox, spool and the handles of studies."""
