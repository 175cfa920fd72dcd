"""What the flows share: which deployment they run against, and steps that say what they do.

A flow runs against any deployment that has only its `_system` database and `root`:

    ARANGO_ENDPOINTS=http://127.0.0.1:8529 ARANGO_ROOT_PASSWORD=... ARANGO_MODE=single ARANGO_JWT_SECRET=... \
        python3 FLOW.py
"""

import os
from contextlib import contextmanager

# The coordinators, or the one single server.
ENDPOINTS = os.environ["ARANGO_ENDPOINTS"].split(",")
ROOT_PASSWORD = os.environ["ARANGO_ROOT_PASSWORD"]
# The secret that the deployment signs its tokens with.
JWT_SECRET = os.environ["ARANGO_JWT_SECRET"]
CLUSTER = {"cluster": True, "single": False}[os.environ["ARANGO_MODE"]]
# Whether the deployment runs scripts (`--javascript.allow-admin-execute`). They don't unless they are told to.
EXECUTES = os.environ.get("ARANGO_ADMIN_EXECUTE") == "true"


def step(sentence):
    """Says what comes next; the last such line before a traceback is what failed."""
    print(f"- {sentence}", flush=True)


def equal(seen, expected, about=""):
    """Like `assert seen == expected`, and says what was seen."""
    assert seen == expected and type(seen) is type(expected), f"{seen!r} instead of {expected!r} {about}"


@contextmanager
def refused(error, status, number):
    """Expects that what is inside is refused with that exception of the driver, HTTP status and error number."""
    try:
        yield
    except error as refusal:
        seen = (refusal.http_code, refusal.error_code)
        assert seen == (status, number), f"refused with {seen} instead of {(status, number)}: {refusal}"
    else:
        raise AssertionError(f"{error.__name__} with {(status, number)} was expected, and it was allowed")


def by_role(health, role):
    """The ids of the servers that have this role, from what the cluster says of its health."""
    return sorted(server for server, about in health["Health"].items() if about["Role"] == role)
