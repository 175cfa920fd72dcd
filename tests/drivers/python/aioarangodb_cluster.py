"""The page "Clusters" of aioarangodb 0.1.2's documentation, line by line, and a few calls beside it.

The page's `cluster.statistics(server_id)` is `cluster.server_statistics(server_id)` in what was released.
"""

import asyncio
from collections import Counter

from aioarangodb import ArangoClient
from aioarangodb.exceptions import (
    ClusterHealthError,
    ClusterMaintenanceModeError,
    ClusterServerIDError,
    DatabaseCreateError,
    JWTAuthError,
    UserCreateError,
)

from steps import CLUSTER, ENDPOINTS, ROOT_PASSWORD, by_role, equal, refused, step


async def root(client, **more):
    return await client.db("_system", username="root", password=ROOT_PASSWORD, **more)


async def asked(client, times):
    """How often which server answered."""
    cluster = (await root(client)).cluster
    return Counter([await cluster.server_id() for _ in range(times)])


async def hosts():
    """The three ways to say where the coordinators are, and the two ways to choose among them."""
    step("A single host: always the same server.")
    client = ArangoClient(hosts=ENDPOINTS[0])
    equal(list((await asked(client, 6)).values()), [6])
    await client.close()

    for way, value in [("A list of hosts", ENDPOINTS), ("A comma-separated string", ",".join(ENDPOINTS))]:
        step(f"{way}, `roundrobin`: each of the servers in turn, so each equally often.")
        client = ArangoClient(hosts=value, host_resolver="roundrobin")
        equal(client.hosts, ENDPOINTS)
        equal(list((await asked(client, 2 * len(ENDPOINTS))).values()), [2] * len(ENDPOINTS))
        await client.close()

    step("A list of hosts, `random`: each of the servers some time.")
    client = ArangoClient(hosts=ENDPOINTS, host_resolver="random")
    # That one of three is never drawn in 100 times happens once in 10^17 runs.
    equal(len(await asked(client, 100)), len(ENDPOINTS))
    await client.close()


async def administration(cluster):
    step("Get this server's ID.")
    server_id = await cluster.server_id()

    step("Get this server's role.")
    equal(await cluster.server_role(), "COORDINATOR")

    step("Get the cluster health.")
    health = await cluster.health()
    assert server_id in by_role(health, "Coordinator"), (server_id, health)
    equal(len(by_role(health, "Coordinator")), len(ENDPOINTS))
    assert by_role(health, "DBServer") and by_role(health, "Agent"), health
    assert all(about["Status"] == "GOOD" for about in health["Health"].values()), health
    assert health["ClusterId"], health

    step("Get statistics for a specific server.")
    statistics = await cluster.server_statistics(server_id)
    assert {"time", "system", "enabled"} <= statistics.keys(), statistics

    step('Toggle maintenance mode (allowed values are "on" and "off").')
    on = await cluster.toggle_maintenance_mode("on")
    equal(on["error"], False)
    assert "deactivated" in on["warning"], on
    off = await cluster.toggle_maintenance_mode("off")
    equal(off["error"], False)
    assert "reactivated" in off["warning"], off
    with refused(ClusterMaintenanceModeError, 400, 10):
        await cluster.toggle_maintenance_mode("perhaps")

    step("Beside the page: version and engine of a server, and the endpoints of all.")
    equal((await cluster.server_version(server_id))["server"], "arango")
    equal((await cluster.server_engine(server_id))["name"], "rocksdb")
    ports = sorted(endpoint.rsplit(":", 1)[1] for endpoint in await cluster.endpoints())
    equal(ports, sorted(endpoint.rsplit(":", 1)[1] for endpoint in ENDPOINTS))


async def single_server(cluster):
    step("A single server has a role, and no ID, health or maintenance.")
    equal(await cluster.server_role(), "SINGLE")
    with refused(ClusterServerIDError, 500, 500):
        await cluster.server_id()
    with refused(ClusterHealthError, 403, 403):
        await cluster.health()
    with refused(ClusterMaintenanceModeError, 403, 403):
        await cluster.toggle_maintenance_mode("on")


async def users(client, sys_db):
    step("Create a database along with a user, who may administrate it and nothing else.")
    equal(await sys_db.create_database("test", users=[{"username": "ann", "password": "pw", "active": True}]), True)
    ann = await client.db("test", username="ann", password="pw", verify=True)
    with refused(DatabaseCreateError, 403, 1230):
        await ann.create_database("other")
    with refused(UserCreateError, 403, 11):
        await ann.create_user("bob", "pw")
    equal(await sys_db.permission("ann", "test"), "rw")

    step("Log in for a token; with a wrong password there is none.")
    ann = await client.db("test", username="ann", password="pw", auth_method="jwt", verify=True)
    equal((await ann.properties())["name"], "test")
    with refused(JWTAuthError, 401, 401):
        await client.db("test", username="ann", password="no", auth_method="jwt")

    step("Clean up.")
    equal(await sys_db.delete_database("test"), True)
    equal(await sys_db.delete_user("ann"), True)


async def main():
    if CLUSTER:
        await hosts()
    client = ArangoClient(hosts=ENDPOINTS)
    try:
        sys_db = await root(client, verify=True)
        await (administration if CLUSTER else single_server)(sys_db.cluster)
        await users(client, sys_db)
    finally:
        await client.close()


asyncio.run(main())
