// Loads a script of batches separated by GO. usage: northwind.js HOST PORT USER DATABASE SCRIPT
'use strict';
const fs = require('fs');
const { connect, close, batch } = require('./client');

async function main() {
  const [database, script] = process.argv.slice(5);
  const connection = await connect(database);
  const batches = fs.readFileSync(script, 'utf8').replace(/^\uFEFF/, '').split(/^[ \t]*GO[ \t]*\r?$/mi);
  for (const text of batches) {
    if (text.trim() !== '') await batch(connection, text);
  }
  await close(connection);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
