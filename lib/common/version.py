"""The pack's version, also in pack.yaml (a test holds them equal): reading YAML costs start-up."""

VERSION = "0.6.0"
