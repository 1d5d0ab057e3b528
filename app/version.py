"""The version, as the change log counts it."""

VERSION = "0.1.0"
