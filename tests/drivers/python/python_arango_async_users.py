"""The pages "Users and Permissions" and "Clusters" of python-arango-async's documentation, line by line."""

import asyncio

from arangoasync import ArangoClient
from arangoasync.auth import Auth
from arangoasync.exceptions import (
    ClusterHealthError,
    ClusterServerIDError,
    PermissionUpdateError,
    UserCreateError,
    UserDeleteError,
    UserGetError,
    UserReplaceError,
    UserUpdateError,
)
from arangoasync.typings import UserInfo

from steps import CLUSTER, ENDPOINTS, ROOT_PASSWORD, by_role, equal, refused, step

NAME = "johndoe@gmail.com"


async def users(client, sys_db):
    step("List all users.")
    equal([user.user for user in await sys_db.users()], ["root"])

    step("Create a user. Creating him again is refused.")
    johndoe = UserInfo(
        user=NAME, password="first_password", active=True, extra={"team": "backend", "title": "engineer"}
    )
    created = await sys_db.create_user(johndoe)
    equal((created.user, created.active, created.extra), (NAME, True, johndoe.extra))
    with refused(UserCreateError, 409, 1702):
        await sys_db.create_user(johndoe)

    step("Check if a user exists, and retrieve his details.")
    equal(await sys_db.has_user(johndoe.user), True)
    equal(await sys_db.has_user("nobody"), False)
    equal(await sys_db.user(johndoe.user), created)
    with refused(UserGetError, 404, 1703):
        await sys_db.user("nobody")

    step("Update him: the password changes, and what is in `extra` is merged.")
    await sys_db.update_permission(NAME, "rw", "test")
    johndoe["password"] = "second_password"
    johndoe["extra"] = {"team": "frontend"}
    updated = await sys_db.update_user(johndoe)
    equal(updated.extra, {"team": "frontend", "title": "engineer"})
    await client.db("test", auth=Auth(NAME, "second_password"), verify=True)
    with refused(UserUpdateError, 404, 1703):
        await sys_db.update_user(UserInfo(user="nobody", password="x"))

    step("Replace him: what is in `extra` is replaced, and his permissions are gone.")
    johndoe["password"] = "third_password"
    johndoe["extra"] = {"title": "architect"}
    replaced = await sys_db.replace_user(johndoe)
    equal(replaced.extra, {"title": "architect"})
    equal(await sys_db.permission(NAME, "test"), "none")
    with refused(UserReplaceError, 404, 1703):
        await sys_db.replace_user(UserInfo(user="nobody", password="x"))


async def permissions(client, sys_db):
    step("Where nothing is configured, the listing says `undefined` and the level is `none`.")
    equal((await sys_db.permissions(NAME))["test"]["permission"], "undefined")
    equal(await sys_db.permission(username=NAME, database="test"), "none")
    equal(await sys_db.permission(username=NAME, database="test", collection="students"), "none")

    step("Update his permission on the database, and on the collection.")
    equal(await sys_db.update_permission(username=NAME, permission="rw", database="test"), True)
    equal(await sys_db.permission(username=NAME, database="test"), "rw")
    changed = await sys_db.update_permission(username=NAME, permission="ro", database="test", collection="students")
    equal(changed, True)
    equal(await sys_db.permission(username=NAME, database="test", collection="students"), "ro")
    equal((await sys_db.permissions(NAME))["test"]["collections"]["students"], "ro")

    step("What the server refuses: a level that there is not, a user or a collection that is missing.")
    with refused(PermissionUpdateError, 400, 10):
        await sys_db.update_permission(NAME, "all", "test")
    with refused(PermissionUpdateError, 404, 1703):
        await sys_db.update_permission("nobody", "rw", "test")
    with refused(PermissionUpdateError, 404, 1203):
        await sys_db.update_permission(NAME, "rw", "test", "missing")

    step("He may use his database, and may change no rights, not even his own.")
    db = await client.db("test", auth=Auth(NAME, "third_password"), verify=True)
    with refused(PermissionUpdateError, 403, 11):
        await db.update_permission(NAME, "rw", "_system")
    with refused(UserCreateError, 403, 11):
        await db.create_user(UserInfo(user="friend", password="x"))
    with refused(UserDeleteError, 403, 11):
        await db.delete_user("root")

    step("Reset his permission on the collection, then on the database.")
    equal(await sys_db.reset_permission(username=NAME, database="test", collection="students"), True)
    equal(await sys_db.permission(username=NAME, database="test", collection="students"), "rw")
    equal(await sys_db.reset_permission(username=NAME, database="test"), True)
    equal(await sys_db.permission(username=NAME, database="test"), "none")

    step("Delete him.")
    equal(await sys_db.delete_user(NAME), True)
    with refused(UserDeleteError, 404, 1703):
        await sys_db.delete_user(NAME)
    equal(await sys_db.delete_user(NAME, ignore_missing=True), False)


async def cluster(sys_db):
    cluster = sys_db.cluster
    step("The server's id and role.")
    if not CLUSTER:
        equal(await cluster.server_role(), "SINGLE")
        with refused(ClusterServerIDError, 500, 500):
            await cluster.server_id()
        step("A single server has no health of a cluster.")
        with refused(ClusterHealthError, 403, 403):
            await cluster.health()
        return
    equal(await cluster.server_role(), "COORDINATOR")
    health = await cluster.health()
    assert await cluster.server_id() in by_role(health, "Coordinator"), health

    step("The coordinators' endpoints are those of the health.")
    endpoints = await cluster.endpoints()
    known = [about["Endpoint"] for about in health["Health"].values() if about["Role"] == "Coordinator"]
    equal(sorted(endpoints), sorted(known), (endpoints, known))

    step("The statistics of a DB-Server.")
    db_server = by_role(health, "DBServer")[0]
    statistics = await cluster.statistics(db_server)
    assert {"time", "enabled", "system", "client", "http", "server"} <= statistics.keys(), statistics

    step("Turn the supervision's maintenance mode on and off.")
    assert "warning" in await cluster.toggle_maintenance_mode("on")
    assert "warning" in await cluster.toggle_maintenance_mode("off")

    step("Take a DB-Server into maintenance and back.")
    await cluster.toggle_server_maintenance_mode(db_server, "maintenance", timeout=30)
    status = await cluster.server_maintenance_mode(db_server)
    equal(status["result"]["Mode"], "maintenance", status)
    await cluster.toggle_server_maintenance_mode(db_server, "normal")
    assert "result" not in await cluster.server_maintenance_mode(db_server)


async def main():
    async with ArangoClient(hosts=ENDPOINTS, host_resolver="roundrobin") as client:
        sys_db = await client.db("_system", auth=Auth(username="root", password=ROOT_PASSWORD), verify=True)
        await sys_db.create_database("test")
        test = await client.db("test", auth=Auth(username="root", password=ROOT_PASSWORD))
        await test.create_collection("students")
        await users(client, sys_db)
        await permissions(client, sys_db)
        await cluster(sys_db)
        await sys_db.delete_database("test")


asyncio.run(main())
