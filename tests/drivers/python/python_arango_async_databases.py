"""The page "Databases" of python-arango-async's documentation, line by line, and what it doesn't show but says."""

import asyncio
import json

from arangoasync import ArangoClient
from arangoasync.auth import Auth, JwtToken
from arangoasync.exceptions import (
    CollectionListError,
    DatabaseCreateError,
    DatabaseDeleteError,
    DatabaseListError,
    ServerConnectionError,
    ServerVersionError,
)
from arangoasync.request import Method, Request

from steps import CLUSTER, ENDPOINTS, EXECUTES, JWT_SECRET, ROOT_PASSWORD, equal, refused, step


async def main():
    hosts = ENDPOINTS if CLUSTER else ENDPOINTS[0]
    async with ArangoClient(hosts=hosts, host_resolver="roundrobin" if CLUSTER else "default") as client:
        auth = Auth(username="root", password=ROOT_PASSWORD)

        step('Connect to the database "_system" as root.')
        sys_db = await client.db("_system", auth=auth, verify=True)

        step("List all databases.")
        equal(await sys_db.databases(), ["_system"])

        step('Create a database "test" if it does not exist. Creating it again is refused.')
        assert not await sys_db.has_database("test")
        equal(await sys_db.create_database("test"), True)
        assert await sys_db.has_database("test")
        equal(sorted(await sys_db.databases()), ["_system", "test"])
        with refused(DatabaseCreateError, 409, 1207):
            await sys_db.create_database("test")

        step("Delete it. Deleting it again is refused, unless it may be missing.")
        equal(await sys_db.delete_database("test"), True)
        assert not await sys_db.has_database("test")
        with refused(DatabaseDeleteError, 404, 1228):
            await sys_db.delete_database("test")
        equal(await sys_db.delete_database("test", ignore_missing=True), False)

        step('Create "test" along with a new set of users.')
        created = await sys_db.create_database(
            name="test",
            users=[
                {"username": "jane", "password": "foo", "active": True},
                {"username": "john", "password": "bar", "active": True},
                {"username": "jake", "password": "baz", "active": True},
            ],
        )
        equal(created, True)

        step("Only these users and root have access to it.")
        for name, password in [("jane", "foo"), ("john", "bar"), ("jake", "baz")]:
            equal(await sys_db.permission(name, "test"), "rw", name)
            await client.db("test", auth=Auth(name, password), verify=True)
        await client.db("test", auth=auth, verify=True)
        await sys_db.create_user({"user": "jill", "password": "qux"})
        equal(await sys_db.permission("jill", "test"), "none")
        stranger = await client.db("test", auth=Auth("jill", "qux"))
        with refused(ServerVersionError, 401, 11):
            await stranger.version()

        step('Connect to "test" as jane. With another password she can not.')
        db = await client.db("test", auth=Auth("jane", "foo"), verify=True)
        impostor = await client.db("test", auth=Auth("jane", "bar"))
        with refused(ServerVersionError, 401, 11):
            await impostor.version()
        try:
            await client.db("test", auth=Auth("jane", "bar"), verify=True)
            raise AssertionError("a wrong password passed for a verified connection")
        except ServerConnectionError as refusal:
            # The driver words all of 401 and 403 like this.
            assert "401" in str(refusal), refusal

        step("Make sure that jane has read and write permissions.")
        equal(await sys_db.update_permission(username="jane", permission="rw", database="test"), True)
        equal(await sys_db.permission("jane", "test"), "rw")
        equal((await sys_db.permissions("jane"))["test"]["permission"], "rw")
        equal(await sys_db.permissions("jane", full=False), {"test": "rw"})

        step("Retrieve the name, the version, the status and the collections of the database.")
        equal(db.name, "test")
        version = await db.version()
        equal(version["server"], "arango", version)
        assert version["version"].startswith("3."), version
        status = await db.status()
        equal(status["server"], "arango", status)
        equal(status["version"], version["version"], status)
        equal(status.server_info["role"], "COORDINATOR" if CLUSTER else "SINGLE", status.server_info)
        collections = await db.collections()
        assert collections and all(collection.is_system for collection in collections), collections
        await db.create_collection("students")
        equal([c.name for c in await db.collections() if not c.is_system], ["students"])
        properties = await db.properties()
        equal((properties.name, properties.is_system), ("test", False))

        step("jane administrates her database and no other.")
        with refused(DatabaseCreateError, 403, 1230):
            await db.create_database("other")
        with refused(DatabaseListError, 403, 1230):
            await db.databases()
        equal(await db.databases_accessible_to_user(), ["test"])

        step("Log in with a password and use tokens, as jane and as a superuser.")
        jane = await client.db("test", auth_method="jwt", auth=Auth("jane", "foo"), verify=True)
        equal(await jane.databases_accessible_to_user(), ["test"])
        token = JwtToken.generate_token(JWT_SECRET)
        superuser = await client.db("_system", auth_method="superuser", token=token, verify=True)
        equal(sorted(await superuser.databases()), ["_system", "test"])
        forged = await client.db("test", auth_method="superuser", token=JwtToken.generate_token("not the secret" * 3))
        with refused(CollectionListError, 401, 11):
            await forged.collections()

        step("Delete the database. The new users remain.")
        equal(await sys_db.delete_database("test"), True)
        equal(sorted(user.user for user in await sys_db.users()), ["jake", "jane", "jill", "john", "root"])
        # An administrator is told what is missing, anybody else learns nothing.
        gone = await client.db("test", auth=auth)
        with refused(ServerVersionError, 404, 1228):
            await gone.version()
        with refused(ServerVersionError, 401, 11):
            await db.version()

        step("Send custom requests.")
        request = Request(method=Method.POST, endpoint="/_admin/execute", data="return 1".encode("utf-8"))
        response = await sys_db.request(request)
        if EXECUTES:
            equal((response.status_code, response.raw_body), (200, b"1"))
        else:
            equal((response.status_code, json.loads(response.raw_body)["errorNum"]), (404, 404), response.raw_body)
        request = Request(method=Method.POST, endpoint="/_api/user", data='{"user": "jo"}'.encode("utf-8"))
        response = await sys_db.request(request)
        equal((response.status_code, json.loads(response.raw_body)["user"]), (201, "jo"), response.raw_body)

        step("Clean up.")
        for name in ["jane", "john", "jake", "jill", "jo"]:
            equal(await sys_db.delete_user(name), True, name)
        equal([user.user for user in await sys_db.users()], ["root"])


asyncio.run(main())
