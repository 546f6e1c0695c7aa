// Run by mongosh in the service `replica-set` of docker-compose.yml: initiates the replica set and creates the user of the nodes.
// Safe to run again.
const members = ["mongo1", "mongo2", "mongo3"];
const root = `root:${encodeURIComponent(process.env.MONGO_ROOT_PASSWORD)}`;
const first = connect(`mongodb://${root}@${members[0]}/admin?directConnection=true`);

const state = first.hello();
if (!state.setName) {
  const config = { _id: "rs0", members: members.map((host, id) => ({ _id: id, host: `${host}:27017` })) };
  first.adminCommand({ replSetInitiate: config });
}

const set = connect(`mongodb://${root}@${members.join(",")}/admin?replicaSet=rs0&serverSelectionTimeoutMS=60000`);
const name = "vultus";
const user = { pwd: process.env.VULTUS_DB_PASSWORD, roles: [{ role: "readWrite", db: "vultus" }] };
if (set.getUser(name)) {
  set.updateUser(name, user);
} else {
  set.createUser({ user: name, ...user });
}
print("the replica set and the user of the nodes are ready");
