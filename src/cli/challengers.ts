/** `assay challengers`: what is known of the versions that answer in the shadow. */
import { Command } from 'commander';
import type { ChallengerJudgement } from '../verdict/challenger-judgement.js';
import { minute, table } from './health-text.js';
import { addRunningServerOptions, ServiceClient, type ServerOptions } from './service-client.js';

/** One of what GET /v1/predictors/{predictor}/challengers answers. */
interface ChallengerAnswer extends Omit<ChallengerJudgement, 'decidedAt'> {
  challenger: string;
  baseline: string;
  comparedSince: string;
  asOf: string;
  decidedAt: string | null;
}

interface ChallengersOptions extends ServerOptions {
  predictor: string;
  json: boolean;
}

export function challengersCommand(): Command {
  const command = new Command('challengers')
    .description('Show the versions that answer in the shadow, and which of them may become the canary')
    .requiredOption('--predictor <name>', 'whose challengers')
    .option('--json', 'print the answer as JSON', false);
  return addRunningServerOptions(command)
    .addHelpText('after', '\nExample:\n  $ assay challengers --predictor industry-code\n')
    .action(async ({ predictor, json, ...options }: ChallengersOptions) => {
      const path = `/v1/predictors/${encodeURIComponent(predictor)}/challengers`;
      const answer = await ServiceClient.with(options).get<{ challengers: ChallengerAnswer[] }>(path);
      console.log(json ? JSON.stringify(answer) : textOf(predictor, answer.challengers));
    });
}

function textOf(predictor: string, challengers: readonly ChallengerAnswer[]): string {
  if (challengers.length > 0) return challengers.map(challengerText).join('\n\n');
  return `No version of ${predictor} answers in the shadow. Deploy one with "shadow": true.`;
}

function challengerText(answer: ChallengerAnswer): string {
  const { challenger, baseline, verdict, decidedAt, reason, claims, pairs } = answer;
  return [
    `${challenger} in the shadow of ${baseline} since ${minute(answer.comparedSince)}, as of ${minute(answer.asOf)}`,
    `Verdict: ${verdict.toUpperCase()}${decidedAt === null ? '' : ` (reached ${minute(decidedAt)})`}`,
    reason,
    '',
    ...table([
      ['claim', 'status', 'evidence', 'needed', 'if wrong answers are labelled', 'holds'],
      ...claims.map((claim) => [
        claim.name,
        claim.status,
        claim.evidence.toPrecision(3),
        claim.threshold.toFixed(0),
        `${claim.labelOdds} times as readily`,
        claim.holdsAtLabelOdds === null
          ? '-'
          : `${claim.name === 'within' ? 'up to' : 'from'} ${claim.holdsAtLabelOdds.toFixed(1)} times`,
      ]),
    ]),
    '',
    ...table([
      ['labelled pairs', `${challenger} right`, `${challenger} wrong`, 'unknown'],
      [`${baseline} right`, count(pairs.bothRight), count(pairs.onlyShownRight), ''],
      [
        `${baseline} wrong`,
        count(pairs.onlyChallengerRight),
        count(pairs.bothWrong),
        count(pairs.shownWrong),
      ],
    ]),
    shadowLine(answer),
  ].join('\n');
}

function shadowLine({ shadowed }: ChallengerAnswer): string {
  const { predictions, agreement, failed } = shadowed;
  const same = agreement === null ? '' : `, the same first answer in ${(agreement * 100).toFixed(1)} %`;
  return `${count(predictions)} predictions answered by both${same}; ${count(failed)} that the challenger failed to answer`;
}

function count(number: number): string {
  return number.toLocaleString('en');
}
