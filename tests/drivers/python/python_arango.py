"""python-arango, the synchronous driver: databases, users, permissions, logins, server and cluster, and what is refused."""

import time

import jwt
from arango import ArangoClient
from arango.exceptions import (
    ClusterHealthError,
    ClusterMaintenanceModeError,
    CollectionCreateError,
    CollectionListError,
    DatabaseCreateError,
    DatabaseDeleteError,
    DatabaseListError,
    DatabasePropertiesError,
    JWTAuthError,
    PermissionListError,
    PermissionResetError,
    PermissionUpdateError,
    ServerConnectionError,
    ServerVersionError,
    UserCreateError,
    UserDeleteError,
    UserGetError,
    UserListError,
    UserReplaceError,
    UserUpdateError,
)
from arango.http import DefaultHTTPClient

from steps import CLUSTER, ENDPOINTS, JWT_SECRET, ROOT_PASSWORD, by_role, equal, refused, step


def databases(client, sys_db):
    step("A database is created once, listed, and deleted once.")
    equal(sys_db.create_database("shop", users=[{"username": "ann", "password": "pw", "active": True}]), True)
    with refused(DatabaseCreateError, 409, 1207):
        sys_db.create_database("shop")
    equal(sorted(sys_db.databases()), ["_system", "shop"])
    equal(sys_db.has_database("shop"), True)
    shop = client.db("shop", "ann", "pw", verify=True)
    properties = shop.properties()
    equal((properties["name"], properties["system"]), ("shop", False), properties)
    assert properties["id"].isdigit(), properties

    step("Names outside ASCII are composed, or refused.")
    equal(sys_db.create_database("Läden größer 🥑"), True)
    equal(client.db("Läden größer 🥑", "root", ROOT_PASSWORD).properties()["name"], "Läden größer 🥑")
    equal(sys_db.delete_database("Läden größer 🥑"), True)
    for name in ["La\u0308den", "1st", "_own", "", "a" * 129]:
        with refused(DatabaseCreateError, 400, 1208):
            sys_db.create_database(name)

    step("Only from `_system`, and only administrators.")
    elsewhere = client.db("shop", "root", ROOT_PASSWORD)
    for call in (elsewhere.databases, lambda: elsewhere.has_database("shop")):
        with refused(DatabaseListError, 403, 1230):
            call()
    with refused(DatabaseCreateError, 403, 1230):
        elsewhere.create_database("other")
    with refused(DatabaseDeleteError, 403, 1230):
        elsewhere.delete_database("shop")
    with refused(DatabaseListError, 401, 11):
        client.db("_system", "ann", "pw").databases()
    with refused(DatabaseDeleteError, 403, 11):
        sys_db.delete_database("_system")


def users(client, sys_db):
    step("A user is created with defaults: active, nothing in `extra`, an empty password.")
    equal(sys_db.create_user("bob"), {"username": "bob", "active": True, "extra": {}})
    equal(sys_db.permissions("bob")["shop"]["permission"], "undefined")
    equal(client.db("_system", "bob", "").user("bob")["active"], True)
    with refused(UserCreateError, 409, 1702):
        sys_db.create_user("bob", "x")
    with refused(UserCreateError, 400, 1700):
        sys_db.create_user("", "x")

    step("Update keeps what isn't said, replace doesn't.")
    sys_db.update_user("bob", password="pw", extra={"a": {"b": 1}})
    equal(sys_db.update_user("bob", extra={"a": {"c": 2}})["extra"], {"a": {"b": 1, "c": 2}})
    equal(client.db("_system", "bob", "pw").user("bob")["active"], True)
    equal(sys_db.replace_user("bob", "new", extra={"z": 1}), {"username": "bob", "active": True, "extra": {"z": 1}})
    equal(client.db("_system", "bob", "new").user("bob")["extra"], {"z": 1})

    step("One who isn't active can't log in, and can again.")
    equal(sys_db.update_user("bob", active=False)["active"], False)
    with refused(JWTAuthError, 401, 401):
        client.db("_system", "bob", "new", auth_method="jwt")
    equal(sys_db.update_user("bob", active=True)["active"], True)

    step("Everybody may see himself and change his password; the rest is for administrators.")
    himself = client.db("shop", "bob", "new")
    equal(himself.user("bob")["username"], "bob")
    himself.update_user("bob", password="newer")
    himself = client.db("_system", "bob", "newer")
    with refused(UserGetError, 403, 403):
        himself.user("root")
    with refused(UserUpdateError, 403, 11):
        himself.update_user("root", password="x")
    with refused(UserDeleteError, 403, 11):
        himself.delete_user("ann")
    # Without a slash after it, the path isn't one that those without rights may use.
    with refused(UserListError, 401, 11):
        himself.users()

    step("Who isn't there can't be read, changed or deleted; root can't be deleted at all.")
    with refused(UserGetError, 404, 1703):
        sys_db.user("nobody")
    with refused(UserUpdateError, 404, 1703):
        sys_db.update_user("nobody", password="x")
    with refused(UserReplaceError, 404, 1703):
        sys_db.replace_user("nobody", "x")
    with refused(UserDeleteError, 404, 1703):
        sys_db.delete_user("nobody")
    equal(sys_db.delete_user("nobody", ignore_missing=True), False)
    with refused(UserDeleteError, 403, 11):
        sys_db.delete_user("root")
    equal(sorted(user["username"] for user in sys_db.users()), ["ann", "bob", "root"])


def permissions(client, sys_db):
    bob = client.db("shop", "bob", "newer")

    step("Without a right on a database there is no access, and no word whether it exists.")
    for name in ("shop", "missing"):
        with refused(ServerVersionError, 401, 11):
            client.db(name, "bob", "newer").version()
    with refused(DatabasePropertiesError, 404, 1228):
        client.db("missing", "root", ROOT_PASSWORD).properties()

    step("Read only: he sees the collections and makes none.")
    equal(sys_db.update_permission("bob", "ro", "shop"), True)
    equal(sys_db.permission("bob", "shop"), "ro")
    bob.collections()
    with refused(CollectionCreateError, 403, 11):
        bob.create_collection("orders")

    step("Read and write: he makes one; the right on it is the database's until it has its own.")
    sys_db.update_permission("bob", "rw", "shop")
    bob.create_collection("orders")
    equal(sys_db.permission("bob", "shop", "orders"), "rw")
    sys_db.update_permission("bob", "none", "shop", "orders")
    equal(sys_db.permission("bob", "shop", "orders"), "none")
    full = sys_db.permissions("bob")["shop"]
    equal((full["permission"], full["collections"]["orders"], full["collections"]["*"]), ("rw", "none", "undefined"))

    step("Reset: the collection's, then the database's.")
    equal(sys_db.reset_permission("bob", "shop", "orders"), True)
    equal(sys_db.permission("bob", "shop", "orders"), "rw")
    equal(sys_db.reset_permission("bob", "shop"), True)
    equal(sys_db.permission("bob", "shop"), "none")
    with refused(CollectionListError, 401, 11):
        bob.collections()

    step("The wildcard is for databases without an entry of their own; `none` is an entry.")
    sys_db.update_permission("bob", "ro", "*")
    equal(sys_db.permission("bob", "shop"), "ro")
    equal(sys_db.permissions("bob")["*"]["permission"], "ro")
    sys_db.update_permission("bob", "none", "shop")
    equal(sys_db.permission("bob", "shop"), "none")
    sys_db.reset_permission("bob", "shop")
    equal(sys_db.permission("bob", "shop"), "ro")
    sys_db.reset_permission("bob", "*")
    equal(sys_db.permission("bob", "shop"), "none")

    step("A right on `_system` is one on every database without an entry.")
    sys_db.update_permission("bob", "rw", "_system")
    equal(sys_db.permission("bob", "shop"), "rw")
    equal(sorted(client.db("_system", "bob", "newer").databases()), ["_system", "shop"])
    sys_db.reset_permission("bob", "_system")

    step("What is refused: an unknown level, user or collection; root's own right; and without being administrator.")
    with refused(PermissionUpdateError, 400, 10):
        sys_db.update_permission("bob", "admin", "shop")
    with refused(PermissionUpdateError, 404, 1703):
        sys_db.update_permission("nobody", "rw", "shop")
    with refused(PermissionUpdateError, 404, 1203):
        sys_db.update_permission("bob", "rw", "shop", "missing")
    with refused(PermissionResetError, 404, 1703):
        sys_db.reset_permission("nobody", "shop")
    with refused(PermissionUpdateError, 403, 11):
        sys_db.update_permission("root", "ro", "_system")
    ann = client.db("shop", "ann", "pw")
    with refused(PermissionUpdateError, 403, 11):
        ann.update_permission("ann", "rw", "_system")
    with refused(PermissionListError, 403, 403):
        ann.permissions("bob")

    step("Dropping a database takes the rights on it away, and a new one with its name starts without.")
    equal(sys_db.permission("ann", "shop"), "rw")
    equal(sys_db.delete_database("shop"), True)
    equal(sys_db.delete_database("shop", ignore_missing=True), False)
    with refused(DatabaseDeleteError, 404, 1228):
        sys_db.delete_database("shop")
    sys_db.create_database("shop")
    equal(sys_db.permission("ann", "shop"), "none")


def signed(**claims):
    now = int(time.time())
    return jwt.encode({"iss": "arangodb", "iat": now, "exp": now + 60, **claims}, JWT_SECRET, algorithm="HS256")


def logins(client, sys_db):
    step("Basic and token, with the right and with a wrong password.")
    equal(client.db("_system", "root", ROOT_PASSWORD, verify=True, auth_method="jwt").has_database("shop"), True)
    with refused(JWTAuthError, 401, 401):
        client.db("_system", "root", "wrong", auth_method="jwt")
    with refused(ServerVersionError, 401, 11):
        client.db("_system", "root", "wrong").version()
    with refused(ServerConnectionError, 401, 11):
        client.db("_system", "root", "wrong", verify=True)

    step("A token outlives a change of the password.")
    sys_db.update_permission("ann", "rw", "shop")
    ann = client.db("shop", "ann", "pw", auth_method="jwt")
    token = ann.conn._token
    sys_db.update_user("ann", password="changed")
    equal(client.db("shop", user_token=token).name, "shop")
    client.db("shop", user_token=token).version()
    with refused(ServerVersionError, 401, 11):
        client.db("shop", "ann", "pw").version()

    step("Tokens signed with the deployment's secret: a server's is a superuser, a user's is that user.")
    superuser = client.db("_system", superuser_token=signed(server_id="test"))
    equal(superuser.has_user("ann"), True)
    as_ann = client.db("shop", superuser_token=signed(preferred_username="ann"))
    as_ann.version()
    with refused(DatabaseCreateError, 403, 1230):
        as_ann.create_database("other")

    step("Tokens that are expired, from another issuer, signed with another secret, or no tokens at all.")
    now = int(time.time())
    bad = [
        signed(server_id="test", iat=now - 120, exp=now - 60),
        signed(server_id="test", iss="somebody"),
        jwt.encode({"iss": "arangodb", "server_id": "test", "exp": now + 60}, "another secret" * 3, algorithm="HS256"),
        jwt.encode({"iss": "arangodb", "server_id": "test", "exp": now + 60}, None, algorithm="none"),
        "no.token.atall",
        "",
    ]
    for token in bad:
        with refused(ServerVersionError, 401, 11):
            client.db("_system", superuser_token=token).version()

    step("A token for some paths opens no other.")
    some = client.db("_system", superuser_token=signed(server_id="test", allowed_paths=["/_api/version"]))
    some.version()
    with refused(DatabaseListError, 401, 11):
        some.databases()


def server(sys_db):
    step("What the server says of itself.")
    assert sys_db.version().startswith("3."), sys_db.version()
    equal(sys_db.details()["mode"], "server")
    equal(sys_db.engine()["name"], "rocksdb")
    equal(sys_db.role(), "COORDINATOR" if CLUSTER else "SINGLE")
    equal(sys_db.status()["server"], "arango")
    # The driver reads it as a local time without a zone.
    assert abs(sys_db.time().timestamp() - time.time()) < 60, sys_db.time()
    assert {"time", "system", "server"} <= sys_db.statistics().keys()
    assert {"figures", "groups"} <= sys_db.statistics(description=True).keys()
    equal(sys_db.cluster.server_mode(), "default")


def cluster(cluster):
    if not CLUSTER:
        step("A single server is no cluster.")
        with refused(ClusterHealthError, 403, 403):
            cluster.health()
        with refused(ClusterMaintenanceModeError, 403, 403):
            cluster.toggle_maintenance_mode("on")
        return

    step("The cluster's servers, and each one's version, engine and statistics.")
    health = cluster.health()
    coordinators = by_role(health, "Coordinator")
    equal(len(coordinators), len(ENDPOINTS))
    assert cluster.server_id() in coordinators
    for coordinator in coordinators:
        equal(cluster.server_version(coordinator)["server"], "arango")
        equal(cluster.server_engine(coordinator)["name"], "rocksdb")
        assert {"time", "system", "enabled"} <= cluster.server_statistics(coordinator).keys()
    equal(len(cluster.endpoints()), len(ENDPOINTS))

    step("Maintenance of the supervision, and of one DB-Server.")
    assert "warning" in cluster.toggle_maintenance_mode("on")
    assert "warning" in cluster.toggle_maintenance_mode("off")
    with refused(ClusterMaintenanceModeError, 400, 10):
        cluster.toggle_maintenance_mode("perhaps")
    db_server = by_role(health, "DBServer")[0]
    cluster.toggle_server_maintenance_mode(db_server, "maintenance", timeout=30)
    equal(cluster.server_maintenance_mode(db_server)["Mode"], "maintenance")
    cluster.toggle_server_maintenance_mode(db_server, "normal")
    equal(cluster.server_maintenance_mode(db_server), {})


def main():
    # Each answer is looked at as it came: the driver's own client repeats a 500 until it gives up without showing it.
    client = ArangoClient(
        hosts=ENDPOINTS, host_resolver="roundrobin", http_client=DefaultHTTPClient(retry_attempts=0)
    )
    sys_db = client.db("_system", username="root", password=ROOT_PASSWORD, verify=True)
    databases(client, sys_db)
    users(client, sys_db)
    permissions(client, sys_db)
    logins(client, sys_db)
    server(sys_db)
    cluster(sys_db.cluster)
    step("Clean up.")
    equal(sys_db.delete_database("shop"), True)
    for name in ("ann", "bob"):
        equal(sys_db.delete_user(name), True)


main()
