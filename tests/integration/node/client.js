// Promises over tedious, as far as these tests need them.
'use strict';
const tedious = require('tedious');

const [host, port, user] = process.argv.slice(2, 5);

// `options` are tedious' own, `auth` may name another user or password.
function connect(database, options = {}, auth = {}) {
  const connection = new tedious.Connection({
    server: host,
    authentication: {
      type: 'default',
      options: { userName: user, password: process.env.QUIRE_PASSWORD, ...auth },
    },
    options: {
      port: Number(port), database, encrypt: true, trustServerCertificate: true,
      requestTimeout: 120000, rowCollectionOnRequestCompletion: false, ...options,
    },
  });
  return new Promise((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
}

function close(connection) {
  return new Promise((resolve) => {
    connection.once('end', resolve);
    connection.close();
  });
}

// Resolves to what a request answered: result sets, counts, output parameters, return status.
// A failed one rejects with its first error, whose `all` holds every error.
function request(sql, start, prepare) {
  return new Promise((resolve, reject) => {
    const answer = { sets: [], columns: [], counts: [], outputs: {}, status: undefined };
    const made = new tedious.Request(sql, (error, count) => {
      answer.count = count;
      if (error) {
        error.all = error.errors || [error];
        reject(error);
      } else {
        resolve(answer);
      }
    });
    made.on('columnMetadata', (columns) => {
      answer.columns.push(columns);
      answer.sets.push([]);
    });
    made.on('row', (row) => answer.sets[answer.sets.length - 1].push(row.map((cell) => cell.value)));
    made.on('returnValue', (name, value) => { answer.outputs[name] = value; });
    made.on('doneProc', (count, more, status) => {
      if (status !== undefined) answer.status = status;
    });
    for (const kind of ['done', 'doneInProc']) {
      made.on(kind, (count) => { if (count !== undefined) answer.counts.push(count); });
    }
    if (prepare) prepare(made);
    start(made);
  });
}

const batch = (connection, sql) => request(sql, (made) => connection.execSqlBatch(made));

function add(made, parameters) {
  for (const [name, type, value, options] of parameters) made.addParameter(name, type, value, options);
}

// sp_executesql; parameters are [name, type, value, options].
const query = (connection, sql, parameters = []) =>
  request(sql, (made) => connection.execSql(made), (made) => add(made, parameters));

const call = (connection, name, parameters = [], outputs = []) =>
  request(name, (made) => connection.callProcedure(made), (made) => {
    add(made, parameters);
    for (const [output, type, value, options] of outputs) {
      made.addOutputParameter(output, type, value, options);
    }
  });

const promised = (start) => new Promise((resolve, reject) => {
  start((error, value) => (error ? reject(error) : resolve(value)));
});

module.exports = { tedious, connect, close, request, batch, query, call, promised };
