"""The life cycle of the clinic's commands on the box."""
