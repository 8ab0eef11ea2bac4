"""Named commands of the configuration, run on hosts by steps of a plan."""
