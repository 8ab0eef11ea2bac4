"""What our runbooks write on the things that they make: by which run, and until when it is kept."""
