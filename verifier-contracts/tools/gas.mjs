// The gas of every call as a transaction, in docs/gas.md: measures it (test/Gas.t.sol, test/periphery/PeripheryGas.t.sol) and writes the page;
// with --check, fails where a figure of the committed page is off by more than a hundredth, or one is missing or not measured any more.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const page = join(root, '..', 'docs', 'gas.md');
const TOLERANCE = 0.01;
// contracts of tests, and what they measure
const suites = {
  UniversalGasTest: 'One inference, universal wrap',
  Groth16GasTest: 'One inference, Groth16',
  UniversalJointGasTest: '64 joint inferences, universal wrap',
  Groth16JointGasTest: '64 joint inferences, Groth16',
  UniversalBatchGasTest: '64 separate inferences, universal wrap',
  Groth16BatchGasTest: '64 separate inferences, Groth16',
  PeripheryGasTest: 'Around the market',
};

/** Rows of `[call, gas]` for each suite, in the order of the tests' names, out of what forge prints of their logs. */
function measure() {
  const text = execFileSync(join(root, 'node_modules/.bin/forge'), ['test', '--match-contract', 'GasTest', '-vv', '--color', 'never'], {
    cwd: root,
    env: { ...process.env, FOUNDRY_PROFILE: 'test' },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const rows = {};
  for (const part of text.split(/^Ran \d+ tests? for .*:/m).slice(1)) {
    const suite = /^\w+/.exec(part)[0];
    if (!suites[suite]) throw new Error(`${suite} has no heading in tools/gas.mjs`);
    const tests = part.split(/^\[/m).slice(1).sort();
    const seen = new Map();
    for (const test of tests) {
      if (!test.startsWith('PASS]')) throw new Error(`${suite}: ${test.split('\n')[0]}`);
      for (const [, what, gas] of test.matchAll(/^ {2}(.+): (\d+)$/gm)) if (!seen.has(what)) seen.set(what, Number(gas));
    }
    rows[suite] = [...seen];
  }
  return rows;
}

function write(rows) {
  let text = `# Gas

What each call costs as a transaction: cold storage, calldata and the 21,000 included. \`verifier-contracts/test.sh\` measures them and fails where a figure is off by more than a hundredth;
\`node verifier-contracts/tools/gas.mjs\` writes this page. Parties have been here before: what is first in an account or in a word of nonces costs up to 17,100 more (docs/contracts.md, which says what the figures are made
of). LeNet-5 by the golden proofs; calls around the market by a smaller key.
`;
  for (const [suite, heading] of Object.entries(suites)) {
    text += `\n## ${heading}\n\n| call | gas |\n|---|---|\n`;
    for (const [what, gas] of rows[suite]) text += `| ${what} | ${gas.toLocaleString('en-US')} |\n`;
  }
  writeFileSync(page, text);
}

/** What is wrong with the committed page. */
function check(rows) {
  const wrong = [];
  const sections = readFileSync(page, 'utf8').split(/^## /m).slice(1);
  for (const [suite, heading] of Object.entries(suites)) {
    const section = sections.find((s) => s.startsWith(`${heading}\n`)) ?? '';
    const committed = new Map([...section.matchAll(/^\| (.*) \| ([\d,]+) \|$/gm)].map(([, what, gas]) => [what, Number(gas.replaceAll(',', ''))]));
    for (const [what, gas] of rows[suite]) {
      const before = committed.get(what);
      committed.delete(what);
      if (before === undefined) wrong.push(`${heading}: ${what} is not on the page`);
      else if (Math.abs(gas - before) > TOLERANCE * before) wrong.push(`${heading}: ${what} takes ${gas}, and the page says ${before}`);
    }
    for (const what of committed.keys()) wrong.push(`${heading}: ${what} is not measured any more`);
  }
  return wrong;
}

const rows = measure();
for (const suite of Object.keys(suites)) if (!rows[suite]?.length) throw new Error(`${suite} measures nothing`);
if (process.argv.includes('--check')) {
  const wrong = check(rows);
  if (wrong.length) {
    console.error(`docs/gas.md is out of date; run node verifier-contracts/tools/gas.mjs:\n${wrong.join('\n')}`);
    process.exit(1);
  }
} else {
  write(rows);
}
