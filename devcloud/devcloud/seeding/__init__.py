"""Making the estate of ``estate.yaml`` in a devcloud.

This runs in the devcloud's virtualenv, with openstacksdk: see `devcloud.commands.seed`.
"""
