"""Making images of files and addresses, and replacing old ones of a family by a new one."""
