"""What the message broker is given: the hash of its password, and certificates."""

import base64
import hashlib
from pathlib import Path

from devcloud.settings import Settings, private_file
from devcloud.work import run_to_end

SERVER, CLIENT = "localhost", "runner"

_DAYS = "3650"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"


def password_hash(password: str) -> str:
    """A password as definitions of RabbitMQ have it: the same each time, so that files are too."""
    salt = hashlib.sha256(password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def certificates(settings: Settings) -> Path:
    """Where the certificates are, `ca.crt` among them."""
    return settings.var / "rabbitmq/tls"


def make_certificates(settings: Settings) -> None:
    """Make what is missing of them; a certificate comes last, so it has its key."""
    folder, log = certificates(settings), settings.log / "rabbitmq-tls.log"

    def openssl(*words: str | Path) -> None:
        run_to_end((settings.program("openssl"), *words), log)

    authority = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial")
    if not (folder / "ca.crt").exists():
        subject = ("-subj", "/CN=devcloud broker authority", "-days", _DAYS)
        openssl(
            *("req", "-x509", *_KEY, *subject),
            *("-keyout", folder / "ca.key", "-out", folder / "ca.crt"),
        )
    private_file(folder / "names.cnf", _NAMES)
    for name in (SERVER, CLIENT):
        if (folder / f"{name}.crt").exists():
            continue
        request = folder / f"{name}.csr"
        files = ("-keyout", folder / f"{name}.key", "-out", request)
        openssl("req", *_KEY, "-subj", f"/CN={name}", *files)
        openssl(
            *("x509", "-req", "-in", request, *authority, "-days", _DAYS),
            *("-extfile", folder / "names.cnf", "-out", folder / f"{name}.crt"),
        )
