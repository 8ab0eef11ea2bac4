"""How commands tell the user what went wrong."""

import functools
import sys
from collections.abc import Callable

from devcloud.errors import DevcloudError


def told(main: Callable[[], int]) -> Callable[[], int]:
    """Errors meant for the user are printed as a sentence, and make exit code 1."""

    @functools.wraps(main)
    def run() -> int:
        try:
            return main()
        except DevcloudError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here", file=sys.stderr)
            return 130

    return run
