"""The changing lane to a cloud: typed functions over openstacksdk, each one change."""
