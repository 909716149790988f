// @azure/arm-sql, unchanged: prints what it got, as JSON.
'use strict';
const { SqlManagementClient } = require('@azure/arm-sql');

const [endpoint, subscription, group, server, what] = process.argv.slice(2);
const credential = {
  getToken: async () => ({ token: process.env.QUIRE_TOKEN, expiresOnTimestamp: Date.now() + 3600e3 }),
};
const client = new SqlManagementClient(credential, subscription, { endpoint });

async function list(iterator) {
  const all = [];
  for await (const item of iterator) all.push(item);
  return all;
}

const cases = {
  async lifecycle() {
    const made = await client.databases.beginCreateOrUpdateAndWait(group, server, 'node1', {
      location: 'eastus', sku: { name: 'GP_Gen5', tier: 'GeneralPurpose', capacity: 2 },
    });
    const scaled = await client.databases.beginUpdateAndWait(group, server, 'node1', {
      sku: { name: 'GP_Gen5_4', tier: 'GeneralPurpose' },
    });
    const copy = await client.databases.beginCreateOrUpdateAndWait(group, server, 'node2', {
      location: 'eastus', createMode: 'Copy', sourceDatabaseId: made.id,
    });
    const operations = await list(client.databaseOperations.listByDatabase(group, server, 'node1'));
    const databases = await list(client.databases.listByServer(group, server));
    await client.databases.beginDeleteAndWait(group, server, 'node2');
    return {
      made: [made.name, made.currentServiceObjectiveName, made.status],
      scaled: [scaled.name, scaled.currentServiceObjectiveName],
      copy: copy.name,
      operations: operations.map((o) => [o.operation, o.state]),
      databases: databases.map((d) => d.name),
    };
  },
  async hyperscale() {
    const made = await client.databases.beginCreateOrUpdateAndWait(group, server, 'node3', {
      location: 'eastus', sku: { name: 'HS_Gen5', tier: 'Hyperscale', capacity: 2 },
      highAvailabilityReplicaCount: 1,
    });
    await client.databases.beginFailoverAndWait(group, server, 'node3');
    const named = await client.databases.beginCreateOrUpdateAndWait(group, server, 'node3_NR', {
      location: 'eastus', createMode: 'Secondary', secondaryType: 'Named', sourceDatabaseId: made.id,
      sku: { name: 'HS_Gen5_2' }, highAvailabilityReplicaCount: 0,
    });
    const links = await list(client.replicationLinks.listByDatabase(group, server, 'node3'));
    await client.databases.beginDeleteAndWait(group, server, 'node3_NR');
    await client.databases.beginDeleteAndWait(group, server, 'node3');
    return {
      made: [made.maxSizeBytes, made.highAvailabilityReplicaCount],
      named: named.secondaryType,
      links: links.map((l) => [l.partnerDatabase, l.role]),
    };
  },
  async errors() {
    const seen = [];
    for (const call of [
      () => client.databases.get(group, server, 'nope'),
      () => client.servers.get(group, 'nope'),
      () => client.databases.beginCreateOrUpdateAndWait(group, server, 'x', {
        location: 'eastus', sku: { name: 'GP_Gen5_3' } }),
    ]) {
      try {
        await call();
        seen.push('no error');
      } catch (error) {
        seen.push([error.statusCode, error.code]);
      }
    }
    return seen;
  },
};

cases[what]().then((got) => console.log(JSON.stringify(got)), (error) => {
  console.error(error);
  process.exit(1);
});
