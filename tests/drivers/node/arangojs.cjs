// arangojs: databases, users, rights, logins and what a server says of itself, and what is refused.
//
// Its paths are its own: everything is asked under /_db/NAME, also logins, and names are escaped in full.
//
//     ARANGO_ENDPOINTS=http://127.0.0.1:8529 ARANGO_ROOT_PASSWORD=... ARANGO_MODE=single node arangojs.cjs

const assert = require("node:assert/strict");
const { Database } = require("arangojs");

const ENDPOINTS = process.env.ARANGO_ENDPOINTS.split(",");
const PASSWORD = process.env.ARANGO_ROOT_PASSWORD;
const CLUSTER = process.env.ARANGO_MODE === "cluster";

const step = (sentence) => console.log(`- ${sentence}`);

// Expects an error of ArangoDB's own, with that HTTP status and error number.
async function refused(status, number, promise) {
  const outcome = await promise.then(
    (value) => ({ allowed: value }),
    ({ name, code, errorNum }) => ({ name, code, errorNum }),
  );
  assert.deepEqual(outcome, { name: "ArangoError", code: status, errorNum: number });
}

// A connection that rotates over all coordinators, as that user.
function connect(databaseName, username, password) {
  const auth = { username, password };
  return new Database({ url: ENDPOINTS, databaseName, auth, loadBalancingStrategy: "ROUND_ROBIN" });
}

async function databases(system) {
  step("A database is created along with users, who may use it.");
  const users = [{ username: "ann", passwd: "pw", active: true, extra: { team: "shop" } }, { username: "bob" }];
  const shop = await system.createDatabase("shop", { users });
  assert.equal(await shop.exists(), true);
  assert.equal(await system.database("missing").exists(), false);
  assert.deepEqual((await system.listDatabases()).sort(), ["_system", "shop"]);
  await refused(409, 1207, system.createDatabase("shop"));
  await refused(400, 1208, system.createDatabase("1st"));
  const ann = connect("shop", "ann", "pw");
  const { name, isSystem, id } = await ann.get();
  assert.deepEqual([name, isSystem, typeof id], ["shop", false, "string"]);
  assert.deepEqual(await ann.listUserDatabases(), ["shop"]);
  assert.deepEqual((await system.getUser("ann")).extra, { team: "shop" });

  step("Names with spaces, percent signs and letters of all kinds.");
  for (const name of ["Läden größer", "all 100% + b?", "🥑"]) {
    const database = await system.createDatabase(name);
    assert.equal((await database.get()).name, name);
    assert.equal(await system.dropDatabase(name), true);
  }

  step("Only from _system, and only administrators.");
  await refused(403, 1230, ann.createDatabase("other"));
  await refused(403, 1230, ann.listDatabases());
  await refused(404, 1228, system.dropDatabase("missing"));
  await refused(404, 1228, connect("missing", "root", PASSWORD).get());
  await refused(401, 11, connect("missing", "ann", "pw").get());
}

async function users(system) {
  step("A user is created, changed, replaced and removed, also one whose name has a slash or a percent sign in it.");
  for (const name of ["jo", "a/b", "50% ü@example.org"]) {
    const made = await system.createUser(name, { passwd: "pw", active: true, extra: { a: 1 } });
    assert.deepEqual([made.user, made.active, made.extra], [name, true, { a: 1 }]);
    await refused(409, 1702, system.createUser(name, "pw"));
    assert.deepEqual((await system.updateUser(name, { extra: { b: 2 } })).extra, { a: 1, b: 2 });
    assert.deepEqual((await system.replaceUser(name, { passwd: "new", extra: { c: 3 } })).extra, { c: 3 });
    // By token: for HTTP Basic the driver writes the name in Latin-1, which no server takes for the same name.
    const himself = new Database({ url: ENDPOINTS });
    await himself.login(name, "new");
    assert.equal((await himself.getUser(name)).user, name);
    await system.removeUser(name);
    await refused(404, 1703, system.getUser(name));
    await refused(404, 1703, system.removeUser(name));
  }
  await refused(404, 1703, system.updateUser("nobody", "x"));
  await refused(403, 11, system.removeUser("root"));

  step("Others than administrators see and change themselves only.");
  const ann = connect("shop", "ann", "pw");
  assert.equal((await ann.getUser("ann")).user, "ann");
  await refused(403, 403, ann.getUser("bob"));
  await refused(403, 11, ann.updateUser("bob", "x"));
  await refused(403, 11, ann.createUser("eve", "x"));
  assert.deepEqual((await system.listUsers()).map(({ user }) => user).sort(), ["ann", "bob", "root"]);
}

async function rights(system) {
  step("A right is set, read, listed and cleared; the answers name what was changed.");
  const database = "shop";
  await system.database(database).createCollection("orders");
  const bob = connect(database, "bob", "");
  assert.equal(await system.getUserAccessLevel("bob", { database }), "rw");
  const { error, code, ...changed } = await system.setUserAccessLevel("bob", { database }, "ro");
  assert.deepEqual([error, code, changed], [false, 200, { shop: "ro" }]);
  await refused(403, 11, bob.createCollection("more"));
  assert.deepEqual((await bob.listCollections()).map(({ name }) => name), ["orders"]);

  const collection = "orders";
  const narrowed = await system.setUserAccessLevel("bob", { database, collection }, "none");
  assert.equal(narrowed["shop/orders"], "none");
  assert.equal(await system.getUserAccessLevel("bob", { database, collection }), "none");
  assert.deepEqual(await system.getUserDatabases("bob"), { shop: "ro" });
  const full = await system.getUserDatabases("bob", true);
  assert.deepEqual([full.shop.permission, full.shop.collections.orders], ["ro", "none"]);
  assert.equal(full._system.permission, "undefined");

  await system.clearUserAccessLevel("bob", { database });
  assert.equal(await system.getUserAccessLevel("bob", { database }), "none");
  await refused(401, 11, bob.listCollections());

  step("What is refused: an unknown level, user or collection, and without being administrator.");
  await refused(400, 10, system.setUserAccessLevel("bob", { database }, "all"));
  await refused(404, 1703, system.setUserAccessLevel("nobody", { database }, "rw"));
  await refused(404, 1203, system.setUserAccessLevel("bob", { database, collection: "missing" }, "rw"));
  await refused(403, 11, connect(database, "ann", "pw").setUserAccessLevel("ann", { database: "_system" }, "rw"));
}

async function logins() {
  step("Log in for a token, also below the database's path, and renew it.");
  const database = new Database({ url: ENDPOINTS, databaseName: "shop" });
  await refused(401, 11, database.version());
  await refused(401, 401, database.login("ann", "wrong"));
  const token = await database.login("ann", "pw");
  assert.equal(token.split(".").length, 3);
  assert.equal((await database.version()).server, "arango");
  // An hour is left, so there is no other.
  assert.equal(await database.renewAuthToken(), null);
  database.useBearerAuth(token.slice(0, -4));
  await refused(401, 11, database.version());
}

async function server(system) {
  step("What the server says of itself, and the hosts of a cluster.");
  const version = await system.version(true);
  assert.equal(version.details.role, CLUSTER ? "COORDINATOR" : "SINGLE");
  assert.equal((await system.engine()).name, "rocksdb");
  assert.ok(Math.abs((await system.time()) - Date.now()) < 60_000);
  assert.equal((await system.status()).serverInfo.readOnly, false);
  assert.equal(await system.availability(), "default");
  if (CLUSTER) {
    const found = new Database({ url: ENDPOINTS[0], auth: { username: "root", password: PASSWORD } });
    await found.acquireHostList();
    await system.waitForPropagation({ pathname: "/_api/version" }, 5000);
    assert.equal((await found.listDatabases()).length, 2);
  }
}

async function main() {
  const system = connect("_system", "root", PASSWORD);
  await databases(system);
  await users(system);
  await rights(system);
  await logins();
  await server(system);
  step("Dropping the database leaves its users.");
  assert.equal(await system.dropDatabase("shop"), true);
  assert.deepEqual((await system.listUsers()).map(({ user }) => user).sort(), ["ann", "bob", "root"]);
  await refused(401, 11, connect("shop", "ann", "pw").get());
}

main().catch((error) => {
  // The stack, and not all that the driver keeps with an error.
  console.error(error.stack);
  process.exit(1);
});
