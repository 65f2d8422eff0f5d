#!/usr/bin/env node
// A `solc` for forge out of the npm package: answers --version, and reads standard JSON on stdin.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const solc = createRequire(import.meta.url)('solc');
if (process.argv.includes('--version')) {
  console.log('solc, the solidity compiler commandline interface\nVersion: ' + solc.version());
} else {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')));
}
