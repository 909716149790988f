// Drives tedious against a server: node tedious.js HOST PORT USER PASSWORD DATABASE CASE.
// Prints one line of JSON with what the case saw; the test in Python judges it.
'use strict';
const { Connection, Request, TYPES, ISOLATION_LEVEL } = require('tedious');

const [host, port, user, password, database, name, extra] = process.argv.slice(2);

function connect(options = {}) {
  return new Promise((resolve, reject) => {
    const connection = new Connection({
      server: host,
      authentication: { type: 'default', options: { userName: user, password } },
      options: {
        port: Number(port), database, encrypt: true, trustServerCertificate: true,
        rowCollectionOnRequestCompletion: false, useUTC: true, ...options,
      },
    });
    connection.on('error', () => {});
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
}

// Runs a request; resolves with its rows, outputs, return status and error.
function run(connection, sql, { params = [], outputs = [], how = 'execSql', values } = {}) {
  return new Promise((resolve) => {
    const seen = { sets: [], outputs: {}, messages: [] };
    const request = new Request(sql, (error, count) => {
      seen.count = count;
      if (error) seen.error = { number: error.number, message: error.message, code: error.code };
      resolve(seen);
    });
    request.on('columnMetadata', (columns) => {
      seen.sets.push({ columns: columns.map((c) => [c.colName, c.type.name]), rows: [] });
    });
    request.on('row', (columns) => seen.sets.at(-1).rows.push(columns.map((c) => c.value)));
    request.on('returnValue', (parameter, value) => { seen.outputs[parameter] = value; });
    request.on('doneProc', (count, more, status) => {
      if (status !== undefined) seen.status = status;
    });
    for (const [parameter, type, value, options] of params) {
      request.addParameter(parameter, type, value, options);
    }
    for (const [parameter, type, value, options] of outputs) {
      request.addOutputParameter(parameter, type, value, options);
    }
    seen.request = undefined;
    if (how === 'execute') {
      connection.execute(request, values);
    } else {
      connection[how](request);
    }
  });
}

const cases = {
  async select() {
    const connection = await connect();
    const seen = await run(connection, 'SELECT 1 AS a, N\'ü\' AS b; SELECT CAST(2.5 AS float)');
    connection.close();
    return seen.sets;
  },

  async types() {
    const connection = await connect();
    const at = new Date(Date.UTC(2026, 1, 28, 23, 59, 59, 997));
    const rows = [
      ['Bit', true], ['TinyInt', 255], ['SmallInt', -32768], ['Int', -2147483648],
      ['BigInt', '9007199254740993'], ['Real', 0.5], ['Float', -2.5e300],
      ['Decimal', 12345.678, { precision: 12, scale: 3 }], ['Money', 12.5],
      ['VarChar', 'abc'], ['NVarChar', 'h\u00e4\u00df\u20ac\ud834\udd1e'],
      ['NVarChar', 'x'.repeat(10000), { length: Infinity }],
      ['VarBinary', Buffer.from([0, 255])], ['UniqueIdentifier', '6F9619FF-8B86-D011-B42D-00C04FC964FF'],
      ['Date', at], ['Time', at, { scale: 3 }], ['DateTime', at], ['DateTime2', at, { scale: 3 }],
      ['DateTimeOffset', at, { scale: 3 }], ['SmallDateTime', at], ['Int', null],
    ];
    const result = [];
    for (const [type, value, options] of rows) {
      const seen = await run(connection, 'SELECT @v AS v', { params: [['v', TYPES[type], value, options]] });
      result.push([type, seen.error ? seen.error.message : seen.sets[0].rows[0][0]]);
    }
    connection.close();
    return result;
  },

  async outputs() {
    const connection = await connect();
    await run(connection, 'CREATE PROCEDURE ted1 @a int, @b int OUTPUT, @c nvarchar(20) OUTPUT AS ' +
      'SET @b = @a * 2; SET @c = N\'got \' + @c; SELECT @a AS a; RETURN 5', { how: 'execSqlBatch' });
    const seen = await run(connection, 'ted1', {
      how: 'callProcedure', params: [['a', TYPES.Int, 21]],
      outputs: [['b', TYPES.Int], ['c', TYPES.NVarChar, 'this', { length: 20 }]],
    });
    connection.close();
    return seen;
  },

  async prepared() {
    const connection = await connect();
    const result = [];
    const request = new Request('SELECT @a + 1, UPPER(@b)', () => {});
    request.addParameter('a', TYPES.Int);
    request.addParameter('b', TYPES.NVarChar);
    await new Promise((resolve) => { request.on('prepared', resolve); connection.prepare(request); });
    for (const a of [1, 2, 3]) {
      result.push(await new Promise((resolve, reject) => {
        const rows = [];
        const onRow = (columns) => rows.push(columns.map((c) => c.value));
        request.on('row', onRow);
        request.userCallback = (error) => {
          request.removeListener('row', onRow);
          if (error) reject(error); else resolve(rows[0]);
        };
        request.callback = request.userCallback;
        connection.execute(request, { a, b: `v${a}` });
      }));
    }
    connection.close();
    return result;
  },

  async transactions() {
    const connection = await connect();
    const call = (method, ...args) => new Promise((resolve, reject) => {
      connection[method]((error) => (error ? reject(error) : resolve()), ...args);
    });
    await run(connection, 'CREATE TABLE ted2 (a int)');
    await call('beginTransaction', 'one', ISOLATION_LEVEL.READ_COMMITTED);
    await run(connection, 'INSERT ted2 VALUES (1)');
    await call('saveTransaction', 'here');
    await run(connection, 'INSERT ted2 VALUES (2)');
    await call('rollbackTransaction', 'here');
    await call('commitTransaction');
    await call('beginTransaction');
    await run(connection, 'INSERT ted2 VALUES (3)');
    await call('rollbackTransaction');
    const seen = await run(connection, 'SELECT a FROM ted2; SELECT @@TRANCOUNT');
    connection.close();
    return seen.sets.map((set) => set.rows);
  },

  async errors() {
    const connection = await connect();
    const missing = await run(connection, 'SELECT * FROM nosuch');
    const after = await run(connection, 'SELECT 1');
    connection.close();
    return [missing.error, after.sets[0].rows];
  },

  async cancel() {
    const connection = await connect();
    const started = Date.now();
    const error = await new Promise((resolve) => {
      const request = new Request('WAITFOR DELAY \'00:01:00\'', resolve);
      connection.execSqlBatch(request);
      request.on('requestCompleted', () => {});
      setTimeout(() => connection.cancel(), 100);
    });
    const after = await run(connection, 'SELECT 1');
    connection.close();
    return [error.code, Date.now() - started < 20000, after.sets[0].rows];
  },

  async bulk() {
    const connection = await connect();
    await run(connection, 'CREATE TABLE ted3 (id int NOT NULL PRIMARY KEY, name nvarchar(40) NULL, at datetime2(3) NULL)');
    const count = Number(extra || 1000);
    const loaded = await new Promise((resolve, reject) => {
      const load = connection.newBulkLoad('ted3', (error, rows) => (error ? reject(error) : resolve(rows)));
      load.setTimeout(0); // a million rows on a busy machine
      load.addColumn('id', TYPES.Int, { nullable: false });
      load.addColumn('name', TYPES.NVarChar, { length: 40, nullable: true });
      load.addColumn('at', TYPES.DateTime2, { scale: 3, nullable: true });
      function* rows() {
        for (let i = 0; i < count; i++) yield [i, i % 7 ? `n ${i}` : null, new Date(1e12 + i)];
      }
      connection.execBulkLoad(load, rows());
    });
    const seen = await run(connection, 'SELECT COUNT(*), COUNT(name), MAX(id) FROM ted3');
    connection.close();
    return [loaded, seen.sets[0].rows[0]];
  },

  async tvp() {
    const connection = await connect();
    await run(connection, 'CREATE TYPE pairs AS TABLE (a int, b nvarchar(10))', { how: 'execSqlBatch' });
    await run(connection, 'CREATE PROCEDURE ted4 @t pairs READONLY AS SELECT SUM(a), MAX(b) FROM @t', { how: 'execSqlBatch' });
    const table = {
      columns: [{ name: 'a', type: TYPES.Int }, { name: 'b', type: TYPES.NVarChar, length: 10 }],
      rows: [[1, 'x'], [2, 'z'], [3, null]],
    };
    const seen = await run(connection, 'ted4', { how: 'callProcedure', params: [['t', TYPES.TVP, table]] });
    connection.close();
    return seen.error || seen.sets[0].rows[0];
  },

  async reset() {
    const connection = await connect();
    await run(connection, 'CREATE TABLE #t (a int)', { how: 'execSqlBatch' });
    await new Promise((resolve, reject) => connection.reset((error) => (error ? reject(error) : resolve())));
    const seen = await run(connection, 'SELECT OBJECT_ID(\'tempdb..#t\')');
    connection.close();
    return seen.sets[0].rows;
  },

  // Four sessions while `extra` sends their database elsewhere: what each is told, how many ended.
  async cut() {
    const told = {};
    let ended = 0;
    const open = async () => {
      const connection = await connect();
      connection.on('end', () => { ended += 1; });
      return connection;
    };
    const [running, tran, idle, result, master] =
      [await open(), await open(), await open(), await open(), await connect({ database: 'master' })];
    const ask = async (connection, sql) => {
      const seen = await run(connection, sql, { how: 'execSqlBatch' });
      return seen.error ? seen.error.number || seen.error.code : 0;
    };
    await ask(tran, 'BEGIN TRAN');
    const requests = [ask(running, 'WAITFOR DELAY \'00:01:00\''),
      ask(result, 'SELECT TOP 10 name FROM sys.objects; WAITFOR DELAY \'00:01:00\'')];
    for (let count = 0; count < 3;) {
      const seen = await run(idle, 'SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE status = \'running\'');
      count = seen.sets[0].rows[0][0];
    }
    await ask(master, extra);
    [told.running, told.result] = await Promise.all(requests);
    told.tran = await ask(tran, 'SELECT 1');
    told.again = await ask(tran, 'SELECT 1');
    told.idle = await ask(idle, 'SELECT 1');
    told.after = [await ask(running, 'SELECT 1'), await ask(result, 'SELECT 1')];
    return { ...told, ended };
  },

  async encryption() {
    const result = [];
    for (const encrypt of [true, false]) {
      const connection = await connect({ encrypt });
      const seen = await run(connection, 'SELECT 9');
      result.push(seen.sets[0].rows[0][0]);
      connection.close();
    }
    return result;
  },
};

cases[name]().then((seen) => {
  process.stdout.write(`${JSON.stringify(seen)}\n`);
  process.exit(0);
}, (error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
