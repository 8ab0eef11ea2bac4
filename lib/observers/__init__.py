"""What sensors see: each module says what one looks at, ``changes`` what of it is news."""
