/** `assay gate`: may the canary take all traffic? For release pipelines, by exit status. */
import { Command } from 'commander';
import type { Verdict } from '../event/predictor.js';
import { seconds } from './duration.js';
import { duration } from '../verdict/reasons.js';
import { healthMarkdown, healthText, type HealthAnswer } from './health-text.js';
import { addRunningServerOptions, Refused, ServiceClient, type ServerOptions } from './service-client.js';

const EXIT: Record<Verdict, number> = { promote: 0, rollback: 1, hold: 2, insufficient: 2 };

/** Longest pause between two looks, seconds. */
const PAUSE_LIMIT_SECONDS = 30;

interface GateOptions extends ServerOptions {
  predictor: string;
  canary?: string;
  wait: number;
  json: boolean;
  markdown: boolean;
}

export function gateCommand(): Command {
  const command = new Command('gate')
    .description('Ask whether the canary may take all traffic')
    .requiredOption('--predictor <name>', 'whose canary')
    .option('--canary <version>', 'the version that must be the canary; an error while another one is')
    .option('--wait <duration>', 'how long to wait for a verdict, such as 90s, 30m or 6h', seconds, 0)
    .option('--json', 'print the health answer as JSON', false)
    .option('--markdown', 'print it as Markdown, for the comment on a pull request', false);
  return addRunningServerOptions(command)
    .addHelpText(
      'after',
      '\nExit status: 0 promote, 1 rollback, 2 not decided in time, 3 error.\n\nExample:\n  $ assay gate --predictor industry-code --wait 30m && ./release-to-all.sh\n  $ assay gate --predictor industry-code --markdown | gh pr comment 17 --body-file -\n',
    )
    .action(async (options: GateOptions) => {
      process.exitCode = await gate(options);
    });
}

async function gate({ predictor, canary, wait, json, markdown, ...options }: GateOptions): Promise<number> {
  const client = ServiceClient.with(options);
  const deadline = Date.now() + wait * 1000;
  for (;;) {
    const { health, retryAfter } = await ask(client, predictor, canary);
    const left = (deadline - Date.now()) / 1000;
    const isDecided = EXIT[health.verdict] !== 2;
    if (isDecided || left <= 0) {
      endProgress();
      console.log(json ? JSON.stringify(health) : markdown ? healthMarkdown(health) : healthText(health));
      return EXIT[health.verdict];
    }
    const pause = Math.min(retryAfter, left, PAUSE_LIMIT_SECONDS);
    showProgress(health, left, pause);
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
  }
}

/** One line that moves on a terminal, elsewhere a line a look. */
function showProgress(health: HealthAnswer, leftSeconds: number, pauseSeconds: number): void {
  const { verdict, reason, labelsNeeded, secondsNeeded } = health;
  if (!process.stderr.isTTY) {
    const pause = Math.ceil(pauseSeconds);
    console.error(`${new Date().toISOString()} ${verdict}: ${reason} Asking again in ${pause} s.`);
    return;
  }
  const labels =
    labelsNeeded === undefined ? '' : `, about ${Math.ceil(labelsNeeded).toLocaleString('en')} labels to go`;
  const time = secondsNeeded === undefined ? '' : ` (${duration(secondsNeeded)})`;
  const line = `${verdict}${labels}${time}; waiting ${duration(leftSeconds)} more at most`;
  process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
}

function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

async function ask(
  client: ServiceClient,
  predictor: string,
  canary?: string,
): Promise<{ health: HealthAnswer; retryAfter: number }> {
  const query = canary === undefined ? '' : `?version=${encodeURIComponent(canary)}`;
  const response = await client.fetch(`/v1/predictors/${encodeURIComponent(predictor)}/canary/gate${query}`);
  const answer = (await response.json()) as HealthAnswer & { detail?: string };
  if (!(answer.verdict in EXIT)) {
    throw Refused.by(response, answer.detail ?? `The gate answered ${response.status}.`);
  }
  return { health: answer, retryAfter: Number(response.headers.get('retry-after') ?? '1') };
}
