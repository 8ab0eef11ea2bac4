"""What can go wrong, said in a sentence for whoever typed the command."""


class DevcloudError(Exception):
    """The message is for the user: what is wrong, and what to do next."""
