"""Keys of SSH, made when they are missing."""

import os
import subprocess
from pathlib import Path

from devcloud.settings import Settings

KINDS = {"ed25519": (), "ecdsa": ("-b", "256"), "rsa": ("-b", "3072")}


def make_key(settings: Settings, path: Path, kind: str, passphrase: str = "") -> None:
    """Make a key of a type, with its public half in `<path>.pub`, unless it is there."""
    if path.with_suffix(".pub").exists():
        return
    path.unlink(missing_ok=True)
    options = ["-q", "-t", kind, *KINDS[kind], "-C", "devcloud", "-f", path]
    # standard input and not the command line, which everybody on this machine can read
    subprocess.run(
        [settings.program("ssh-keygen"), *options],
        input=f"{passphrase}\n{passphrase}\n",
        text=True,
        check=True,
        capture_output=True,
        env=os.environ | settings.libraries,
    )
