"""The appliance: frames in, anonymous findings out, sealed to the clinic."""

__version__ = "0.1.0"
