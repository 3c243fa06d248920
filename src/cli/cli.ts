#!/usr/bin/env node
/** `assay`: the service and what one does with it from a terminal. */
import { Command } from 'commander';
import { createRequire } from 'node:module';
import { challengersCommand } from './challengers.js';
import { demoCommand } from './demo/demo.js';
import { deployCommand } from './deploy/command.js';
import { eventsCommand } from './events.js';
import { gateCommand } from './gate.js';
import { keysCommand } from './keys.js';
import { rebuildCommand, statusCommand, verifyCommand } from './operate.js';
import { serveCommand } from './serve.js';
import { explainError } from './service-client.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Exit status of everything that went wrong before there was an answer. */
const ERROR = 3;

const program = new Command('assay')
  .description('Which prediction was right, and may the canary take all traffic')
  .version(version)
  .addHelpText(
    'after',
    '\nExamples:\n  $ assay demo --exit\n  $ assay serve\n  $ assay gate --predictor industry-code --wait 30m\n',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : ERROR));

for (const command of [
  serveCommand(),
  demoCommand(),
  gateCommand(),
  challengersCommand(),
  statusCommand(),
  rebuildCommand(),
  verifyCommand(),
  eventsCommand(),
  keysCommand(),
  deployCommand(),
]) {
  // Subcommands made elsewhere do not inherit how the program ends.
  program.addCommand(endLike(command));
}

function endLike(command: Command): Command {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : ERROR));
  command.commands.forEach(endLike);
  return command;
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(explainError(error));
  process.exitCode = ERROR;
}
