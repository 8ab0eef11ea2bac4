"""The reading lane to a cloud: fast, typed, read-only, without openstacksdk."""
