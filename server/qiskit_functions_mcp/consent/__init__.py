"""Asking the person before something is overwritten, deleted, run as code on this machine, or paid for."""
